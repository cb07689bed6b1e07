//===- access.cpp - Where loads and stores go -----------------------------===//
//
// The functions that clang's -fsanitize-coverage=trace-loads,trace-stores calls
// in front of each load and store, and what happens where there is no memory.
//
//===----------------------------------------------------------------------===//

#include "access.h"

#include "simulator.h"

#include <csignal>
#include <cstdlib>
#include <cstring>

using namespace simt;

static void report(const volatile void *pointer, size_t size, bool writes,
                   bool atomic, void *pc) {
  const char *address =
      const_cast<const char *>(static_cast<const volatile char *>(pointer));
  Region *region = size ? simulator.memory.find(address) : nullptr;
  if (!region || !simulator.running)
    return; // of the thread itself, or a constant of the program
  long offset = address - region->base;
  if (offset < 0 || size_t(offset) + size > region->size)
    simulator.failAt(failureOutOfBounds, *region, offset, size, writes, pc);
  if (writes && !region->writable)
    simulator.failAt(failureReadOnly, *region, offset, size, writes, pc);
  if (simulator.traffic && region->space == Space::Device &&
      !simulator.traffic->count(simulator.running->ids.subgroup, region->index,
                                offset, size, writes, pc)) {
    strncpy(simulator.failure->text,
            "more accesses between two barriers than can be traced",
            sizeof simulator.failure->text - 1);
    simulator.fail(failureResources);
  }
  if (!region->cells.empty())
    simulator.track(*region, offset, size, writes, atomic, pc);
}

/// The call, in front of the address where it returns to.
#define CALLER static_cast<char *>(__builtin_return_address(0)) - 1

#define ACCESS(size)                                                           \
  extern "C" void __sanitizer_cov_load##size(void *address) {                  \
    report(address, size, false, false, CALLER);                               \
  }                                                                            \
  extern "C" void __sanitizer_cov_store##size(void *address) {                 \
    report(address, size, true, false, CALLER);                                \
  }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void headrace_simt_atomic_load(const volatile void *from, unsigned long size,
                               void *to) {
  if (simulator.launch->checked || simulator.traffic)
    report(from, size, false, true, CALLER);
  memcpy(to, const_cast<const void *>(from), size);
}

void headrace_simt_atomic_store(volatile void *to, unsigned long size,
                                const void *from) {
  if (simulator.launch->checked || simulator.traffic)
    report(to, size, true, true, CALLER);
  memcpy(const_cast<void *>(to), from, size);
}

void headrace_simt_aligned(const void *address, unsigned long alignment) {
  if (reinterpret_cast<uintptr_t>(address) % alignment == 0)
    return;
  Region *region = simulator.memory.find(address);
  if (!region || !simulator.running)
    return; // out of bounds, and reported as that
  long offset = static_cast<const char *>(address) - region->base;
  simulator.failAt(failureAlignment, *region, offset, alignment, false, CALLER);
}

void headrace_simt_copy(void *to, const void *from, unsigned long size, bool) {
  report(from, size, false, false, CALLER);
  report(to, size, true, false, CALLER);
  memmove(to, from, size);
}

void headrace_simt_fill(void *to, char byte, unsigned long size, bool) {
  report(to, size, true, false, CALLER);
  memset(to, byte, size);
}

// --- faults ------------------------------------------------------------------

void simt::takeFault(const faults::Fault &fault) {
  if (!simulator.running)
    return;
  auto *pc = const_cast<void *>(fault.pc);
  simulator.failure->pc = reinterpret_cast<uint64_t>(pc);
  if (fault.signal == SIGILL || fault.signal == SIGFPE)
    simulator.fail(failureInstruction);
  if (simulator.running->fiber.guards(fault.address))
    simulator.fail(failureStack);
  const auto *at = static_cast<const char *>(fault.address);
  if (Region *region = simulator.memory.find(at)) {
    long offset = at - region->base;
    bool inside = offset >= 0 && size_t(offset) < region->size;
    simulator.failAt(inside ? failureReadOnly : failureOutOfBounds, *region,
                     offset, 0, inside || fault.writes, pc);
  }
  simulator.failure->offset = reinterpret_cast<int64_t>(at);
  simulator.failure->writes = fault.writes;
  simulator.fail(failureAddress);
}
