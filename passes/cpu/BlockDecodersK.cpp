//===- BlockDecodersK.cpp - GGUF's blocks of 256 columns (K-quants) -------===//

#include "passes/cpu/BitMatrix.h"
#include "passes/cpu/BlockDecoder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include <array>

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufKind;

namespace {

/// The 32 bytes at `at` twice: each half of the result serves a group of 32.
Value loadTwice(VectorBuilder &v, const Piece &piece, int64_t at) {
  return v.shuffle(v.load(piece.bytes, v.add(piece.base, at), 32),
                   tileLanes(32, 2));
}

/// 16 bytes at `at` as i32.
Value loadAtom(VectorBuilder &v, const Piece &piece, int64_t at) {
  return v.extU(v.load(piece.bytes, v.add(piece.base, at), 16), v.i32());
}

/// An f16 of the block as f32.
Value half(VectorBuilder &v, const Piece &piece, int64_t at) {
  Value number =
      v.loadScalarAs(piece.bytes, v.add(piece.base, at), 2, v.b.getF16Type());
  return arith::ExtFOp::create(v.b, v.loc, v.f32(), number);
}

Value vectorI32(VectorBuilder &v, ArrayRef<int32_t> values) {
  auto type = v.vec(static_cast<int64_t>(values.size()), v.i32());
  return arith::ConstantOp::create(v.b, v.loc,
                                   DenseElementsAttr::get(type, values));
}

//===-- Bits in planes ----------------------------------------------------===//

/// Bit g of byte i of 32 belongs to column 32 g + i: the bits of a step (two
/// groups), moved to bit `target`, which is even.
Value bitPlane(VectorBuilder &v, const Piece &piece, int64_t at, int64_t step,
               int64_t target) {
  int64_t shift = 2 * step - target;
  Value moved = shiftHalves(v, loadTwice(v, piece, at), shift, shift + 1);
  return v.andI(moved, int64_t(1) << target);
}

/// The same bits of an atom.
Value bitPlaneAtom(VectorBuilder &v, const Piece &piece, int64_t at,
                   int64_t atom, int64_t target) {
  Value bytes = loadAtom(v, piece, at + 16 * (atom % 2));
  return v.shl(v.andI(v.shr(bytes, atom / 2), 1), target);
}

/// Bits 2p and 2p + 1 of byte 32 h + i belong to column 128 h + 32 p + i: those
/// of a step, moved to bit `target`, which is 0 or 4.
Value pairPlane(VectorBuilder &v, const Piece &piece, int64_t at, int64_t step,
                int64_t target) {
  int64_t shift = 4 * (step % 2) - target;
  Value twice = loadTwice(v, piece, at + 32 * (step / 2));
  Value moved = shiftHalves(v, twice, shift, shift + 2);
  return v.andI(moved, int64_t(3) << target);
}

Value pairPlaneAtom(VectorBuilder &v, const Piece &piece, int64_t at,
                    int64_t atom, int64_t target) {
  Value bytes = loadAtom(v, piece, at + 32 * (atom / 8) + 16 * (atom % 2));
  return v.shl(v.andI(v.shr(bytes, 2 * (atom % 8 / 2)), 3), target);
}

/// `q` (i8 x 64) with each 32 bits rotated to the right; to the left by
/// negative amounts. Bits of a neighbour come in.
Value rotate(VectorBuilder &v, Value q, ArrayRef<int32_t> amounts) {
  Value words = v.cast(q, 16, v.i32());
  SmallVector<int32_t> right;
  for (int32_t amount : amounts)
    right.push_back(amount & 31);
  Value rotated = LLVM::FshrOp::create(v.b, v.loc, words.getType(), words,
                                       words, vectorI32(v, right));
  return v.cast(rotated, 64, v.i8());
}

//===-- q4_k, q5_k --------------------------------------------------------===//

class Q4KDecoder : public BlockDecoder {
public:
  int64_t pieceBytes() const override { return 144; }
  bool asksTwice() const override { return true; }
  int64_t largest() const override { return 15; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return nibbles(v, piece, 16, step);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    return nibbleAtom(v, piece, 16, atom);
  }

