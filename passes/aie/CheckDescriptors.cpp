//===- CheckDescriptors.cpp - buffer descriptors suffice ------------------===//

#include "passes/aie/Design.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"
#include "passes/aie/Sequence.h"

#include "llvm/ADT/DenseSet.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKDESCRIPTORS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aiex;

namespace {

struct AieCheckDescriptors
    : headrace::aie::impl::AieCheckDescriptorsBase<AieCheckDescriptors> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    Design design(device);
    bool fits = true;
    for (auto &[tile, ends] : design.tiles()) {
      const TileModel &kind = model.of(tile);
      if (!kind.descriptorsByParity) {
        fits &= checkChannels(tile, ends, -1, kind.descriptors);
        continue;
      }
      for (int parity : {0, 1})
        fits &= checkChannels(tile, ends, parity, kind.descriptors / 2);
    }
    for (auto sequence : device.getBodyRegion().getOps<RuntimeSequenceOp>())
      fits &= checkSequence(sequence, model.shim.descriptors);
    return fits;
  }

  /// The channels of one parity, of both where it is -1.
  static bool checkChannels(TileOp tile, ArrayRef<FifoEnd> ends, int parity,
                            int64_t limit) {
    auto takes = [&](const FifoEnd &end) {
      return end.descriptors > 0 && end.channel &&
             (parity < 0 || *end.channel % 2 == parity);
    };
    int64_t need = 0;
    for (const FifoEnd &end : ends)
      need += takes(end) ? end.descriptors : 0;
    if (need <= limit)
      return true;
    InFlightDiagnostic diag = tile.emitOpError("needs ")
                              << need << " buffer descriptors";
    if (parity >= 0)
      diag << " for its " << (parity ? "odd" : "even") << " channels";
    diag << ", but " << tile.describe() << " has " << limit;
    for (const FifoEnd &end : ends)
      if (takes(end))
        diag.attachNote(FifoEnd(end).fifo.getLoc())
            << end.descriptors << " of them are for " << end.describe()
            << " on channel " << *end.channel;
    return false;
  }

  /// A task has its descriptor from its configuration to its end.
  static bool checkSequence(RuntimeSequenceOp sequence, int64_t limit) {
    llvm::DenseMap<TileOp, int64_t> taken;
    llvm::DenseSet<Operation *> ended;
    bool fits = true;
    auto release = [&](Operation *op, DMAConfigureTaskForOp task) {
      if (ended.insert(task).second) {
        --taken[getShimTile(task)];
        return;
      }
      op->emitOpError("ends the task of ")
          << task.getAllocAttr()
          << " a second time: its descriptor may belong to another one by now";
      fits = false;
    };
    for (Operation &op : sequence.getBody().front()) {
      if (auto task = dyn_cast<DMAConfigureTaskForOp>(op)) {
        TileOp tile = getShimTile(task);
        // Once for each tile: the tasks behind it would all say the same.
        if (++taken[tile] != limit + 1)
          continue;
        task.emitOpError("needs buffer descriptor ")
            << limit + 1 << " of " << tile.describe() << ", which has " << limit
            << "; await or free an earlier task first";
        fits = false;
      } else if (auto await = dyn_cast<DMAAwaitTaskOp>(op)) {
        release(await, await.getTaskOp());
      } else if (auto free = dyn_cast<DMAFreeTaskOp>(op)) {
        release(free, free.getTaskOp());
      }
    }
    return fits;
  }
};

} // namespace
