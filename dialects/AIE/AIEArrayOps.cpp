//===- AIEArrayOps.cpp - devices, tiles, buffers and cores ----------------===//

#include "dialects/AIE/AIE.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace headrace::aie;

//===----------------------------------------------------------------------===//
// DeviceOp
//===----------------------------------------------------------------------===//

/// Each tile is declared once, and has one core at most; each end of a fifo is
/// in one link at most.
LogicalResult DeviceOp::verifyRegions() {
  llvm::DenseMap<std::pair<uint32_t, uint32_t>, TileOp> tiles;
  for (auto tile : getBodyRegion().getOps<TileOp>()) {
    auto [at, isNew] = tiles.insert({{tile.getCol(), tile.getRow()}, tile});
    if (!isNew) {
      InFlightDiagnostic diag = tile.emitOpError("declares ")
                                << tile.describe() << " a second time";
      diag.attachNote(at->second.getLoc()) << "the first is here";
      return diag;
    }
  }
  llvm::DenseMap<Value, CoreOp> cores;
  for (auto core : getBodyRegion().getOps<CoreOp>()) {
    auto [at, isNew] = cores.insert({core.getTile(), core});
    if (!isNew) {
      InFlightDiagnostic diag = core.emitOpError("is a second program of ")
                                << core.getTileOp().describe();
      diag.attachNote(at->second.getLoc()) << "the first is here";
      return diag;
    }
  }
  llvm::DenseSet<Attribute> linked[2];
  for (auto link : getBodyRegion().getOps<ObjectFifoLinkOp>())
    for (bool input : {false, true})
      for (Attribute name : input ? link.getFifoIns() : link.getFifoOuts())
        if (!linked[input].insert(name).second)
          return link.emitOpError("is a second link of ")
                 << name << ": expected one";
  return success();
}

//===----------------------------------------------------------------------===//
// TileOp
//===----------------------------------------------------------------------===//

static StringRef kindOf(TileOp tile) {
  return tile.isShim() ? "shim" : tile.isMemory() ? "memory" : "core";
}

std::string TileOp::describe() {
  return llvm::formatv("{0} tile ({1}, {2})", kindOf(*this), getCol(),
                       getRow());
}

TileOp TileOp::of(Value tile) {
  auto op = tile.getDefiningOp<TileOp>();
  return op && op.getColAttr() && op.getRowAttr() ? op : TileOp();
}

void TileOp::getAsmResultNames(OpAsmSetValueNameFn setName) {
  setName(
      getResult(),
      llvm::formatv("{0}_{1}_{2}", kindOf(*this), getCol(), getRow()).str());
}

//===----------------------------------------------------------------------===//
// BufferOp
//===----------------------------------------------------------------------===//

TileOp BufferOp::getTileOp() { return TileOp::of(getTile()); }

LogicalResult BufferOp::verify() {
  TileOp tile = getTileOp();
  if (!tile)
    return emitOpError("expected an aie.tile");
  if (tile.isShim())
    return emitOpError("expected a memory or core tile, but got ")
           << tile.describe() << ", which has no memory";
  auto type = cast<MemRefType>(getBuffer().getType());
  if (!type.getLayout().isIdentity() || !type.getElementType().isIntOrFloat())
    return emitOpError(
               "expected a memref of integers or floats without a layout, "
               "but got ")
           << type;
  return success();
}

//===----------------------------------------------------------------------===//
// CoreOp
//===----------------------------------------------------------------------===//

TileOp CoreOp::getTileOp() { return TileOp::of(getTile()); }

LogicalResult CoreOp::verify() {
  TileOp tile = getTileOp();
  if (!tile)
    return emitOpError("expected an aie.tile");
  if (!tile.isCore())
    return emitOpError("expected a core tile (row 2 or higher), but got ")
           << tile.describe();
  return success();
}

LogicalResult CoreOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.getNumArguments() != 0)
    return emitOpError("expected a region without arguments, but got ")
           << block.getNumArguments();
  if (block.empty() || !isa<EndOp>(block.back()))
    return emitOpError("expected aie.end at the end of its region");
  return success();
}
