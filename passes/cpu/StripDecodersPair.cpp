//===- StripDecodersPair.cpp - pieces of two blocks of 32 columns ---------===//

#include "passes/cpu/BitMatrix.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/StripDecoder.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::GgufKind;
using headrace::qlinear::PackedType;

namespace {

class PairDecoder : public StripDecoder {
public:
  using StripDecoder::StripDecoder;
  StripPiece open(VectorBuilder &v, Value bytes, Value at,
                  int64_t cols) const override {
    StripPiece piece{bytes, at, cols, {}};
    for (int64_t group = 0; group < cols / 32; ++group)
      piece.shared.push_back(floats(v, piece, 32 * group));
    return piece;
  }
  Value groupScale(VectorBuilder &, const StripPiece &piece,
                   int64_t group) const override {
    return piece.shared[group];
  }
};

/// q4_0, and q4_1 with a line of minima behind the scales.
class NibblePairs : public PairDecoder {
public:
  NibblePairs(PackedType weight, bool minima)
      : PairDecoder(weight), minima(minima) {}
  int64_t zeroPoint() const override { return minima ? 0 : 8; }
  bool hasOffsets() const override { return minima; }
  Value groupOffset(VectorBuilder &v, const StripPiece &piece,
                    int64_t group) const override {
    return floats(v, piece, 64 + 32 * group);
  }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece, Value,
                               int64_t groups) const override {
    SmallVector<Value> lines;
    for (int64_t i = 0; i < 4 * groups; ++i)
      lines.push_back(line(v, piece, v.index(codesAt() + kCacheLine * i)));
    // High nibbles are 16 columns further.
    SmallVector<StripWord> words;
    for (int64_t i = 0; i < 4 * groups; ++i)
      for (int64_t half : {0, 1})
        words.push_back({i / 4,
                         i / 4 * 32 + i % 4 * 4 + 16 * half,
                         lines[i],
                         {},
                         4 * half});
    return words;
  }

private:
  int64_t codesAt() const { return minima ? 128 : 64; }
  bool minima;
};

/// q5_0, and q5_1 with a line of minima behind the scales: a line of fifth bits
/// for each block, 32 of each row, then nibbles as in q4_0.
class FivePairs : public PairDecoder {
public:
  FivePairs(PackedType weight, bool minima, bool gfni)
      : PairDecoder(weight), minima(minima), gfni(gfni) {}
  int64_t zeroPoint() const override { return minima ? 0 : 16; }
  int64_t codeBits() const override { return 5; }
  bool hasOffsets() const override { return minima; }
  Value groupOffset(VectorBuilder &v, const StripPiece &piece,
                    int64_t group) const override {
    return floats(v, piece, 64 + 32 * group);
  }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece, Value,
                               int64_t groups) const override {
    int64_t bitsAt = minima ? 128 : 64;
    SmallVector<Value> bits, lines;
    for (int64_t i = 0; i < groups; ++i)
      bits.push_back(line(v, piece, v.index(bitsAt + kCacheLine * i)));
    for (int64_t i = 0; i < 4 * groups; ++i)
      lines.push_back(line(v, piece, v.index(bitsAt + kCacheLine * (2 + i))));
    SmallVector<StripWord> words;
    for (int64_t i = 0; i < 4 * groups; ++i)
      for (int64_t half : {0, 1}) {
        int64_t col = i % 4 * 4 + 16 * half;
        Value own = bits[i / 4];
        // Of columns 16 further that are a multiple of 8 apart, the same.
        if (gfni)
          own = i % 4 < 2 ? spreadBits(v, own, i % 2, half)
                          : words[words.size() - 4].high;
        words.push_back({i / 4, i / 4 * 32 + col, lines[i], own, 4 * half,
                         /*highBit=*/col});
      }
    return words;
  }
  /// Composed in place.
  int64_t codeShift(const StripWord &) const override { return 0; }
  Value codes(VectorBuilder &v, const StripWord &word) const override {
    // See `spreadBits`.
    int64_t place = (word.shift ? 3 : 7) - word.highBit / 8;
    if (gfni && word.shift)
      return highCodes(v, word.low, word.high, place);
    if (gfni)
      return moveBits(v, lowCodes(v, word.low, word.high), {0, 1, 2, 3, place});
    // The byte that has the bits of the four columns goes to each of them, with
    // those bits in its upper half.
    SmallVector<int64_t> mask;
    for (int64_t row = 0; row < 16; ++row)
      mask.append(4, 4 * row + word.highBit / 8);
    Value bytes = v.shuffle(word.high, mask);
    if (word.highBit % 8 == 0)
      bytes = v.cast(v.shl(v.cast(bytes, 16, v.i32()), 4), 64, v.i8());
    Value own = v.cast(v.splat(v.vec(16, v.i32()), 0x80402010), 64, v.i8());
    Value fifth = v.min(v.andI(bytes, own), v.splat(v.vec(64, v.i8()), 16));
    Value low = v.shr(v.cast(word.low, 16, v.i32()), word.shift);
    return v.orI(v.andI(v.cast(low, 64, v.i8()), 15), fifth);
  }
  Value integers(VectorBuilder &v, const StripWord &word,
                 int64_t byte) const override {
    Value code = unsignedByte(v, v.cast(codes(v, word), 16, v.i32()), byte);
    return minima ? code : v.sub(code, v.splat(v.vec(16, v.i32()), 16));
  }

