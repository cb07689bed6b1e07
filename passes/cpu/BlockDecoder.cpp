//===- BlockDecoder.cpp - what the decoders of all formats share ----------===//

#include "passes/cpu/BlockDecoder.h"

#include <cstdlib>

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::AffineFormatAttr;
using headrace::qlinear::GgufFormatAttr;
using headrace::qlinear::PackedType;

std::unique_ptr<BlockDecoder> BlockDecoder::create(PackedType weight,
                                                   DotKind dot, bool gfni) {
  if (isa<AffineFormatAttr>(weight.getFormat()))
    return createAffineDecoder(weight);
  auto gguf = dyn_cast<GgufFormatAttr>(weight.getFormat());
  if (!gguf)
    return nullptr;
  if (auto small = createSmallBlockDecoder(gguf.getKind(), dot, gfni))
    return small;
  return createKQuantDecoder(gguf.getKind(), gfni);
}

Piece BlockDecoder::open(VectorBuilder &v, Value bytes, Value row, Value index,
                         int64_t groups) const {
  Piece piece = locate(v, bytes, row, index, groups);
  if (zeroPoint() != 0)
    piece.zeros = v.splat(v.vec(8, v.i32()), static_cast<double>(zeroPoint()));
  openGroups(v, piece);
  return piece;
}

Value BlockDecoder::unscaled(VectorBuilder &v, const Piece &piece,
                             int64_t atom) const {
  return v.toFloat(integers(v, piece, atom));
}

Value BlockDecoder::weights(VectorBuilder &v, const Piece &piece,
                            int64_t atom) const {
  Value q = unscaled(v, piece, atom);
  int64_t group = atom * 16 / groupCols();
  Value scale = v.repeat(piece.scales, group, 1, 16);
  if (!piece.offsets)
    return v.mulf(q, scale);
  // Rounded twice, as formats define it.
  return v.addf(v.mulf(q, scale), v.repeat(piece.offsets, group, 1, 16));
}

SmallVector<int64_t> headrace::cpu::tileLanes(int64_t n, int64_t copies) {
  SmallVector<int64_t> mask;
  for (int64_t copy = 0; copy < copies; ++copy)
    for (int64_t lane = 0; lane < n; ++lane)
      mask.push_back(lane);
  return mask;
}

Value headrace::cpu::zipQwords(VectorBuilder &v, Value a, Value b, bool odd) {
  Type i64 = v.b.getI64Type();
  SmallVector<int64_t> mask;
  for (int64_t lane = odd ? 1 : 0; lane < 8; lane += 2)
    mask.append({lane, lane + 8});
  return v.cast(v.shuffle(v.cast(a, 8, i64), v.cast(b, 8, i64), mask), 64,
                v.i8());
}

std::pair<Value, Value> headrace::cpu::splitNibbles(VectorBuilder &v, Value q) {
  return {v.andI(q, 15), v.shr(q, 4)};
}

Value headrace::cpu::shiftHalves(VectorBuilder &v, Value q, int64_t low,
                                 int64_t high) {
  if (low == 0 && high == 0)
    return q;
  // i8 lanes have no shifts of their own on x86.
  SmallVector<int16_t> amounts;
  for (int64_t lane = 0; lane < 32; ++lane)
    amounts.push_back(static_cast<int16_t>(std::abs(lane < 16 ? low : high)));
  Value words = v.cast(q, 32, v.i16());
  bool left = low < 0 || high < 0;
  Value shifted = left ? v.shl(words, v.vectorI16(amounts))
                       : v.shr(words, v.vectorI16(amounts));
  return v.cast(shifted, 64, v.i8());
}
