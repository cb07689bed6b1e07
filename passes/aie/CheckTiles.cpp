//===- CheckTiles.cpp - tiles are in the device ---------------------------===//

#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKTILES
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;

namespace {

struct AieCheckTiles : headrace::aie::impl::AieCheckTilesBase<AieCheckTiles> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    bool fits = true;
    for (auto tile : device.getBodyRegion().getOps<TileOp>()) {
      if (tile.getCol() < model.columns && tile.getRow() < model.rows())
        continue;
      tile.emitOpError("expected a tile of ")
          << model.name << ", but got column " << tile.getCol() << ", row "
          << tile.getRow() << "; allowed: columns 0 to " << model.columns - 1
          << ", rows 0 to " << model.rows() - 1;
      fits = false;
    }
    return fits;
  }
};

} // namespace