  PieceOrder order() const override {
    PieceOrder order;
    order.largest = largest();
    order.minusOffsets = true;
    // Low nibbles are even groups, high ones odd groups.
    for (int64_t first : {0, 16, 32, 48}) {
      auto &columns = order.columns.emplace_back();
      for (int64_t lane = 0; lane < 64; ++lane)
        columns.push_back(lane / 16 * 64 + first + lane % 16);
    }
    for (int64_t lane = 0; lane < 16; ++lane)
      order.numbers.push_back({lane / 2, lane % 2 == 1});
    return order;
  }
  OrderedPiece decodeInOrder(VectorBuilder &v,
                             const Piece &piece) const override {
    auto halves = chunkHalves(v, piece, 16);
    SmallVector<Value, 4> codes;
    for (bool high : {false, true})
      for (Value half : halves)
        codes.push_back(high ? v.shr(half, 4) : v.andI(half, 15));
    return {codes, numbersInOrder(v, piece)};
  }

protected:
  /// The first 16 bytes of all four chunks, and the last 16.
  static std::array<Value, 2> chunkHalves(VectorBuilder &v, const Piece &piece,
                                          int64_t at) {
    Value first = v.load(piece.bytes, v.add(piece.base, at), 64);
    Value second = v.load(piece.bytes, v.add(piece.base, at + 64), 64);
    std::array<Value, 2> halves;
    for (int64_t which : {0, 1}) {
      SmallVector<int64_t> mask;
      for (int64_t chunk = 0; chunk < 4; ++chunk)
        for (int64_t lane = 0; lane < 16; ++lane)
          mask.push_back(32 * chunk + 16 * which + lane);
      halves[which] = v.shuffle(first, second, mask);
    }
    return halves;
  }

  /// The scale and the minimum of each group in turn.
  static Value numbersInOrder(VectorBuilder &v, const Piece &piece) {
    // Scales in even lanes are from w0, minima in odd ones from w1 (see below);
    // of groups 4 to 7 the upper two bits are.
    Value w01 =
        v.loadScalarAs(piece.bytes, v.add(piece.base, 4), 8, v.b.getI64Type());
    Value words = v.cast(v.broadcast(w01, 8), 16, v.i32());
    Value w2 = v.broadcast(
        v.loadScalarAs(piece.bytes, v.add(piece.base, 12), 4, v.i32()), 16);
    SmallVector<int32_t> shift, mask, lowShift, lowMask;
    for (int32_t lane = 0; lane < 16; ++lane) {
      int32_t group = lane / 2, byte = 8 * (group % 4);
      bool upper = group >= 4;
      shift.push_back(upper ? byte + 2 : byte);
      mask.push_back(upper ? 0x30 : 0x3f);
      lowShift.push_back(upper ? byte + lane % 2 * 4 : 0);
      lowMask.push_back(upper ? 15 : 0);
    }
    Value high = v.andI(v.shr(words, vectorI32(v, shift)), vectorI32(v, mask));
    Value low =
        v.andI(v.shr(w2, vectorI32(v, lowShift)), vectorI32(v, lowMask));
    Type f16 = v.b.getF16Type();
    Value both = v.loadScalarAs(piece.bytes, piece.base, 4, v.i32());
    both = v.extF(v.cast(v.broadcast(both, 8), 16, f16));
    return v.mulf(v.toFloat(v.orI(high, low)), both);
  }

  /// A chunk of 32 bytes: low nibbles are one group, high ones the next.
  static Value nibbles(VectorBuilder &v, const Piece &piece, int64_t at,
                       int64_t step) {
    return v.andI(shiftHalves(v, loadTwice(v, piece, at + 32 * step), 0, 4),
                  15);
  }
  static Value nibbleAtom(VectorBuilder &v, const Piece &piece, int64_t at,
                          int64_t atom) {
    Value packed = loadAtom(v, piece, at + 32 * (atom / 4) + 16 * (atom % 2));
    return atom % 4 < 2 ? v.andI(packed, 15) : v.shr(packed, 4);
  }