private:
  /// The bits of columns 4 * odd to 4 * odd + 3 of each row, a byte each, and
  /// of those 8, 16 and 24 further: bits 7 to 4 of a byte, or 3 to 0 for high
  /// nibbles. Other bits hold anything.
  static Value spreadBits(VectorBuilder &v, Value bits, int64_t odd,
                          bool lower) {
    // Two rows are a matrix: bits 7 to 4 come from the bytes of the first row,
    // bits 3 to 0 from those of the second one.
    SmallVector<int8_t> own;
    for (int64_t byte = 0; byte < 64; ++byte)
      own.push_back(static_cast<int8_t>(1 << (4 * odd + byte % 4)));
    Value columns = arith::ConstantOp::create(
        v.b, v.loc,
        DenseElementsAttr::get(v.vec(64, v.i8()), ArrayRef<int8_t>(own)));
    SmallVector<int32_t> amounts;
    for (int32_t row = 0; row < 16; ++row)
      amounts.push_back((row % 2 == 0) == lower ? 4 : 0);
    Value by = arith::ConstantOp::create(
        v.b, v.loc,
        DenseElementsAttr::get(v.vec(16, v.i32()), ArrayRef<int32_t>(amounts)));
    Value lanes = v.cast(timesBits(v, columns, bits), 16, v.i32());
    return v.cast(lower ? v.shr(lanes, by) : v.shl(lanes, by), 64, v.i8());
  }

  bool minima, gfni;
};

class Q8_0Strips : public PairDecoder {
public:
  explicit Q8_0Strips(PackedType weight) : PairDecoder(weight) {}
  int64_t zeroPoint() const override { return 128; }
  int64_t codeBits() const override { return 8; }
  int64_t chunks() const override { return 2; }
  int64_t chunkGroups() const override { return 1; }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece,
                               Value index, int64_t) const override {
    SmallVector<StripWord> words;
    Value at = v.mul(index, 8 * kCacheLine);
    for (int64_t i = 0; i < 8; ++i)
      words.push_back(
          {0, 4 * i, line(v, piece, v.add(at, 64 + kCacheLine * i)), {}, 0});
    return words;
  }
  Value codes(VectorBuilder &v, const StripWord &word) const override {
    return v.xorI(word.low, -128);
  }
  /// Signed as stored: nothing to take off.
  Value integers(VectorBuilder &v, const StripWord &word,
                 int64_t byte) const override {
    return signedByte(v, v.cast(word.low, 16, v.i32()), byte);
  }
};

} // namespace

std::unique_ptr<StripDecoder>
headrace::cpu::createPairStrips(PackedType weight, GgufKind kind, bool gfni) {
  switch (kind) {
  case GgufKind::Q4_0:
    return std::make_unique<NibblePairs>(weight, /*minima=*/false);
  case GgufKind::Q4_1:
    return std::make_unique<NibblePairs>(weight, /*minima=*/true);
  case GgufKind::Q5_0:
    return std::make_unique<FivePairs>(weight, /*minima=*/false, gfni);
  case GgufKind::Q5_1:
    return std::make_unique<FivePairs>(weight, /*minima=*/true, gfni);
  case GgufKind::Q8_0:
    return std::make_unique<Q8_0Strips>(weight);
  default:
    return nullptr;
  }
}
