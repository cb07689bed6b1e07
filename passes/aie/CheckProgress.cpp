//===- CheckProgress.cpp - a run comes to its end -------------------------===//

#include "passes/aie/Passes.h"
#include "passes/aie/ProgressRun.h"

#include "dialects/AIEX/AIEX.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKPROGRESS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aiex;

namespace {

struct AieCheckProgress
    : headrace::aie::impl::AieCheckProgressBase<AieCheckProgress> {
  void runOnOperation() override {
    for (auto device : getOperation().getOps<DeviceOp>())
      for (auto sequence : device.getBodyRegion().getOps<RuntimeSequenceOp>())
        if (!ends(device, sequence))
          return signalPassFailure();
  }

  static bool ends(DeviceOp device, RuntimeSequenceOp sequence) {
    // Far more than an array does in a second, far less than a minute here.
    constexpr int64_t kMostSteps = int64_t(1) << 27;
    progress::Run run(device, sequence);
    if (!run.finish(kMostSteps)) {
      sequence.emitOpError("expected a run to end within ")
          << kMostSteps << " steps, but it goes on: a core acquires what it "
          << "holds in an endless loop, or elements are too small";
      return false;
    }
    progress::Step *stuck = run.stuck();
    if (!stuck)
      return true;
    InFlightDiagnostic error =
        stuck->op->emitOpError("waits for ever for a task of ")
        << cast<DMAAwaitTaskOp>(stuck->op).getTaskOp().getAllocAttr()
        << ": nothing moves any more";
    for (const std::string &line : run.chain())
      error.attachNote() << line;
    return false;
  }
};

} // namespace