  void openGroups(VectorBuilder &v, Piece &piece) const override {
    // | d, dmin | w0 | w1 | w2 |. Groups 0 to 3 are the low 6 bits of w0
    // (scales) and w1 (minima); groups 4 to 7 are 4 bits of w2 under the upper
    // 2 bits of those.
    Value words = v.loadAs(piece.bytes, piece.base, 16, 4, v.i32());
    Value low = v.shuffle(words, {1, 3, 2, 3});
    low =
        v.andI(v.shr(low, vectorI32(v, {0, 0, 0, 4})),
               vectorI32(v, {0x3f3f3f3f, 0x0f0f0f0f, 0x3f3f3f3f, 0x0f0f0f0f}));
    Value high = v.shr(v.shuffle(words, {1, 1, 2, 2}), 2);
    high = v.andI(high, vectorI32(v, {0, 0x30303030, 0, 0x30303030}));
    Value integers = v.cast(v.orI(low, high), 16, v.i8());
    Type f16 = v.b.getF16Type();
    Value both = v.extF(v.loadAs(piece.bytes, piece.base, 4, 2, f16));
    Value numbers =
        v.mulf(v.toFloat(v.extU(integers, v.i32())), v.repeat(both, 0, 2, 8));
    piece.scales = v.shuffle(numbers, tileLanes(8, 1));
    piece.offsets = v.negf(v.shuffle(numbers, {8, 9, 10, 11, 12, 13, 14, 15}));
  }
};

/// q4_k with fifth bits between the scales and the nibbles.
class Q5KDecoder : public Q4KDecoder {
public:
  explicit Q5KDecoder(bool gfni) : gfni(gfni) {}
  int64_t pieceBytes() const override { return 176; }
  int64_t largest() const override { return 31; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return v.orI(nibbles(v, piece, 48, step), bitPlane(v, piece, 16, step, 4));
  }
  OrderedPiece decodeInOrder(VectorBuilder &v,
                             const Piece &piece) const override {
    auto halves = chunkHalves(v, piece, 48);
    if (gfni)
      return {codesByMatrix(v, piece, halves), numbersInOrder(v, piece)};
    SmallVector<Value, 4> codes;
    for (bool high : {false, true})
      for (int64_t which : {0, 1}) {
        // Bit 2c, or 2c + 1 for high nibbles, belongs to chunk c.
        Value bits =
            v.load(piece.bytes, v.add(piece.base, 16 + 16 * which), 16);
        bits = v.shuffle(bits, tileLanes(16, 4));
        SmallVector<int32_t> amounts;
        for (int32_t lane = 0; lane < 16; ++lane)
          amounts.push_back(lane / 4 * 2 + (high ? 1 : 0) - 4);
        Value fifth = v.andI(rotate(v, bits, amounts), 16);
        Value four = high ? v.shr(halves[which], 4) : v.andI(halves[which], 15);
        codes.push_back(v.orI(four, fifth));
      }
    return {codes, numbersInOrder(v, piece)};
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    return v.orI(nibbleAtom(v, piece, 48, atom),
                 bitPlaneAtom(v, piece, 16, atom, 4));
  }

private:
  static SmallVector<Value, 4>
  codesByMatrix(VectorBuilder &v, const Piece &piece, ArrayRef<Value> halves) {
    SmallVector<Value, 4> codes(4);
    for (int64_t which : {0, 1}) {
      // Bits 2c and 2c + 1 belong to chunk c, which has two lanes.
      Value bits = v.load(piece.bytes, v.add(piece.base, 16 + 16 * which), 16);
      bits = v.shuffle(bits, tileLanes(16, 4));
      Value fifth = moveBits(v, bits, [](int64_t lane) {
        int64_t chunk = lane / 2;
        return SmallVector<int64_t>{-1, -1, -1, 2 * chunk + 1, 2 * chunk};
      });
      codes[which] = lowCodes(v, halves[which], fifth);
      codes[2 + which] = highCodes(v, halves[which], fifth, 3);
    }
    return codes;
  }

