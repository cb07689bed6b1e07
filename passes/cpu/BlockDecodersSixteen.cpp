//===- BlockDecodersSixteen.cpp - blocks of 256 columns in groups of 16 ---===//

#include "passes/cpu/BitPlanes.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufKind;

namespace {

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

std::unique_ptr<BlockDecoder>
headrace::cpu::createSixteenDecoder(GgufKind kind) {
  switch (kind) {
  case GgufKind::Q2_K:
    return std::make_unique<Q2KDecoder>();
  case GgufKind::Q3_K:
    return std::make_unique<Q3KDecoder>();
  case GgufKind::Q6_K:
    return std::make_unique<Q6KDecoder>();
  default:
    return nullptr;
  }
}
