//===- RowDecodersSmall.cpp - GGUF's blocks of 32 columns -----------------===//

#include "passes/simt/RowDecoder.h"

using namespace mlir;
using namespace headrace::simt;
using headrace::qlinear::GgufKind;
using headrace::qlinear::PackedType;

namespace {

/// A block of 32 columns that starts with its f16 scale. Two lanes share it.
class SmallDecoder : public WordDecoder {
public:
  using WordDecoder::WordDecoder;
  int64_t blockCols() const override { return 32; }
  int64_t blockLanes() const override { return 2; }
  Tiling tiling() const override { return {4, 2}; }

protected:
  /// `sums` with those of a block, times its scale.
  LaneSums scaled(SimtBuilder &v, Value sum, Value scale, LaneSums sums) const {
    sums[0] = v.fma(sum, v.splatF(scale), sums[0]);
    return sums;
  }
  Value scaleAt(SimtBuilder &v, Value at) const {
    return v.named(v.loadNumber(halves, at), "scale");
  }
};

/// Blocks that end with 16 bytes of nibbles, of which a lane has eight.
class NibbleDecoder : public SmallDecoder {
public:
  NibbleDecoder(PackedType weight, int64_t codesAt, double zero)
      : SmallDecoder(weight), codesAt(codesAt), zero(zero) {}

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value low = v.add(v.mul(block, 32), v.mul(lane, 8));
    LaneInputs inputs;
    Value sum;
    nibbleInputs(v, x, low, 1, inputs.x, sum);
    nibbleInputs(v, x, v.add(low, 16), 0x1p-4, inputs.x, sum);
    inputs.starts.push_back(v.scale(sum, -zero));
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value at = blockAt(v, place, block);
    Value sum = multiplyNibbles(v, inputs, at);
    return scaled(v, sum, scaleAt(v, at), sums);
  }

protected:
  /// The sum of what the nibbles of a block yield, from its start on.
  Value multiplyNibbles(SimtBuilder &v, const LaneInputs &inputs,
                        Value at) const {
    Value codes =
        v.loadFour(words, v.add(v.add(at, codesAt), v.mul(lane, 4)), 2);
    v.named(codes, "codes");
    Value sum = inputs.starts[0];
    for (auto [mask, x] : llvm::zip(kNibbleMasks, inputs.x))
      sum = v.fma(v.unsignedToFloat(v.andI(codes, mask)), x, sum);
    return sum;
  }

  int64_t codesAt;
  double zero;
};

/// q5_0: | f16 | fifth bits u32 | 16 bytes of nibbles |
class FiveBitDecoder : public NibbleDecoder {
public:
  explicit FiveBitDecoder(PackedType weight) : NibbleDecoder(weight, 3, 16) {}

  void open(SimtBuilder &v, Value bytes, Value which) override {
    NibbleDecoder::open(v, bytes, which);
    Value bits = v.toI16(v.mul(which, 8));
    shift = v.broadcast(bits, 2);
  }

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    LaneInputs inputs = NibbleDecoder::inputs(v, x, block);
    // A fifth bit is 16 where it lies at 2^0, 8 at 2^1, and so on: those of
    // even and odd columns, of the first and the second half of the block.
    Value even = v.powers(4, -2), odd = v.powers(3, -2);
    for (int64_t i : {0, 1, 2, 3}) {
      // `nibbleInputs` has scaled the columns already.
      double undo = i == 0 ? 1 : i == 1 ? 0x1p8 : i == 2 ? 0x1p4 : 0x1p12;
      inputs.x.push_back(
          v.mulf(v.scale(inputs.x[i], undo), i % 2 ? odd : even));
    }
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value at = blockAt(v, place, block);
    Value sum = multiplyNibbles(v, inputs, at);
    // The bits of this lane's columns, at the bottom of both words.
    Value fifth = v.shr(v.load(words, v.add(at, 1), 2), shift);
    v.named(fifth, "fifth");
    Value even = v.vectorI16({1, 4, 16, 64}),
          odd = v.vectorI16({2, 8, 32, 128});
    for (int64_t i : {0, 1, 2, 3}) {
      Value bits = v.splat4(v.extract(fifth, i / 2));
      Value bit = v.andI(bits, i % 2 ? odd : even);
      sum = v.fma(v.unsignedToFloat(bit), inputs.x[4 + i], sum);
    }
    return scaled(v, sum, scaleAt(v, at), sums);
  }

private:
  Value shift;
};

/// q8_0: | f16 | 32 int8 |, of which a lane has 16.
class ByteDecoder : public SmallDecoder {
public:
  using SmallDecoder::SmallDecoder;

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value first = v.add(v.mul(block, 32), v.mul(lane, 16));
    LaneInputs inputs;
    for (int64_t col = 0; col < 16; col += 4)
      inputs.x.push_back(v.loadFour(x, v.add(first, col), 16));
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value at = blockAt(v, place, block);
    Value first = v.add(v.add(at, 1), v.mul(lane, 8)), sum;
    for (int64_t half : {0, 1}) {
      Value codes = v.loadFour(words, v.add(first, 4 * half), 2);
      v.named(codes, "codes");
      for (int64_t pair : {0, 1}) {
        Value bytes =
            v.cast(v.shuffle(codes, {2 * pair, 2 * pair + 1}), 4, v.i8());
        Value x = inputs.x[2 * half + pair], weights = v.toFloat(bytes);
        sum = sum ? v.fma(weights, x, sum) : v.mulf(weights, x);
      }
    }
    return scaled(v, sum, scaleAt(v, at), sums);
  }
};

} // namespace

std::unique_ptr<RowDecoder>
headrace::simt::createSmallDecoder(GgufKind kind, PackedType weight) {
  switch (kind) {
  case GgufKind::Q4_0:
    return std::make_unique<NibbleDecoder>(weight, 1, 8);
  case GgufKind::Q5_0:
    return std::make_unique<FiveBitDecoder>(weight);
  case GgufKind::Q8_0:
    return std::make_unique<ByteDecoder>(weight);
  default:
    return nullptr;
  }
}
