//===- simulator.h - One launch of a kernel --------------------*- C++ -*-===//

#ifndef HEADRACE_SIMT_SIMULATOR_H
#define HEADRACE_SIMT_SIMULATOR_H

#include "fiber.h"
#include "headrace_simt.h"
#include "memory.h"
#include "simt.h"
#include "traffic.h"

#include <csetjmp>
#include <memory>
#include <vector>

namespace simt {

enum class State { Ready, AtBarrier, AtSubgroupBarrier, AtSubgroup, Ended };

struct Thread {
  Fiber fiber;
  State state = State::Ready;
  Ids ids;
  Site site;       // where it waits
  unsigned fences; // at a barrier
  Combine combine; // at an operation of the subgroup
  void *operand;
};

/// When the lanes of one subgroup, or all threads of the workgroup, last met at
/// a barrier for each space: what was before cannot race with what is after.
struct Met {
  uint32_t at[2] = {0, 0}; // by Space
};

/// There is one at a time: signal handlers and the functions that kernels call
/// have no other way to reach it.
struct Simulator {
  const HeadraceLaunch *launch = nullptr;
  HeadraceFailure *failure = nullptr;
  Memory memory;
  std::unique_ptr<Traffic> traffic;
  std::vector<std::unique_ptr<Thread>> threads;
  unsigned threadCount = 0;
  Fiber scheduler;
  Thread *running = nullptr;
  uint32_t workgroupNumber = 0; // in the grid
  uint32_t clock = 1;           // grows with every barrier
  Met workgroupMet;
  std::vector<Met> subgroupMet;
  uint64_t random = 0;
  jmp_buf *escape = nullptr;
  // Here and not local: a failure leaves functions by a jump.
  std::vector<uint32_t> workgroups, ready;
  void *bindings[HEADRACE_MAX_BUFFERS] = {};
  void *arrays[HEADRACE_MAX_ARRAYS] = {};
  uint64_t workgroupBytes = 0;

  uint32_t runningThread() const {
    return workgroupNumber * threadCount + running->ids.threadIndex;
  }
  /// A number below `bound`, from the seed.
  uint32_t draw(uint32_t bound);
  /// Puts `items` into the order of the schedule.
  void order(std::vector<uint32_t> &items);
  bool prepareThreads();
  /// Runs all threads of one workgroup.
  void runWorkgroup(Coordinates workgroup);
  /// Looks for a race, or for reading what nobody wrote.
  void track(Region &region, size_t offset, size_t size, bool writes,
             bool atomic, void *pc);
  /// Ends the launch. The thread, if any, is the one that runs.
  [[noreturn]] void fail(HeadraceFailureKind kind);
  [[noreturn]] void failAt(HeadraceFailureKind kind, const Region &region,
                           long offset, size_t size, bool writes, void *pc);
  void setThread(unsigned *workgroup, unsigned *thread, uint32_t number) const;

private:
  void resume(Thread &thread);
  bool settle(unsigned first, unsigned count);
  void settleBarrier();
  [[noreturn]] void failDivergent(HeadraceFailureKind kind, const Thread &one,
                                  const Thread &other);
};

extern Simulator simulator;

/// Waits until the scheduler goes on with the running thread.
void wait(State state, const Site &site);

} // namespace simt

#endif // HEADRACE_SIMT_SIMULATOR_H
