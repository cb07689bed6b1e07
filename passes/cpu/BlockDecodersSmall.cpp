//===- BlockDecodersSmall.cpp - blocks of 32 columns of 4 and 8 bits ------===//

#include "passes/cpu/NibbleTable.h"
#include "passes/cpu/SmallBlocks.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufKind;

namespace {

/// q4_0 and q4_1: | numbers | 16 bytes of nibbles |
class NibbleDecoder : public SmallBlockDecoder {
public:
  using SmallBlockDecoder::SmallBlockDecoder;
  int64_t largest() const override { return 15; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return nibbles(v, piece, step, 0);
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    return minusZeroPoint(v, nibbleIntegers(v, piece, atom, 0));
  }
  bool hasHalves() const override { return true; }
  std::pair<Value, Value> halves(VectorBuilder &v, const Piece &piece,
                                 int64_t quad) const override {
    return nibbleHalves(v, piece, quad);
  }
  PieceOrder order() const override { return nibbleOrder(); }
  OrderedPiece decodeInOrder(VectorBuilder &v,
                             const Piece &piece) const override {
    return {nibblesInOrder(v, piece), numbersInOrder(v, piece)};
  }
};

/// iq4_nl: | scale | 16 bytes of nibbles |, which stand for numbers of a table.
class UnevenDecoder : public SmallBlockDecoder {
public:
  explicit UnevenDecoder(DotKind dot) : SmallBlockDecoder(18, 128), dot(dot) {}
  int64_t largest() const override { return 128 + 113; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    return unsignedValues(v, nibbles(v, piece, step, 0));
  }
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value packed = v.load(piece.bytes, codesAt(v, piece, atom / 2), 16);
    Value words = v.cast(packed, 8, v.i16());
    words = v.cast(v.shr(words, 4 * (atom % 2)), 16, v.i8());
    return v.extS(lookUpNibbles(v, dot, v.andI(words, 15), kUnevenTable),
                  v.i32());
  }
  Value unscaled(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    if (dot != DotKind::Vnni)
      return BlockDecoder::unscaled(v, piece, atom);
    Value packed = v.load(piece.bytes, codesAt(v, piece, atom / 2), 16);
    return lookUpFloats(v, v.shr(v.extU(packed, v.i32()), 4 * (atom % 2)),
                        kUnevenTable);
  }
  bool hasHalves() const override { return true; }
  std::pair<Value, Value> halves(VectorBuilder &v, const Piece &piece,
                                 int64_t quad) const override {
    auto [first, last] = nibbleHalves(v, piece, quad);
    return {unsignedValues(v, first), unsignedValues(v, last)};
  }

private:
  Value unsignedValues(VectorBuilder &v, Value q) const {
    SmallVector<int8_t> table;
    for (int8_t value : kUnevenTable)
      table.push_back(static_cast<int8_t>(value ^ -128));
    return lookUpNibbles(v, dot, q, table);
  }

  DotKind dot;
};

/// q8_0: | scale | 32 signed bytes |
class ByteDecoder : public SmallBlockDecoder {
public:
  using SmallBlockDecoder::SmallBlockDecoder;
  int64_t largest() const override { return 255; }
  Value quants(VectorBuilder &v, const Piece &piece,
               int64_t step) const override {
    int64_t first = 2 * step;
    auto load = [&](int64_t index) {
      return v.load(piece.bytes, codesAt(v, piece, index), 32);
    };
    Value a = load(first);
    if (first + 1 == piece.groups)
      return v.padZero(v.xorI(a, -128), 64);
    return v.xorI(v.shuffle(a, load(first + 1), tileLanes(64, 1)), -128);
  }
  /// Signed as stored: nothing to take off.
  Value integers(VectorBuilder &v, const Piece &piece,
                 int64_t atom) const override {
    Value at = codesAt(v, piece, atom / 2, 16 * (atom % 2));
    return v.extS(v.load(piece.bytes, at, 16), v.i32());
  }
};

} // namespace

std::unique_ptr<BlockDecoder>
headrace::cpu::createSmallBlockDecoder(GgufKind kind, DotKind dot, bool gfni) {
  switch (kind) {
  case GgufKind::Q4_0:
    return std::make_unique<NibbleDecoder>(18, 8);
  case GgufKind::Q4_1:
    return std::make_unique<NibbleDecoder>(20, 0);
  case GgufKind::Q5_0:
    return createFiveBitDecoder(22, 16, gfni);
  case GgufKind::Q5_1:
    return createFiveBitDecoder(24, 0, gfni);
  case GgufKind::IQ4_NL:
    return std::make_unique<UnevenDecoder>(dot);
  case GgufKind::Q8_0:
    return std::make_unique<ByteDecoder>(34, 128);
  default:
    return nullptr;
  }
}
