//===- CheckChannels.cpp - DMA channels of each tile suffice --------------===//

#include "passes/aie/Design.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"
#include "passes/aie/Sequence.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKCHANNELS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aiex;

namespace {

struct AieCheckChannels
    : headrace::aie::impl::AieCheckChannelsBase<AieCheckChannels> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    Design design(device);
    bool fits = true;
    for (auto &[tile, ends] : design.tiles())
      for (bool out : {false, true})
        fits &= checkTile(tile, ends, out, model);
    for (auto sequence : device.getBodyRegion().getOps<RuntimeSequenceOp>())
      fits &= checkQueues(sequence, model.shim.queue);
    return fits;
  }

  static bool checkTile(TileOp tile, ArrayRef<FifoEnd> ends, bool out,
                        const DeviceModel &model) {
    const TileModel &kind = model.of(tile);
    // Towards the array is out of a shim tile, too: it sends what it has read.
    int64_t limit = out ? kind.channelsOut : kind.channelsIn;
    auto takes = [&](const FifoEnd &end) {
      return end.channel && end.sends() == out;
    };
    int64_t need = llvm::count_if(ends, takes);
    if (need <= limit)
      return true;
    InFlightDiagnostic diag = tile.emitOpError("needs ")
                              << need << " DMA channels "
                              << (out ? "out" : "in") << ", but "
                              << tile.describe() << " has " << limit;
    for (const FifoEnd &end : ends)
      if (takes(end))
        diag.attachNote(FifoEnd(end).fifo.getLoc())
            << "one is for " << end.describe();
    return false;
  }

  /// No more tasks may be started than a channel holds.
  static bool checkQueues(RuntimeSequenceOp sequence, int64_t limit) {
    RunningTasks running;
    bool fits = true;
    for (Operation &op : sequence.getBody().front()) {
      if (auto start = dyn_cast<DMAStartTaskOp>(op)) {
        DMAConfigureTaskForOp task = start.getTaskOp();
        running.start(task);
        int64_t count = running.countOn(task);
        if (count <= limit)
          continue;
        start.emitOpError("starts task ")
            << count << " of " << task.getAllocAttr()
            << " that has not ended, but a channel of "
            << getShimTile(task).describe() << " holds " << limit
            << "; await or free an earlier one first";
        fits = false;
        running.end(task); // one message for each sequence of starts
      } else if (auto await = dyn_cast<DMAAwaitTaskOp>(op)) {
        running.end(await.getTaskOp());
      } else if (auto free = dyn_cast<DMAFreeTaskOp>(op)) {
        running.end(free.getTaskOp());
      }
    }
    return fits;
  }
};

} // namespace
