//===- UnrollShortLoops.cpp - loops that vanish when fifos are lowered ----===//

#include "passes/aie/CoreTraffic.h"
#include "passes/aie/Design.h"
#include "passes/aie/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"

#include <numeric>

namespace headrace::aie {
#define GEN_PASS_DEF_AIEUNROLLSHORTLOOPS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;

namespace {

struct AieUnrollShortLoops
    : headrace::aie::impl::AieUnrollShortLoopsBase<AieUnrollShortLoops> {
  void runOnOperation() override {
    for (auto device : getOperation().getOps<DeviceOp>()) {
      Design design(device);
      for (auto core : device.getBodyRegion().getOps<CoreOp>())
        if (failed(unroll(core, getCopies(design, core))))
          return signalPassFailure();
    }
  }

  /// Most copies of a body that give each acquire in it a buffer of its own.
  static int64_t getCopies(const Design &design, CoreOp core) {
    int64_t copies = 1;
    for (const FifoEnd &end : design.tiles().lookup(core.getTileOp())) {
      ObjectFifoOp fifo = end.fifo;
      copies = std::lcm(copies, std::max(end.buffers, fifo.getDepth(end.end)));
    }
    return copies;
  }

  /// Unrolled by `copies`, a loop of fewer than twice as many iterations has
  /// one left, and is no loop any more.
  static LogicalResult unroll(CoreOp core, int64_t copies) {
    SmallVector<scf::ForOp> loops; // those inside first
    if (copies > 1)
      core.walk([&](scf::ForOp loop) {
        std::optional<int64_t> trips = getTripCount(loop);
        if (trips && *trips < 2 * copies)
          loops.push_back(loop);
      });
    for (scf::ForOp loop : loops)
      if (failed(loopUnrollFull(loop)))
        return loop.emitOpError("expected a loop that can be unrolled");
    return success();
  }
};

} // namespace