  bool gfni;
};

//===-- q6_k, q3_k, q2_k: groups of 16 ------------------------------------===//

class SixteenDecoder : public BlockDecoder {
public:
  int64_t groupCols() const override { return 16; }

protected:
  Value minusZeroPoint(VectorBuilder &v, Value q) const {
    return v.sub(q, v.splat(cast<VectorType>(q.getType()),
                            static_cast<double>(zeroPoint())));
  }
  /// Integers of 16 groups times the block's scale at `at`.
  static Value scaled(VectorBuilder &v, const Piece &piece, Value integers,
                      int64_t at) {
    return v.mulf(v.toFloat(integers), v.broadcast(half(v, piece, at), 16));
  }
};

class Q6KDecoder : public SixteenDecoder {
public:
  int64_t pieceBytes() const override { return 210; }
  bool asksTwice() const override { return true; }
  int64_t largest() const override { return 63; }
  int64_t zeroPoint() const override { return 32; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    // Half `step / 2` of the block; its columns 0 to 63 are the low nibbles of
    // 64 bytes, columns 64 to 127 the high ones.
    int64_t shift = 4 * (step % 2);
    Value low = v.load(piece.bytes, v.add(piece.base, 64 * (step / 2)), 64);
    low = v.andI(shiftHalves(v, low, shift, shift), 15);
    return v.orI(low, pairPlane(v, piece, 128, step, 4));
  }
  PieceOrder order() const override {
    PieceOrder order;
    order.groupCols = 16;
    order.zeroPoint = zeroPoint();
    order.largest = largest();
    // 64-bit lanes of the two halves in turn, even ones and odd ones.
    for (int64_t high : {0, 64})
      for (int64_t odd : {0, 8}) {
        auto &columns = order.columns.emplace_back();
        for (int64_t lane = 0; lane < 64; ++lane)
          columns.push_back(lane / 8 % 2 * 128 + high + lane / 16 * 16 + odd +
                            lane % 8);
      }
    for (int64_t group = 0; group < 16; ++group)
      order.numbers.push_back({group, false});
    return order;
  }
  OrderedPiece decodeInOrder(VectorBuilder &v,
                             const Piece &piece) const override {
    Value first = v.load(piece.bytes, piece.base, 64);
    Value second = v.load(piece.bytes, v.add(piece.base, 64), 64);
    Value upper =
        v.loadAs(piece.bytes, v.add(piece.base, 128), 64, 8, v.b.getI64Type());
    SmallVector<Value, 4> codes;
    for (bool high : {false, true})
      for (int64_t odd : {0, 1}) {
        Value four = zipQwords(v, first, second, odd);
        four = high ? v.shr(four, 4) : v.andI(four, 15);
        Value two = v.cast(v.shuffle(upper, {odd, 4 + odd, 2 + odd, 6 + odd,
                                             odd, 4 + odd, 2 + odd, 6 + odd}),
                           64, v.i8());
        // Columns 32 and more of a quarter have the next two bits.
        SmallVector<int32_t> amounts;
        for (int32_t lane = 0; lane < 16; ++lane)
          amounts.push_back(lane / 8 * 2 + (high ? 4 : 0) - 4);
        codes.push_back(v.orI(four, v.andI(rotate(v, two, amounts), 0x30)));
      }
    Piece open = piece;
    openGroups(v, open);
    return {codes, open.scales};
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    int64_t quarter = atom % 8 / 2;
    Value low = loadAtom(
        v, piece, 64 * (atom / 8) + 32 * (quarter % 2) + 16 * (atom % 2));
    low = quarter < 2 ? v.andI(low, 15) : v.shr(low, 4);
    return minusZeroPoint(v, v.orI(low, pairPlaneAtom(v, piece, 128, atom, 4)));
  }

protected:
  void openGroups(VectorBuilder &v, Piece &piece) const override {
    Value scales = v.load(piece.bytes, v.add(piece.base, 192), 16);
    piece.scales = scaled(v, piece, v.extS(scales, v.i32()), 208);
  }
};

class Q3KDecoder : public SixteenDecoder {
public:
  int64_t pieceBytes() const override { return 110; }
  int64_t largest() const override { return 7; }
  int64_t zeroPoint() const override { return 4; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return v.orI(pairPlane(v, piece, 32, step, 0),
                 bitPlane(v, piece, 0, step, 2));
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    return minusZeroPoint(v, v.orI(pairPlaneAtom(v, piece, 32, atom, 0),
                                   bitPlaneAtom(v, piece, 0, atom, 2)));
  }

protected:
  void openGroups(VectorBuilder &v, Piece &piece) const override {
    // 16 scales of 6 bits: the nibbles of 8 bytes, low ones first, and pairs of
    // bits of 4 bytes, of which each serves every fourth.
    auto amounts = [&](int64_t run, int32_t step) -> Value {
      SmallVector<int32_t> values;
      for (int64_t lane = 0; lane < 16; ++lane)
        values.push_back(static_cast<int32_t>(lane / run) * step);
      return vectorI32(v, values);
    };
    Value low = v.load(piece.bytes, v.add(piece.base, 96), 8);
    low = v.extU(v.shuffle(low, tileLanes(8, 2)), v.i32());
    low = v.andI(v.shr(low, amounts(8, 4)), 15);
    Value high = v.load(piece.bytes, v.add(piece.base, 104), 4);
    high = v.extU(v.shuffle(high, tileLanes(4, 4)), v.i32());
    high = v.shl(v.andI(v.shr(high, amounts(4, 2)), 3), 4);
    Value both = v.orI(low, high);
    both = v.sub(both, v.splat(v.vec(16, v.i32()), 32));
    piece.scales = scaled(v, piece, both, 108);
  }
};

class Q2KDecoder : public SixteenDecoder {
public:
  int64_t pieceBytes() const override { return 84; }
  int64_t largest() const override { return 3; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return pairPlane(v, piece, 16, step, 0);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    return pairPlaneAtom(v, piece, 16, atom, 0);
  }

protected:
  void openGroups(VectorBuilder &v, Piece &piece) const override {
    Value both = loadAtom(v, piece, 0);
    piece.scales = scaled(v, piece, v.andI(both, 15), 80);
    piece.offsets = v.negf(scaled(v, piece, v.shr(both, 4), 82));
  }
};

} // namespace

std::unique_ptr<BlockDecoder> headrace::cpu::createKQuantDecoder(GgufKind kind,
                                                                 bool gfni) {
  switch (kind) {
  case GgufKind::Q2_K:
    return std::make_unique<Q2KDecoder>();
  case GgufKind::Q3_K:
    return std::make_unique<Q3KDecoder>();
  case GgufKind::Q4_K:
    return std::make_unique<Q4KDecoder>();
  case GgufKind::Q5_K:
    return std::make_unique<Q5KDecoder>(gfni);
  case GgufKind::Q6_K:
    return std::make_unique<Q6KDecoder>();
  default:
    return nullptr;
  }
}
