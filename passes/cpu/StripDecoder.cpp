//===- StripDecoder.cpp - strips of 16 rows as vectors --------------------===//

#include "passes/cpu/StripDecoder.h"

#include "passes/cpu/BitMatrix.h"
#include "passes/cpu/ProductKernel.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::AffineFormatAttr;
using headrace::qlinear::GgufFormatAttr;
using headrace::qlinear::GgufKind;
using headrace::qlinear::PackedType;
using headrace::qlinear::RepackedFormatAttr;

StripDecoder::StripDecoder(PackedType weight)
    : cols(weight.getFormat().getBlockCols()),
      bytes(weight.getFormat().getBlockBytes()) {}

Value StripDecoder::line(VectorBuilder &v, const StripPiece &piece,
                         Value offset) {
  return v.load(piece.bytes, v.add(piece.at, offset), kCacheLine);
}

Value StripDecoder::floats(VectorBuilder &v, const StripPiece &piece,
                           int64_t offset) {
  return v.extF(
      v.loadAs(piece.bytes, v.add(piece.at, offset), 32, 16, v.b.getF16Type()));
}

Value StripDecoder::scale(VectorBuilder &v, const StripPiece &piece,
                          int64_t group) const {
  Value number = groupScale(v, piece, group);
  return hasFactors() ? v.mulf(number, scaleFactor(v, piece)) : number;
}

Value StripDecoder::offset(VectorBuilder &v, const StripPiece &piece,
                           int64_t group) const {
  Value number = groupOffset(v, piece, group);
  return hasFactors() ? v.mulf(number, offsetFactor(v, piece)) : number;
}

SmallVector<int8_t> StripDecoder::nibbleTable() const {
  SmallVector<int8_t> table;
  for (int64_t code = 0; codeBits() == 4 && code < 16; ++code)
    table.push_back(static_cast<int8_t>(code - zeroPoint()));
  return table;
}

Value StripDecoder::codes(VectorBuilder &v, const StripWord &word) const {
  return v.andI(word.low, ((1 << codeBits()) - 1) << word.shift);
}

Value StripDecoder::composed(VectorBuilder &v, const StripWord &word) const {
  Value low = v.cast(word.low, 16, v.i32());
  Value high = v.cast(word.high, 16, v.i32());
  int64_t up = 4 - word.highBit;
  high = up >= 0 ? v.shl(high, up) : v.shr(high, -up);
  int64_t mask = ((1 << codeBits()) - 1) & 0xf0;
  Value code = v.orI(v.andI(v.shr(low, word.shift), 0x0f0f0f0f),
                     v.andI(high, mask * 0x01010101));
  return v.cast(code, 64, v.i8());
}

Value StripDecoder::integers(VectorBuilder &v, const StripWord &word,
                             int64_t byte) const {
  Value lanes = v.cast(word.low, 16, v.i32());
  Value code =
      v.andI(v.shr(lanes, 8 * byte + word.shift), (1 << codeBits()) - 1);
  if (zeroPoint() == 0)
    return code;
  return v.sub(code, v.splat(v.vec(16, v.i32()), zeroPoint()));
}

/// Arithmetic shift of i32 lanes.
static Value shiftSigned(VectorBuilder &v, Value lanes, int64_t amount) {
  Value by = v.splat(cast<VectorType>(lanes.getType()), amount);
  return arith::ShRSIOp::create(v.b, v.loc, lanes, by);
}

Value StripDecoder::signedByte(VectorBuilder &v, Value lanes, int64_t index) {
  return shiftSigned(v, v.shl(lanes, 24 - 8 * index), 24);
}

Value StripDecoder::unsignedByte(VectorBuilder &v, Value lanes, int64_t index) {
  Value low = v.shr(lanes, 8 * index);
  return index == 3 ? low : v.andI(low, 255);
}

namespace {

//===----------------------------------------------------------------------===//
// Blocks of 256 columns: q4_k, q5_k, q6_k
//===----------------------------------------------------------------------===//

class Q4KStrips : public StripDecoder {
public:
  explicit Q4KStrips(PackedType weight) : StripDecoder(weight) {}
  bool hasOffsets() const override { return true; }

