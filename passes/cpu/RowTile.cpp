//===- RowTile.cpp - tiles of weights in rows of blocks -------------------===//
//
// 16 rows at a time are unpacked as they lie, then transposed, so that lanes
// run along the rows.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/BlockDecoder.h"
#include "passes/cpu/Transpose.h"
#include "passes/cpu/WeightTile.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

class RowTile : public WeightTile {
public:
  RowTile(PackedType weight, std::unique_ptr<BlockDecoder> decoder)
      : weight(weight), decoder(std::move(decoder)) {}

  int64_t groupCols() const override { return decoder->groupCols(); }
  int64_t largest() const override { return decoder->largest(); }
  /// With offsets too, those have what it takes off.
  int64_t zeroPoint() const override {
    return hasOffsets() ? 0 : decoder->zeroPoint();
  }
  bool hasOffsets() const override { return decoder->hasOffsets(); }
  bool hasOwnZeros() const override { return decoder->hasOwnZeros(); }
  bool hasShortScales() const override {
    auto affine = dyn_cast<AffineFormatAttr>(weight.getFormat());
    return !affine || affine.getScale() == ScaleKind::F16;
  }

  void allocate(VectorBuilder &v) override {
    WeightTile::allocate(v);
    rowQuants = buffer(v, {kTileLanes, kTileCols}, v.i8());
    rowNumbers = buffer(v, {kTileLanes, 2 * kMostGroups}, v.f32());
  }

  void fill(VectorBuilder &v, Value bytes, Value row, Value columns,
            int64_t groups) const override {
    v.loop(v.index(0), v.index(kTileStrips), 1, {},
           [&](Value strip, ValueRange) -> SmallVector<Value> {
             Value first = v.add(row, v.mul(strip, kTileLanes));
             unpack(v, bytes, first, columns, groups);
             transpose(v, strip, groups);
             return {};
           });
  }

private:
  static constexpr int64_t kMostGroups = 16;

  /// One row at a time: unsigned integers, and the scales and offsets (or
  /// negated zero points, as bits) of its groups side by side. Rows behind the
  /// last one repeat it.
  void unpack(VectorBuilder &v, Value bytes, Value first, Value columns,
              int64_t groups) const {
    v.loop(v.index(0), v.index(kTileLanes), 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             Value row = v.min(v.add(first, i), v.index(weight.getRows() - 1));
             Value at = v.mul(row, weight.getBlockRowBytes());
             Piece piece = decoder->open(v, bytes, at, columns, groups);
             for (int64_t step = 0; step * 2 < groups; ++step)
               v.store(decoder->quants(v, piece, step), rowQuants,
                       {i, v.index(64 * step)});
             v.store(piece.scales, rowNumbers, {i, v.index(0)});
             Value others = piece.offsets;
             if (others && decoder->zeroPoint())
               others =
                   v.fma(piece.scales,
                         v.splat(cast<VectorType>(others.getType()),
                                 -static_cast<double>(decoder->zeroPoint())),
                         others);
             if (hasOwnZeros())
               others = v.cast(negated(v, piece.zeros), 8, v.f32());
             if (others)
               v.store(others, rowNumbers, {i, v.index(kMostGroups)});
             return {};
           });
  }

  static Value negated(VectorBuilder &v, Value lanes) {
    return v.sub(v.splat(cast<VectorType>(lanes.getType()), 0), lanes);
  }

  void transpose(VectorBuilder &v, Value strip, int64_t groups) const {
    v.loop(v.index(0), v.index(llvm::divideCeil(groups, 2)), 1, {},
           [&](Value step, ValueRange) -> SmallVector<Value> {
             SmallVector<Value> rows;
             for (int64_t i = 0; i < kTileLanes; ++i)
               rows.push_back(
                   v.cast(v.load(rowQuants, {v.index(i), v.mul(step, 64)}, 64),
                          kTileLanes, v.i32()));
             transpose16(v, rows);
             for (auto [i, lanes] : llvm::enumerate(rows))
               storeCodes(v, v.cast(lanes, 4 * kTileLanes, v.i8()),
                          v.add(v.mul(step, 16), i), strip);
             return {};
           });
    auto transposeNumbers = [&](int64_t first, auto store) {
      SmallVector<Value> rows;
      for (int64_t i = 0; i < kTileLanes; ++i)
        rows.push_back(v.load(rowNumbers, {v.index(i), v.index(first)}, 16));
      transpose16(v, rows);
      for (int64_t group = 0; group < 32 * groups / groupCols(); ++group)
        store(rows[group], v.index(group));
    };
    transposeNumbers(0, [&](Value scale, Value group) {
      storeScale(v, scale, group, strip);
    });
    if (hasOffsets() || hasOwnZeros())
      transposeNumbers(kMostGroups, [&](Value offset, Value group) {
        storeOffset(v, offset, group, strip);
      });
  }

  PackedType weight;
  std::unique_ptr<BlockDecoder> decoder;
  Value rowQuants;  // [row][column]
  Value rowNumbers; // [row][16 scales, 16 offsets or zero points]
};

} // namespace

std::unique_ptr<WeightTile> headrace::cpu::createRowTile(PackedType weight,
                                                         DotKind dot) {
  auto decoder = BlockDecoder::create(weight, dot);
  if (!decoder)
    return nullptr;
  return std::make_unique<RowTile>(weight, std::move(decoder));
}
