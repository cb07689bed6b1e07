//===- CheckLocks.cpp - locks of each tile suffice ------------------------===//

#include "passes/aie/Design.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKLOCKS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;

namespace {

struct AieCheckLocks : headrace::aie::impl::AieCheckLocksBase<AieCheckLocks> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    Design design(device);
    bool fits = true;
    for (auto &[key, ends] : design.tiles()) {
      TileOp tile = key;
      int64_t need = 0;
      for (const FifoEnd &end : ends) {
        need += end.locks;
        // A lock counts the elements of the fifo, each as often as it is sent.
        ObjectFifoOp fifo = end.fifo;
        int64_t count = end.buffers * fifo.getRepeatCount().value_or(1);
        if (count > model.lockValue) {
          fifo.emitOpError("needs locks that count to ")
              << count << " at " << end.describe() << " in " << tile.describe()
              << ", but the locks of " << model.name << " count to "
              << model.lockValue;
          fits = false;
        }
      }
      if (need <= model.of(tile).locks)
        continue;
      InFlightDiagnostic diag = tile.emitOpError("needs ")
                                << need << " locks, but " << tile.describe()
                                << " has " << model.of(tile).locks;
      for (const FifoEnd &end : ends)
        if (end.locks > 0)
          diag.attachNote(FifoEnd(end).fifo.getLoc())
              << end.locks << " of them are for " << end.describe();
      fits = false;
    }
    return fits;
  }
};

} // namespace
