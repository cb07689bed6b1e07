//===- BlockDecoder.cpp - GGUF blocks as vectors --------------------------===//

#include "passes/cpu/BlockDecoder.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufFormatAttr;
using headrace::qlinear::GgufKind;

Piece BlockDecoder::open(VectorBuilder &v, Value bytes, Value base,
                         int64_t groups) const {
  Piece piece{bytes, base, groups, {}, {}};
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
  return v.fma(q, scale, v.repeat(piece.offsets, group, 1, 16));
}

namespace {

/// Shift amounts for i16 lanes: half of them `low`, half `high`, in runs of
/// `run` lanes over `total`.
Value shifts(VectorBuilder &v, int64_t total, int64_t run, int16_t low,
             int16_t high) {
  SmallVector<int16_t> values;
  for (int64_t lane = 0; lane < total; ++lane)
    values.push_back((lane / run) % 2 ? high : low);
  return v.vectorI16(values);
}

/// Lanes [0, n) of a vector, `copies` times over.
SmallVector<int64_t> tile(int64_t n, int64_t copies) {
  SmallVector<int64_t> mask;
  for (int64_t copy = 0; copy < copies; ++copy)
    for (int64_t lane = 0; lane < n; ++lane)
      mask.push_back(lane);
  return mask;
}

//===----------------------------------------------------------------------===//
// Blocks of 32 columns: q4_0, q5_0, q8_0
//===----------------------------------------------------------------------===//

/// A block of 32 columns starts with its f16 scale.
class SmallBlockDecoder : public BlockDecoder {
public:
  int64_t pieceBytes() const override { return 8 * blockBytes(); }
  virtual int64_t blockBytes() const = 0;

protected:
  Value block(VectorBuilder &v, const Piece &piece, int64_t index) const {
    return v.add(piece.base, index * blockBytes());
  }

  void openGroups(VectorBuilder &v, Piece &piece) const override {
    // Lane by lane: the scales lie a block apart.
    Type f16 = v.b.getF16Type();
    Value scales = v.splat(v.vec(8, f16), 0);
    for (int64_t group = 0; group < piece.groups; ++group) {
      Value d = v.loadScalarAs(piece.bytes, block(v, piece, group), 2, f16);
      scales = v.insert(d, scales, group);
    }
    piece.scales = v.extF(scales);
  }

  /// The nibbles of the blocks 2 * step and 2 * step + 1, in column order:
  /// 16 low and 16 high ones for each block.
  Value nibbles(VectorBuilder &v, const Piece &piece, int64_t step,
                int64_t offset) const {
    auto load = [&](int64_t index) {
      return v.load(piece.bytes, v.add(block(v, piece, index), offset), 16);
    };
    int64_t first = 2 * step;
    Value a = load(first);
    bool whole = first + 1 < piece.groups;
    Value b = whole ? load(first + 1) : a;
    SmallVector<int64_t> mask = tile(16, 2);
    for (int64_t lane : tile(16, 2))
      mask.push_back(lane + (whole ? 16 : 0));
    Value pairs = v.cast(v.shuffle(a, b, mask), 32, v.i16());
    Value split = v.shr(pairs, shifts(v, 32, 8, 0, 4));
    Value result = v.andI(v.cast(split, 64, v.i8()), 15);
    return whole ? result : firstHalf(v, result);
  }

  /// The low 32 lanes of `q`, zeros above.
  static Value firstHalf(VectorBuilder &v, Value q) {
    return v.padZero(v.shuffle(q, tile(32, 1)), 64);
  }

  /// 16 columns of a block with split nibbles, as i32.
  Value nibbleIntegers(VectorBuilder &v, const Piece &piece, int64_t atom,
                       int64_t offset) const {
    Value at = v.add(block(v, piece, atom / 2), offset);
    Value packed = v.extU(v.load(piece.bytes, at, 16), v.i32());
    return atom % 2 ? v.shr(packed, 4) : v.andI(packed, 15);
  }

