//===- RowDecodersAffine.cpp - integers with scales behind them -----------===//

#include "passes/simt/RowDecoder.h"

using namespace mlir;
using namespace headrace::simt;
using headrace::qlinear::AffineFormatAttr;
using headrace::qlinear::PackedType;
using headrace::qlinear::ScaleKind;
using headrace::qlinear::ZeroPointKind;

namespace {

/// A row: | nibbles, in column order | scales of groups | zero points |. A lane
/// has 32 columns, which are of one group.
class AffineDecoder : public WordDecoder {
public:
  AffineDecoder(PackedType weight, AffineFormatAttr format)
      : WordDecoder(weight), format(format), cols(weight.getCols()) {}

  int64_t blockCols() const override { return 32; }
  int64_t blockLanes() const override { return 1; }
  Tiling tiling() const override { return {hasOffsets() ? 2 : 4, 2}; }
  bool hasOffsets() const override {
    return format.getZeroPoint() != ZeroPointKind::None;
  }

  void open(SimtBuilder &v, Value data, Value which) override {
    WordDecoder::open(v, data, which);
    bytes = data;
    if (format.getScale() == ScaleKind::BF16)
      halves = v.viewAs(data, v.b.getBF16Type());
  }

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value first = v.mul(block, 32);
    LaneInputs inputs;
    Value sum;
    for (int64_t half : {0, 16}) {
      // A word has four columns: each mask sees one of each of four words.
      SmallVector<Value> four;
      for (int64_t col = 0; col < 16; col += 4) {
        four.push_back(v.loadFour(x, v.add(first, half + col), 16));
        sum = sum ? v.addf(sum, four.back()) : four.back();
      }
      SmallVector<Value> byNibble;
      for (int64_t nibble = 0; nibble < 4; ++nibble) {
        SmallVector<Value> columns;
        for (Value x : four)
          columns.push_back(v.extract(x, nibble));
        byNibble.push_back(v.fromElements(columns));
      }
      inputs.x.append(lowPartInputs(v, byNibble));
    }
    if (format.getZeroPoint() != ZeroPointKind::Integer)
      inputs.starts.push_back(v.scale(sum, -8));
    if (hasOffsets())
      inputs.sums.push_back(v.sum(sum));
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value sum = inputs.starts.empty() ? Value() : inputs.starts[0];
    for (int64_t half : {0, 1}) {
      Value codes = v.loadFour(
          words, v.add(v.add(place[0], v.mul(block, 8)), 4 * half), 2);
      for (auto [i, part] :
           llvm::enumerate(lowParts(v, v.named(codes, "codes")))) {
        Value x = inputs.x[4 * half + static_cast<int64_t>(i)];
        sum = sum ? v.fma(part, x, sum) : v.mulf(part, x);
      }
    }
    Value group = format.isPerChannel() ? v.index(0)
                                        : v.div(block, format.getGroup() / 32);
    Value scaleAt = v.add(v.add(place[0], cols / 4), group);
    Value scale = v.named(v.loadNumber(halves, scaleAt), "scale");
    sums[0] = v.fma(sum, v.splatF(scale), sums[0]);
    int64_t groups = format.isPerChannel() ? 1 : cols / format.getGroup();
    if (format.getZeroPoint() == ZeroPointKind::Integer) {
      Value at = v.add(v.add(v.mul(place[0], 2), cols / 2 + 2 * groups), group);
      Value zero = v.unsignedToFloat(v.loadOne(bytes, at));
      sums[1] = v.fma(v.mulf(zero, scale), inputs.sums[0], sums[1]);
    } else if (format.getZeroPoint() == ZeroPointKind::Float) {
      Value zero = v.loadNumber(halves, v.add(scaleAt, groups));
      sums[1] = v.fma(v.negf(zero), inputs.sums[0], sums[1]);
    }
    return sums;
  }

private:
  AffineFormatAttr format;
  int64_t cols;
  Value bytes;
};

} // namespace

std::unique_ptr<RowDecoder>
headrace::simt::createAffineDecoder(PackedType weight) {
  auto format = cast<AffineFormatAttr>(weight.getFormat());
  // Rows of whole words, and lanes with columns of one group.
  bool words = format.getBlockRowBytes(weight.getCols()) % 2 == 0 &&
               format.getScale() != ScaleKind::F32;
  bool groups = weight.getCols() % 32 == 0 &&
                (format.isPerChannel() || format.getGroup() % 32 == 0);
  if (format.getBits() != 4 || format.getActOrder() || !words || !groups)
    return nullptr;
  return std::make_unique<AffineDecoder>(weight, format);
}
