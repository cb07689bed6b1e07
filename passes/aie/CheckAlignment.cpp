//===- CheckAlignment.cpp - buffers of cores suit vector loads ------------===//
//
// The compiler of the array puts the buffers of a core behind its stack and one
// behind the other, without gaps. So each of them begins at a multiple of the
// widest load only if the sizes of all are multiples of it.
//
//===----------------------------------------------------------------------===//

#include "passes/aie/Design.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"

#include "llvm/Support/MathExtras.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKALIGNMENT
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;

namespace {

struct AieCheckAlignment
    : headrace::aie::impl::AieCheckAlignmentBase<AieCheckAlignment> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    Design design(device);
    bool right = true;
    auto expect = [&](Operation *op, const Twine &what, int64_t bytes,
                      TileOp tile) {
      if (bytes % model.loadBytes == 0)
        return;
      op->emitOpError("expected ")
          << what << " in " << tile.describe() << " to have a multiple of "
          << model.loadBytes << " bytes, which a core of " << model.name
          << " loads at a time, but got " << bytes
          << "; buffers follow each other without gaps, so those behind it "
             "would not be aligned; nearest that is: "
          << llvm::alignTo(bytes, model.loadBytes) << " bytes";
      right = false;
    };
    for (auto &[key, ends] : design.tiles()) {
      TileOp tile = key;
      if (!tile.isCore())
        continue;
      if (CoreOp core = design.coreOf(tile))
        expect(core, "the stack", core.getStackSize(), tile);
      for (const FifoEnd &end : ends)
        if (end.buffers > 0)
          expect(FifoEnd(end).fifo, "elements of " + end.describe(), end.bytes,
                 tile);
      for (Operation *user : tile->getUsers())
        if (auto buffer = dyn_cast<BufferOp>(user))
          expect(buffer, "the buffer",
                 getBytes(cast<MemRefType>(buffer.getBuffer().getType())),
                 tile);
    }
    return right;
  }
};

} // namespace
