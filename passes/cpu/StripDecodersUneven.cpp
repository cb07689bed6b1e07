//===- StripDecodersUneven.cpp - strips of nibbles that stand for numbers -===//

#include "passes/cpu/NibbleTable.h"
#include "passes/cpu/StripDecoder.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

namespace {

/// iq4_nl: scales of two blocks, then nibbles as in q4_0. Integers are what
/// nibbles stand for, with 128 added for products with unsigned numbers.
class UnevenStrips : public StripDecoder {
public:
  UnevenStrips(PackedType weight, DotKind dot)
      : StripDecoder(weight), dot(dot) {}
  int64_t zeroPoint() const override { return 128; }
  int64_t codeBits() const override { return 8; }
  SmallVector<int8_t> nibbleTable() const override {
    return llvm::to_vector(ArrayRef(kUnevenTable));
  }

  StripPiece open(VectorBuilder &v, Value bytes, Value at,
                  int64_t cols) const override {
    return {bytes, at, cols, {}};
  }
  Value groupScale(VectorBuilder &v, const StripPiece &piece,
                   int64_t group) const override {
    return floats(v, piece, 32 * group);
  }
  SmallVector<StripWord> chunk(VectorBuilder &v, const StripPiece &piece, Value,
                               int64_t groups) const override {
    SmallVector<Value> lines;
    for (int64_t i = 0; i < 4 * groups; ++i)
      lines.push_back(line(v, piece, v.index(kCacheLine * (1 + i))));
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

  /// Looked up in place.
  int64_t codeShift(const StripWord &) const override { return 0; }
  Value codes(VectorBuilder &v, const StripWord &word) const override {
    SmallVector<int8_t> table;
    for (int8_t value : kUnevenTable)
      table.push_back(static_cast<int8_t>(value ^ -128));
    return lookUpNibbles(v, dot, nibbles(v, word), table);
  }
  Value integers(VectorBuilder &v, const StripWord &word,
                 int64_t byte) const override {
    Value values = lookUpNibbles(v, dot, nibbles(v, word), kUnevenTable);
    return signedByte(v, v.cast(values, 16, v.i32()), byte);
  }

private:
  static Value nibbles(VectorBuilder &v, const StripWord &word) {
    Value low = word.low;
    if (word.shift)
      low = v.cast(v.shr(v.cast(low, 16, v.i32()), word.shift), 64, v.i8());
    return v.andI(low, 15);
  }

  DotKind dot;
};

} // namespace

std::unique_ptr<StripDecoder>
headrace::cpu::createUnevenStrips(PackedType weight, DotKind dot) {
  return std::make_unique<UnevenStrips>(weight, dot);
}
