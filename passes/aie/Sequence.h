//===- Sequence.h - the tasks of a runtime sequence -------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_AIE_SEQUENCE_H
#define HEADRACE_PASSES_AIE_SEQUENCE_H

#include "dialects/AIEX/AIEX.h"

namespace headrace::aie {

/// The shim tile in which the fifo of a task ends.
TileOp getShimTile(aiex::DMAConfigureTaskForOp task);

/// Bytes that a task moves when it is started once.
int64_t getBytesMoved(aiex::DMAConfigureTaskForOp task);

/// Tasks that were started and, as far as the sequence knows, have not ended,
/// in order. A channel runs its tasks one after the other, so the end of one
/// is the end of those before it.
class RunningTasks {
public:
  void start(aiex::DMAConfigureTaskForOp task) { running.push_back(task); }
  /// `task` was awaited or freed; false if it is not running.
  bool end(aiex::DMAConfigureTaskForOp task);
  /// How many there are of the fifo of `task`.
  int64_t countOn(aiex::DMAConfigureTaskForOp task) const;

private:
  std::vector<aiex::DMAConfigureTaskForOp> running;
};

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_SEQUENCE_H
