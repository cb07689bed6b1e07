//===- StripDecodersAffine.cpp - strips of integers in groups -------------===//
//
// A piece is the scales of its groups, their zero points, then codes.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/StripDecoder.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Groups are cut into parts of 32 columns, which is what activations share a
/// scale for.
class AffineStrips : public StripDecoder {
public:
  AffineStrips(PackedType weight, AffineFormatAttr format)
      : StripDecoder(weight), format(format) {}

  int64_t codeBits() const override { return format.getBits(); }
  int64_t zeroPoint() const override {
    return hasOwnZeros() ? 0 : int64_t(1) << (format.getBits() - 1);
  }
  bool hasOwnZeros() const override {
    return format.getZeroPoint() == ZeroPointKind::Integer;
  }
  bool hasOffsets() const override {
    return format.getZeroPoint() != ZeroPointKind::None;
  }
  bool hasShortScales() const override {
    return format.getScale() == ScaleKind::F16;
  }

  StripPiece open(VectorBuilder &, Value bytes, Value at,
                  int64_t cols) const override {
    return {bytes, at, cols, {}};
  }
  Value groupScale(VectorBuilder &v, const StripPiece &piece,
                   int64_t part) const override {
    return number(v, piece, groupOf32(part) * kRows * scaleBytes());
  }
  Value groupOffset(VectorBuilder &v, const StripPiece &piece,
                    int64_t part) const override {
    if (!hasOwnZeros())
      return number(v, piece,
                    zerosAt() + groupOf32(part) * kRows * zeroBytes());
    // Exact in f32 where scales have 16 bits.
    Value zero = v.toFloat(zeros(v, piece, part));
    return v.mulf(v.negf(zero), groupScale(v, piece, part));
  }
  Value zeros(VectorBuilder &v, const StripPiece &piece,
              int64_t part) const override {
    Value at = v.add(piece.at, zerosAt() + groupOf32(part) * kRows);
    return v.extU(v.load(piece.bytes, at, kRows), v.i32());
  }

  /// Eight lines: 64 columns of 4 bits, 32 of 8.
  int64_t chunks() const override { return format.getBits(); }
  int64_t chunkGroups() const override { return 8 / format.getBits(); }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece,
                               Value index, int64_t groups) const override {
    int64_t perGroup = format.getBits(); // lines of 32 columns
    Value at = v.add(v.mul(index, 8 * kCacheLine), codesAt());
    SmallVector<Value> lines;
    for (int64_t i = 0; i < perGroup * groups; ++i)
      lines.push_back(line(v, piece, v.add(at, kCacheLine * i)));
    SmallVector<StripWord> words;
    for (int64_t i = 0; i < perGroup * groups; ++i) {
      int64_t group = i / perGroup, col = 32 * group + i % perGroup * 4;
      words.push_back({group, col, lines[i], {}, 0});
      // High nibbles are 16 columns further.
      if (format.getBits() == 4)
        words.push_back({group, col + 16, lines[i], {}, 4});
    }
    return words;
  }
  Value codes(VectorBuilder &v, const StripWord &word) const override {
    return format.getBits() == 8 ? word.low : StripDecoder::codes(v, word);
  }
  Value integers(VectorBuilder &v, const StripWord &word,
                 int64_t byte) const override {
    if (format.getBits() == 4)
      return StripDecoder::integers(v, word, byte);
    Value low = hasOwnZeros() ? word.low : v.xorI(word.low, -128);
    Value lanes = v.cast(low, kRows, v.i32());
    return hasOwnZeros() ? unsignedByte(v, lanes, byte)
                         : signedByte(v, lanes, byte);
  }

private:
  static constexpr int64_t kRows = 16;

  int64_t groupOf32(int64_t part) const {
    return part * 32 / format.getGroup();
  }
  int64_t scaleBytes() const {
    return format.getScale() == ScaleKind::F32 ? 4 : 2;
  }
  int64_t zeroBytes() const { return format.getGroupBytes() - scaleBytes(); }
  int64_t zerosAt() const {
    return pieceCols() / format.getGroup() * kRows * scaleBytes();
  }
  int64_t codesAt() const {
    return pieceCols() / format.getGroup() * kRows * format.getGroupBytes();
  }

  /// 16 floats at byte `offset` of the piece, as f32.
  Value number(VectorBuilder &v, const StripPiece &piece,
               int64_t offset) const {
    Value at = v.add(piece.at, offset);
    switch (format.getScale()) {
    case ScaleKind::F16:
      return v.extF(v.loadAs(piece.bytes, at, 32, kRows, v.b.getF16Type()));
    case ScaleKind::BF16:
      return v.extF(v.loadAs(piece.bytes, at, 32, kRows, v.b.getBF16Type()));
    case ScaleKind::F32:
      return v.loadAs(piece.bytes, at, 64, kRows, v.f32());
    }
    llvm_unreachable("unknown scale kind");
  }

  AffineFormatAttr format;
};

} // namespace

std::unique_ptr<StripDecoder>
headrace::cpu::createAffineStrips(PackedType weight, AffineFormatAttr format) {
  return std::make_unique<AffineStrips>(weight, format);
}