  /// `shared`: scales of groups 0 to 3, of groups 4 to 7, minima likewise, a
  /// byte each.
  StripPiece open(VectorBuilder &v, Value bytes, Value at,
                  int64_t cols) const override {
    StripPiece piece{bytes, at, cols, {}};
    Value words[3];
    for (int64_t i = 0; i < 3; ++i)
      words[i] =
          v.cast(line(v, piece, v.index(64 + kCacheLine * i)), 16, v.i32());
    auto six = [&](Value here, Value low4) {
      Value upper = v.andI(v.shr(here, 2), 0x30303030);
      piece.shared.push_back(v.andI(here, 0x3f3f3f3f));
      piece.shared.push_back(v.orI(v.andI(low4, 0x0f0f0f0f), upper));
    };
    six(words[0], words[2]);
    six(words[1], v.shr(words[2], 4));
    return piece;
  }
  Value groupScale(VectorBuilder &v, const StripPiece &piece,
                   int64_t group) const override {
    return number(v, piece, group, 0);
  }
  Value groupOffset(VectorBuilder &v, const StripPiece &piece,
                    int64_t group) const override {
    return number(v, piece, group, 1);
  }
  bool hasFactors() const override { return true; }
  Value scaleFactor(VectorBuilder &v, const StripPiece &piece) const override {
    return floats(v, piece, 0);
  }
  Value offsetFactor(VectorBuilder &v, const StripPiece &piece) const override {
    return v.negf(floats(v, piece, 32));
  }

  int64_t chunks() const override { return 4; }
  /// High nibbles are the next group.
  int64_t groupShift(int64_t group) const override { return 4 * group; }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece,
                               Value index, int64_t groups) const override {
    SmallVector<Value> lines;
    Value at = v.mul(index, 8 * kCacheLine);
    for (int64_t i = 0; i < 8; ++i)
      lines.push_back(line(v, piece, v.add(at, 256 + kCacheLine * i)));
    SmallVector<StripWord> words;
    for (int64_t i = 0; i < 8; ++i)
      for (int64_t group = 0; group < groups; ++group)
        words.push_back({group, 32 * group + 4 * i, lines[i], {}, 4 * group});
    return words;
  }

protected:
  static Value number(VectorBuilder &v, const StripPiece &piece, int64_t group,
                      int64_t which) {
    Value bytes = piece.shared[2 * which + group / 4];
    return v.toFloat(unsignedByte(v, bytes, group % 4));
  }
};

/// As q4_k, with 8 lines of fifth bits before the codes: bit g of a byte
/// belongs to group g.
class Q5KStrips : public Q4KStrips {
public:
  Q5KStrips(PackedType weight, bool gfni) : Q4KStrips(weight), gfni(gfni) {}
  int64_t codeBits() const override { return 5; }
  int64_t groupShift(int64_t) const override { return 0; }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece,
                               Value index, int64_t groups) const override {
    SmallVector<Value> lines, bits;
    Value at = v.mul(index, 8 * kCacheLine);
    for (int64_t i = 0; i < 8; ++i)
      lines.push_back(line(v, piece, v.add(at, 768 + kCacheLine * i)));
    for (int64_t i = 0; i < 8; ++i)
      bits.push_back(line(v, piece, v.index(256 + kCacheLine * i)));
    // Those of the two groups of the chunk: where codes need them, or to the
    // right.
    std::optional<int64_t> number = getConstantIntValue(index);
    if (number && gfni) {
      for (Value &line : bits)
        line = moveBits(v, line, {-1, -1, -1, 2 * *number + 1, 2 * *number});
    } else {
      Value twice =
          arith::IndexCastOp::create(v.b, v.loc, v.i32(), v.mul(index, 2));
      Value amount = v.broadcast(twice, 16);
      for (Value &line : bits) {
        line = v.cast(v.shr(v.cast(line, 16, v.i32()), amount), 64, v.i8());
        if (gfni)
          line = moveBits(v, line, {-1, -1, -1, 1, 0});
      }
    }
    SmallVector<StripWord> words;
    for (int64_t i = 0; i < 8; ++i)
      for (int64_t group = 0; group < groups; ++group)
        words.push_back(
            {group, 32 * group + 4 * i, lines[i], bits[i], 4 * group, group});
    return words;
  }
  /// Composed in place.
  int64_t codeShift(const StripWord &) const override { return 0; }
  Value codes(VectorBuilder &v, const StripWord &word) const override {
    if (!gfni)
      return composed(v, word);
    return word.shift == 0 ? lowCodes(v, word.low, word.high)
                           : highCodes(v, word.low, word.high, 3);
  }
  Value integers(VectorBuilder &v, const StripWord &word,
                 int64_t byte) const override {
    return unsignedByte(v, v.cast(codes(v, word), 16, v.i32()), byte);
  }

