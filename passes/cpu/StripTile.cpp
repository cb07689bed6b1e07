//===- StripTile.cpp - tiles of weights in strips of 16 rows --------------===//

#include "passes/cpu/StripDecoder.h"
#include "passes/cpu/WeightTile.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

namespace {

class StripTile : public WeightTile {
public:
  StripTile(PackedType weight, std::unique_ptr<StripDecoder> decoder)
      : weight(weight), decoder(std::move(decoder)) {}

  int64_t groupCols() const override { return decoder->groupCols(); }
  int64_t largest() const override { return (1 << decoder->codeBits()) - 1; }
  /// With offsets too, those have what it takes off.
  int64_t zeroPoint() const override {
    return hasOffsets() ? 0 : decoder->zeroPoint();
  }
  bool hasOffsets() const override { return decoder->hasOffsets(); }
  bool hasShortScales() const override { return decoder->hasShortScales(); }

  /// Whole pieces, as storage has no others; what is padding is not used.
  void fill(VectorBuilder &v, Value bytes, Value row, Value columns,
            int64_t groups) const override {
    int64_t cols = decoder->pieceCols(), perTile = kTileCols / cols;
    int64_t count = llvm::divideCeil(32 * groups, cols);
    // Behind the last strip, that one again; what it yields is not stored.
    Value last = v.index(weight.getPaddedRows() - kTileLanes);
    v.loop(v.index(0), v.index(kTileStrips), 1, {},
           [&](Value strip, ValueRange) -> SmallVector<Value> {
             Value from = v.min(v.add(row, v.mul(strip, kTileLanes)), last);
             Value at = v.mul(from, weight.getBlockRowBytes() / kTileLanes);
             v.loop(v.index(0), v.index(count), 1, {},
                    [&](Value piece, ValueRange) -> SmallVector<Value> {
                      Value index = v.add(v.mul(columns, perTile), piece);
                      Value pieceAt =
                          v.add(at, v.mul(index, decoder->pieceBytes()));
                      fillPiece(v, decoder->open(v, bytes, pieceAt, cols),
                                v.mul(piece, cols), strip);
                      prefetchNext(v, bytes, pieceAt, perTile);
                      return {};
                    });
             return {};
           });
  }

private:
  /// `col` is the first column of the piece in the tile.
  void fillPiece(VectorBuilder &v, const StripPiece &piece, Value col,
                 Value strip) const {
    Value firstGroup =
        arith::DivUIOp::create(v.b, v.loc, col, v.index(decoder->groupCols()));
    for (int64_t i = 0; i < decoder->pieceCols() / decoder->groupCols(); ++i) {
      Value group = v.add(firstGroup, i);
      Value scale = decoder->scale(v, piece, i);
      storeScale(v, scale, group, strip);
      if (!decoder->hasOffsets())
        continue;
      Value offset = decoder->offset(v, piece, i);
      if (int64_t zero = decoder->zeroPoint())
        offset = v.fma(
            scale,
            v.splat(v.vec(kTileLanes, v.f32()), -static_cast<double>(zero)),
            offset);
      storeOffset(v, offset, group, strip);
    }
    v.loop(v.index(0), v.index(decoder->chunks()), 1, {},
           [&](Value chunk, ValueRange) -> SmallVector<Value> {
             Value first = v.add(col, decoder->firstCol(v, chunk));
             for (const StripWord &word :
                  decoder->chunk(v, piece, chunk, decoder->chunkGroups())) {
               Value codes = decoder->codes(v, word);
               if (int64_t shift = decoder->codeShift(word))
                 codes =
                     v.cast(v.shr(v.cast(codes, kTileLanes, v.i32()), shift),
                            4 * kTileLanes, v.i8());
               storeCodes(v, codes, v.shr(v.add(first, word.col), 2), strip);
             }
             return {};
           });
  }

  /// The same piece of the next tile.
  void prefetchNext(VectorBuilder &v, Value bytes, Value at,
                    int64_t perTile) const {
    v.loop(v.index(0), v.index(decoder->pieceBytes()), kCacheLine, {},
           [&](Value line, ValueRange) -> SmallVector<Value> {
             Value next = v.add(at, perTile * decoder->pieceBytes());
             v.prefetch(bytes, v.add(next, line), 2);
             return {};
           });
  }

  PackedType weight;
  std::unique_ptr<StripDecoder> decoder;
};

} // namespace

std::unique_ptr<WeightTile> headrace::cpu::createStripTile(PackedType weight,
                                                           DotKind dot) {
  auto decoder = StripDecoder::create(weight, dot);
  if (!decoder)
    return nullptr;
  return std::make_unique<StripTile>(weight, std::move(decoder));
}
