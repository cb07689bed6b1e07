//===- races.cpp - Accesses that nothing orders ---------------------------===//
//
// Threads run one after the other here, in an order that a device need not
// take. Two accesses to a byte, one of which writes, are a race unless
//
//   - one thread does both, or both are atomic;
//   - a barrier of their workgroup for this memory lies in between, or
//   - one of their subgroup.
//
// Nothing orders workgroups. Each byte keeps its last writer and a summary of
// its readers since; when they met at a barrier is compared by a clock that
// grows with every barrier. Reading an array of the workgroup that nobody has
// written is found on the way.
//
//===----------------------------------------------------------------------===//

#include "simulator.h"

using namespace simt;

namespace {
/// Who has read a byte: nobody, one thread, or several that have at least this
/// in common.
enum Readers : uint8_t {
  Nobody,
  OneThread,
  OneSubgroup,
  OneWorkgroup,
  Several
};

/// The running thread, compared with others.
struct Observer {
  const Simulator &state;
  int space;
  uint32_t self;

  uint32_t workgroupOf(uint32_t thread) const {
    return thread / state.threadCount;
  }
  bool sameWorkgroup(uint32_t thread) const {
    return workgroupOf(thread) == state.workgroupNumber;
  }
  bool sameSubgroup(uint32_t thread) const {
    return sameWorkgroup(thread) && thread % state.threadCount / subgroupSize ==
                                        state.running->ids.subgroup;
  }
  /// Whether all of the workgroup have met since `when`.
  bool workgroupMetSince(uint32_t when) const {
    return when < state.workgroupMet.at[space];
  }
  bool subgroupMetSince(uint32_t when) const {
    return when < state.subgroupMet[state.running->ids.subgroup].at[space];
  }
  /// Whether what `thread` did at `when` is done for the running thread.
  bool isAfter(uint32_t thread, uint32_t when) const {
    if (thread == self)
      return true;
    if (!sameWorkgroup(thread))
      return false;
    return workgroupMetSince(when) ||
           (sameSubgroup(thread) && subgroupMetSince(when));
  }
  bool isAfterReaders(const Cell &cell) const {
    uint32_t reader = cell.reader - 1;
    switch (Readers(cell.readers)) {
    case Nobody:
      return true;
    case OneThread:
      return isAfter(reader, cell.read);
    case OneSubgroup:
      return sameWorkgroup(reader) &&
             (workgroupMetSince(cell.read) ||
              (sameSubgroup(reader) && subgroupMetSince(cell.read)));
    case OneWorkgroup:
      return sameWorkgroup(reader) && workgroupMetSince(cell.read);
    case Several:
      return false;
    }
    return false;
  }
  /// What the readers and the running thread have in common.
  Readers join(const Cell &cell) const {
    uint32_t reader = cell.reader - 1;
    Readers readers = Readers(cell.readers);
    if (readers == Nobody)
      return OneThread;
    if (!sameWorkgroup(reader))
      return Several;
    if (readers != Several && workgroupMetSince(cell.read))
      return OneThread; // those before can race with nobody any more
    if (readers == OneThread && reader == self)
      return OneThread;
    if (readers <= OneSubgroup && sameSubgroup(reader))
      return OneSubgroup;
    return readers == Several ? Several : OneWorkgroup;
  }
};
} // namespace

void Simulator::setThread(unsigned *workgroup, unsigned *thread,
                          uint32_t number) const {
  uint32_t group = number / threadCount;
  const uint32_t *grid = launch->grid;
  workgroup[0] = group % grid[0];
  workgroup[1] = group / grid[0] % grid[1];
  workgroup[2] = group / grid[0] / grid[1];
  *thread = number % threadCount;
}

void Simulator::track(Region &region, size_t offset, size_t size, bool writes,
                      bool atomic, void *pc) {
  Observer observer{*this, int(region.space), runningThread()};
  bool shared = region.space == Space::Workgroup;
  for (size_t byte = offset; byte < offset + size; ++byte) {
    Cell &cell = region.cells[byte];
    // An array of a workgroup begins anew with each.
    if (shared && cell.writer && !observer.sameWorkgroup(cell.writer - 1))
      cell = Cell();
    if (shared && cell.reader && !observer.sameWorkgroup(cell.reader - 1))
      cell = Cell();
    if (shared && !writes && !cell.writer)
      failAt(failureUninitialized, region, offset, size, writes, pc);

    uint32_t other = 0;
    bool otherWrites = false;
    if (cell.writer && !(atomic && cell.atomicWrite) &&
        !observer.isAfter(cell.writer - 1, cell.written)) {
      other = cell.writer;
      otherWrites = true;
    } else if (writes && !(atomic && cell.atomicRead) &&
               !observer.isAfterReaders(cell)) {
      other = cell.reader;
    }
    if (other) {
      failure->hasOther = 1;
      setThread(failure->otherWorkgroup, &failure->otherThread, other - 1);
      failure->otherWrites = otherWrites;
      failAt(observer.sameWorkgroup(other - 1) ? failureRace
                                               : failureWorkgroupRace,
             region, offset, size, writes, pc);
    }

    if (writes) {
      cell.writer = observer.self + 1;
      cell.written = clock;
      cell.atomicWrite = atomic;
      cell.readers = Nobody;
      cell.reader = 0;
      cell.atomicRead = false;
    } else {
      Readers readers = observer.join(cell);
      cell.atomicRead = atomic && (readers == OneThread || cell.atomicRead);
      cell.readers = readers;
      cell.reader = observer.self + 1;
      cell.read = clock;
    }
  }
}