  Value minusZeroPoint(VectorBuilder &v, Value q) const {
    return v.sub(q, v.splat(cast<VectorType>(q.getType()), zeroPoint()));
  }
};

class Q4_0Decoder : public SmallBlockDecoder {
public:
  int64_t blockBytes() const override { return 18; }
  int64_t zeroPoint() const override { return 8; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return nibbles(v, piece, step, 2);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    return minusZeroPoint(v, nibbleIntegers(v, piece, atom, 2));
  }
};

class Q5_0Decoder : public SmallBlockDecoder {
public:
  int64_t blockBytes() const override { return 22; }
  int64_t zeroPoint() const override { return 16; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    // The fifth bits of two blocks are a mask of 64 lanes.
    Type i64 = v.b.getI64Type();
    int64_t first = 2 * step;
    Value high = fifthBits(v, piece, first);
    Value mask = arith::ExtUIOp::create(v.b, v.loc, i64, high);
    if (first + 1 < piece.groups) {
      Value next = arith::ExtUIOp::create(v.b, v.loc, i64,
                                          fifthBits(v, piece, first + 1));
      mask = v.orI(mask, v.shl(next, 32));
    }
    Value lanes = v.cast(v.broadcast(mask, 1), 64, v.b.getI1Type());
    auto type = v.vec(64, v.i8());
    Value sixteen = v.select(lanes, v.splat(type, 16), v.splat(type, 0));
    return v.orI(nibbles(v, piece, step, 6), sixteen);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value high = v.broadcast(fifthBits(v, piece, atom / 2), 16);
    SmallVector<int32_t> lanes;
    for (int32_t lane = 0; lane < 16; ++lane)
      lanes.push_back(lane + 16 * (atom % 2));
    auto type = v.vec(16, v.i32());
    Value amounts = arith::ConstantOp::create(
        v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<int32_t>(lanes)));
    Value fifth = v.shl(v.andI(v.shr(high, amounts), 1), 4);
    return minusZeroPoint(v, v.orI(nibbleIntegers(v, piece, atom, 6), fifth));
  }

private:
  Value fifthBits(VectorBuilder &v, const Piece &piece, int64_t index) const {
    return v.loadScalarAs(piece.bytes, v.add(block(v, piece, index), 2), 4,
                          v.i32());
  }
};

class Q8_0Decoder : public SmallBlockDecoder {
public:
  int64_t blockBytes() const override { return 34; }
  int64_t zeroPoint() const override { return 128; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    int64_t first = 2 * step;
    auto load = [&](int64_t index) {
      return v.load(piece.bytes, v.add(block(v, piece, index), 2), 32);
    };
    Value a = load(first);
    if (first + 1 == piece.groups)
      return v.padZero(v.xorI(a, -128), 64);
    return v.xorI(v.shuffle(a, load(first + 1), tile(64, 1)), -128);
  }
  /// Signed as stored: nothing to take off.
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value at = v.add(block(v, piece, atom / 2), 2 + 16 * (atom % 2));
    return v.extS(v.load(piece.bytes, at, 16), v.i32());
  }
};

//===----------------------------------------------------------------------===//
// Blocks of 256 columns: q4_k, q6_k
//===----------------------------------------------------------------------===//

class Q4KDecoder : public BlockDecoder {
public:
  int64_t pieceBytes() const override { return 144; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    // A chunk of 32 bytes: low nibbles are one group, high ones the next.
    Value at = v.add(piece.base, 16 + 32 * step);
    Value twice = v.shuffle(v.load(piece.bytes, at, 32), tile(32, 2));
    Value split = v.shr(v.cast(twice, 32, v.i16()), shifts(v, 32, 16, 0, 4));
    return v.andI(v.cast(split, 64, v.i8()), 15);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value at = v.add(piece.base, 16 + 32 * (atom / 4) + 16 * (atom % 2));
    Value packed = v.extU(v.load(piece.bytes, at, 16), v.i32());
    return atom % 4 < 2 ? v.andI(packed, 15) : v.shr(packed, 4);
  }

protected:
  void openGroups(VectorBuilder &v, Piece &piece) const override {
    auto word = [&](int64_t offset) {
      return v.loadScalarAs(piece.bytes, v.add(piece.base, offset), 4, v.i32());
    };
    Value w0 = word(4), w1 = word(8), w2 = word(12);
    // Groups 0 to 3 are the low 6 bits of words 0 (scales) and 1 (minima);
    // groups 4 to 7 are 4 bits of word 2 under the upper 2 bits of those.
    auto six = [&](Value here, Value low4) {
      Value upper = v.andI(v.shr(here, 2), 0x30303030);
      return eight(v, v.andI(here, 0x3f3f3f3f),
                   v.orI(v.andI(low4, 0x0f0f0f0f), upper));
    };
    Type f16 = v.b.getF16Type();
    Value both = v.extF(v.loadAs(piece.bytes, piece.base, 4, 2, f16));
    piece.scales = v.mulf(six(w0, w2), v.repeat(both, 0, 1, 8));
    piece.offsets =
        v.mulf(six(w1, v.shr(w2, 4)), v.negf(v.repeat(both, 1, 1, 8)));
  }

private:
  /// The eight bytes of two words as f32.
  static Value eight(VectorBuilder &v, Value low, Value high) {
    Value words = v.insert(high, v.broadcast(low, 2), 1);
    return v.toFloat(v.extU(v.cast(words, 8, v.i8()), v.i32()));
  }
};

