//===- BlockDecodersK.cpp - blocks of 256 columns in groups of 32 ---------===//

#include "passes/cpu/BitMatrix.h"
#include "passes/cpu/BitPlanes.h"

#include <array>

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufKind;

namespace {

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

} // namespace

std::unique_ptr<BlockDecoder> headrace::cpu::createKQuantDecoder(GgufKind kind,
                                                                 bool gfni) {
  switch (kind) {
  case GgufKind::Q4_K:
    return std::make_unique<Q4KDecoder>();
  case GgufKind::Q5_K:
    return std::make_unique<Q5KDecoder>(gfni);
  default:
    return createSixteenDecoder(kind);
  }
}