private:
  bool gfni;
};

class Q6KStrips : public StripDecoder {
public:
  Q6KStrips(PackedType weight, bool gfni) : StripDecoder(weight), gfni(gfni) {}
  int64_t groupCols() const override { return 16; }
  int64_t zeroPoint() const override { return 32; }
  int64_t codeBits() const override { return 6; }

  StripPiece open(VectorBuilder &, Value bytes, Value at,
                  int64_t cols) const override {
    return {bytes, at, cols, {}};
  }
  Value groupScale(VectorBuilder &v, const StripPiece &piece,
                   int64_t group) const override {
    // Four scales a lane: of groups 0 to 3, 4 to 7, ...
    Value scales = line(v, piece, v.index(32 + group / 4 * kCacheLine));
    return v.toFloat(signedByte(v, v.cast(scales, 16, v.i32()), group % 4));
  }
  bool hasFactors() const override { return true; }
  Value scaleFactor(VectorBuilder &v, const StripPiece &piece) const override {
    return floats(v, piece, 0);
  }

  /// A chunk has 16 columns of each quarter of a half: four lines of high bits,
  /// of which each serves all quarters, and twice four lines of nibbles.
  int64_t chunks() const override { return 4; }
  int64_t chunkGroups() const override { return 4; }
  int64_t groupOf(int64_t chunk, int64_t group) const override {
    return chunk / 2 * 8 + 2 * group + chunk % 2;
  }
  Value firstCol(VectorBuilder &v, Value chunk) const override {
    Value half = v.shr(chunk, 1), part = v.andI(chunk, 1);
    return v.add(v.mul(half, 128), v.mul(part, 16));
  }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece,
                               Value index, int64_t groups) const override {
    SmallVector<Value> lines;
    Value at = v.mul(index, 12 * kCacheLine);
    for (int64_t i = 0; i < 12; ++i)
      lines.push_back(line(v, piece, v.add(at, 288 + kCacheLine * i)));
    SmallVector<StripWord> words;
    for (int64_t i = 0; i < 4; ++i)
      for (int64_t quarter = 0; quarter < groups; ++quarter) {
        Value bits = lines[i];
        // Of a quarter with low nibbles and the one with high nibbles.
        int64_t low = quarter % 2 * 2;
        if (gfni)
          bits =
              quarter < 2
                  ? moveBits(v, bits, {-1, -1, low + 4, low + 5, low, low + 1})
                  : words[words.size() - 2].high;
        words.push_back({quarter, 32 * quarter + 4 * i,
                         lines[4 + quarter % 2 * 4 + i], bits, quarter / 2 * 4,
                         2 * quarter});
      }
    return words;
  }

  /// Composed in place.
  int64_t codeShift(const StripWord &) const override { return 0; }
  Value codes(VectorBuilder &v, const StripWord &word) const override {
    if (!gfni)
      return composed(v, word);
    return word.shift == 0 ? lowCodes(v, word.low, word.high)
                           : highCodes(v, word.low, word.high, {2, 3});
  }
  Value integers(VectorBuilder &v, const StripWord &word,
                 int64_t byte) const override {
    Value code = codes(v, word);
    code = v.sub(code, v.splat(cast<VectorType>(code.getType()), zeroPoint()));
    return signedByte(v, v.cast(code, 16, v.i32()), byte);
  }

private:
  bool gfni;
};

} // namespace

std::unique_ptr<StripDecoder> StripDecoder::create(PackedType weight,
                                                   DotKind dot, bool gfni) {
  auto repacked = dyn_cast<RepackedFormatAttr>(weight.getFormat());
  if (!repacked || repacked.getLayout() != "strips16")
    return nullptr;
  if (auto affine = dyn_cast<AffineFormatAttr>(repacked.getFormat()))
    return createAffineStrips(weight, affine);
  auto gguf = dyn_cast<GgufFormatAttr>(repacked.getFormat());
  if (!gguf)
    return nullptr;
  switch (gguf.getKind()) {
  case GgufKind::IQ4_NL:
    return createUnevenStrips(weight, dot);
  case GgufKind::Q4_K:
    return std::make_unique<Q4KStrips>(weight);
  case GgufKind::Q5_K:
    return std::make_unique<Q5KStrips>(weight, gfni);
  case GgufKind::Q6_K:
    return std::make_unique<Q6KStrips>(weight, gfni);
  default:
    return createPairStrips(weight, gguf.getKind(), gfni);
  }
}