class Q6KDecoder : public BlockDecoder {
public:
  int64_t pieceBytes() const override { return 210; }
  int64_t groupCols() const override { return 16; }
  int64_t zeroPoint() const override { return 32; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    // Half `step / 2` of the block; its columns 0 to 63 are the low nibbles of
    // 64 bytes, columns 64 to 127 the high ones.
    int64_t half = step / 2, odd = step % 2;
    Value low = v.load(piece.bytes, v.add(piece.base, half * 64), 64);
    low = v.andI(v.cast(v.shr(v.cast(low, 32, v.i16()), 4 * odd), 64, v.i8()),
                 15);
    Value high = v.load(piece.bytes, v.add(piece.base, 128 + half * 32), 32);
    high = v.cast(v.shuffle(high, tile(32, 2)), 32, v.i16());
    int16_t shift = static_cast<int16_t>(4 * odd);
    Value amounts = shifts(v, 32, 16, shift, static_cast<int16_t>(shift + 2));
    high = v.andI(v.cast(v.shl(v.shr(high, amounts), 4), 64, v.i8()), 0x30);
    return v.orI(low, high);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    int64_t half = atom / 8, quarter = atom % 8 / 2, part = atom % 2;
    Value lowAt = v.add(piece.base, half * 64 + (quarter % 2) * 32 + 16 * part);
    Value low = v.extU(v.load(piece.bytes, lowAt, 16), v.i32());
    low = quarter < 2 ? v.andI(low, 15) : v.shr(low, 4);
    Value highAt = v.add(piece.base, 128 + half * 32 + 16 * part);
    Value high = v.extU(v.load(piece.bytes, highAt, 16), v.i32());
    high = v.shl(v.andI(v.shr(high, 2 * quarter), 3), 4);
    Value q = v.orI(low, high);
    return v.sub(q, v.splat(cast<VectorType>(q.getType()), zeroPoint()));
  }

protected:
  void openGroups(VectorBuilder &v, Piece &piece) const override {
    Value scales = v.load(piece.bytes, v.add(piece.base, 192), 16);
    Value d = v.loadScalarAs(piece.bytes, v.add(piece.base, 208), 2,
                             v.b.getF16Type());
    d = arith::ExtFOp::create(v.b, v.loc, v.f32(), d);
    piece.scales =
        v.mulf(v.toFloat(v.extS(scales, v.i32())), v.broadcast(d, 16));
  }
};

} // namespace

std::unique_ptr<BlockDecoder>
BlockDecoder::create(qlinear::QuantFormatAttrInterface format) {
  auto gguf = dyn_cast<GgufFormatAttr>(format);
  if (!gguf)
    return nullptr;
  switch (gguf.getKind()) {
  case GgufKind::Q4_0:
    return std::make_unique<Q4_0Decoder>();
  case GgufKind::Q5_0:
    return std::make_unique<Q5_0Decoder>();
  case GgufKind::Q8_0:
    return std::make_unique<Q8_0Decoder>();
  case GgufKind::Q4_K:
    return std::make_unique<Q4KDecoder>();
  case GgufKind::Q6_K:
    return std::make_unique<Q6KDecoder>();
  default:
    return nullptr;
  }
}
