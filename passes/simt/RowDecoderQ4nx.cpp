//===- RowDecoderQ4nx.cpp - blocks of 32 rows and 256 columns -------------===//

#include "passes/simt/RowDecoder.h"

using namespace mlir;
using namespace headrace::simt;
using headrace::qlinear::PackedType;

namespace {

/// A block: | 256 bf16 scales | 256 bf16 minimums | two halves of 16 rows |. A
/// half has eight bytes for each column, a scale and a minimum are of a row and
/// 32 columns. So a lane takes 16 rows of every fourth column of a group: what
/// four lanes load lies together, and scales serve eight columns.
class Q4nxDecoder : public RowDecoder {
  static constexpr int64_t kBlockWords = 2560, kMinimumsAt = 256,
                           kCodesAt = 512, kHalfWords = 1024;

public:
  explicit Q4nxDecoder(PackedType weight)
      : stripWords(weight.getPaddedCols() / 256 * kBlockWords) {}

  int64_t blockCols() const override { return 32; }
  int64_t blockLanes() const override { return 4; }
  int64_t unitRows() const override { return 16; }
  Tiling tiling() const override { return {16, 2}; }

  void open(SimtBuilder &v, Value bytes, Value which) override {
    words = v.viewAs(bytes, v.i16());
    lane = which;
  }

  /// The strip of 32 rows, and which of its halves.
  RowPlace place(SimtBuilder &v, Value row) const override {
    return {v.mul(v.div(row, 32), stripWords), v.div(v.rem(row, 32), 16)};
  }

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value first = v.add(v.mul(block, 32), lane), sum;
    LaneInputs inputs;
    for (int64_t col = 0; col < 32; col += 4) {
      Value number = v.loadOne(x, v.add(first, col));
      sum = sum ? v.addf(sum, number) : number;
      inputs.x.push_back(v.splatF(number));
    }
    inputs.sums.push_back(v.splatF(sum));
    return inputs;
  }

  LaneSums zeros(SimtBuilder &v) const override {
    return LaneSums(4, v.zeros());
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    // `block` counts groups of 32 columns, of which a block has eight.
    Value start = v.add(place[0], v.mul(v.div(block, 8), kBlockWords));
    Value group = v.rem(block, 8);
    Value numbers = v.add(start, v.add(v.mul(group, 32), v.mul(place[1], 16)));
    Value codesAt = v.add(v.add(start, v.mul(place[1], kHalfWords)),
                          v.add(v.mul(group, 128), v.mul(lane, 4)));
    // The nibbles of a word are of four rows; parts of words are of several.
    LaneSums products(4);
    for (auto [i, x] : llvm::enumerate(inputs.x)) {
      int64_t offset = kCodesAt + 16 * static_cast<int64_t>(i);
      Value codes = v.loadFour(words, v.add(codesAt, offset), 8);
      for (auto [part, product] :
           llvm::zip(lowParts(v, v.named(codes, "codes")), products))
        product = product ? v.fma(part, x, product) : v.mulf(part, x);
    }
    SmallVector<Value> scales = rowNumbers(v, numbers, "scales");
    SmallVector<Value> minimums =
        rowNumbers(v, v.add(numbers, kMinimumsAt), "minimums");
    for (int64_t nibble = 0; nibble < 4; ++nibble) {
      double place = 1.0 / static_cast<double>(1 << (4 * nibble));
      sums[nibble] = v.fma(minimums[nibble], inputs.sums[0], sums[nibble]);
      Value own =
          nibble ? v.subf(products[nibble], products[nibble - 1]) : products[0];
      sums[nibble] = v.fma(v.scale(own, place), scales[nibble], sums[nibble]);
    }
    return sums;
  }

  LaneSums finish(SimtBuilder &v, const LaneSums &sums) const override {
    LaneSums rows;
    for (int64_t row = 0; row < 16; ++row)
      rows.push_back(v.extract(sums[row % 4], row / 4));
    return rows;
  }

private:
  /// The 16 bf16 from `at` on, as f32 in the order of the masks.
  SmallVector<Value> rowNumbers(SimtBuilder &v, Value at,
                                StringRef name) const {
    SmallVector<Value> inOrder, byMask;
    for (int64_t row = 0; row < 16; row += 4) {
      Value bits = v.extU(v.loadFour(words, v.add(at, row), 8), v.i32());
      Value numbers = v.cast(v.shl(bits, 16), 4, v.f32());
      inOrder.push_back(v.named(numbers, name));
    }
    for (int64_t nibble = 0; nibble < 4; ++nibble) {
      SmallVector<Value> rows;
      for (Value numbers : inOrder)
        rows.push_back(v.extract(numbers, nibble));
      byMask.push_back(v.fromElements(rows));
    }
    return byMask;
  }

  int64_t stripWords;
  Value words, lane;
};

} // namespace

std::unique_ptr<RowDecoder>
headrace::simt::createQ4nxDecoder(PackedType weight) {
  return std::make_unique<Q4nxDecoder>(weight);
}
