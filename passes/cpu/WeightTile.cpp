//===- WeightTile.cpp - decoded rows that many tokens share ---------------===//

#include "passes/cpu/WeightTile.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

std::unique_ptr<WeightTile> WeightTile::create(PackedType weight, DotKind dot) {
  if (auto strips = createStripTile(weight, dot))
    return strips;
  return createRowTile(weight, dot);
}

Value WeightTile::buffer(VectorBuilder &v, ArrayRef<int64_t> shape,
                         Type element) {
  return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, element),
                                  v.b.getI64IntegerAttr(kCacheLine));
}

void WeightTile::allocate(VectorBuilder &v) {
  quants = buffer(v, {kTileCols / 4, 4 * kTileRows}, v.i8());
  numbers = buffer(v, {3, kTileCols / groupCols(), kTileRows}, v.f32());
}

void WeightTile::storeScale(VectorBuilder &v, Value scale, Value group,
                            Value strip) const {
  Value row = v.mul(strip, kTileLanes);
  v.store(scale, numbers, {v.index(0), group, row});
  if (hasShortScales())
    v.store(v.mulf(scale, v.splat(v.vec(kTileLanes, v.f32()), -kIntegerBias)),
            numbers, {v.index(1), group, row});
}
