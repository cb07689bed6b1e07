//===- FeedSolver.h - numbers of elements of a run --------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_AIE_FEEDSOLVER_H
#define HEADRACE_PASSES_AIE_FEEDSOLVER_H

#include "passes/aie/CoreTraffic.h"

namespace headrace::aie {

/// A core that does the same in each run: what its traffic has is rates.
struct CoreFlow {
  CoreOp core;
  CoreTraffic traffic;
};

/// Finds the number of elements of each fifo in one run of a sequence, and of
/// iterations of each core, from the numbers of the fifos that end in shim
/// tiles, and reports where there is none that suits all.
class FeedSolver {
public:
  FeedSolver(DeviceOp device, llvm::ArrayRef<CoreFlow> cores);

  static bool endsInShim(ObjectFifoOp fifo);
  /// Says how many elements a fifo has, and why; false, with an error, where
  /// another number is known.
  bool set(ObjectFifoOp fifo, int64_t count, const std::string &reason);
  bool solve();

private:
  struct Known {
    int64_t count;
    std::string reason;
  };
  struct Core {
    CoreOp op;
    CoreTraffic traffic;
    std::optional<Known> iterations;
  };

  bool spreadLink(ObjectFifoLinkOp link);
  bool spreadCore(Core &core);
  bool findIterations(Core &core, PortKey key, int64_t rate);
  bool checkEnds(ObjectFifoOp fifo);
  ObjectFifoOp lookUp(llvm::StringRef name);

  DeviceOp device;
  std::vector<Core> cores;
  llvm::DenseMap<ObjectFifoOp, Known> known;
};

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_FEEDSOLVER_H
