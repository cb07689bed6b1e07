//===- RowDecodersK.cpp - GGUF's blocks of 256 columns --------------------===//

#include "passes/simt/RowDecoder.h"

using namespace mlir;
using namespace headrace::simt;
using headrace::qlinear::GgufKind;
using headrace::qlinear::PackedType;

namespace {

/// Eight lanes share a block of 256 columns.
class KQuantDecoder : public WordDecoder {
public:
  using WordDecoder::WordDecoder;
  int64_t blockCols() const override { return 256; }
  int64_t blockLanes() const override { return 8; }
  Tiling tiling() const override { return {2, 2}; }
};

/// q4_k: | f16 scale, f16 minimum | 12 bytes of scales | 128 bytes |. Of the
/// four chunks of 32 bytes, whose low and high nibbles are groups of 32
/// columns, a lane has half of one: 16 columns of two groups.
class FourBitK : public KQuantDecoder {
public:
  using KQuantDecoder::KQuantDecoder;
  bool hasOffsets() const override { return true; }

  void open(SimtBuilder &v, Value bytes, Value which) override {
    KQuantDecoder::open(v, bytes, which);
    chunk = v.div(lane, 2);
    pair = v.rem(chunk, 2);
    isUpper = v.notLess(chunk, 2);
  }

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value first = v.add(v.mul(block, 256),
                        v.add(v.mul(chunk, 64), v.mul(v.rem(lane, 2), 16)));
    LaneInputs inputs;
    // Scales and minimums of the second group are read as 2^8 times theirs.
    for (auto [start, factor, other] :
         {std::tuple(int64_t(0), 0x1p0, 0x1p0),
          std::tuple(int64_t(32), 0x1p-12, 0x1p-8)}) {
      Value sum;
      for (int64_t col : {0, 8})
        nibbleInputs(v, x, v.add(first, start + col), factor, inputs.x, sum);
      inputs.sums.push_back(v.scale(v.sum(sum), other));
    }
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value at = blockAt(v, place, block);
    Value both = v.named(v.extF(v.loadAligned(halves, at, 2)), "scale");
    auto [scales, minimums] = groupNumbers(v, at);
    Value codesAt = v.add(v.add(at, 8), v.mul(lane, 8));
    Value codes[2];
    for (int64_t half : {0, 1})
      codes[half] =
          v.named(v.loadFour(words, v.add(codesAt, 4 * half), 8), "codes");
    Value offset;
    for (int64_t group : {0, 1}) {
      Value sum;
      for (int64_t i = 0; i < 4; ++i) {
        int64_t mask = kNibbleMasks[2 * group + i % 2];
        Value weights = v.unsignedToFloat(v.andI(codes[i / 2], mask));
        Value x = inputs.x[4 * group + i];
        sum = sum ? v.fma(weights, x, sum) : v.mulf(weights, x);
      }
      Value scale = v.mulf(v.extract(both, 0), v.extract(scales, group));
      sums[0] = v.fma(sum, v.splatF(scale), sums[0]);
      Value minimum = v.extract(minimums, group);
      Value x = inputs.sums[group];
      offset = offset ? v.fma(minimum, x, offset) : v.mulf(minimum, x);
    }
    sums[1] = v.fma(v.extract(both, 1), offset, sums[1]);
    return sums;
  }

private:
  /// Scales and minimums of the two groups, f32 x 2, the second times 2^8. They
  /// have six bits, two in a word: those of the upper four groups lie in other
  /// words than the two upper bits of theirs.
  std::pair<Value, Value> groupNumbers(SimtBuilder &v, Value at) const {
    Value first = v.add(v.add(at, 2), pair);
    auto word = [&](int64_t number) {
      return v.loadOne(words, v.add(first, 2 * number));
    };
    Value low = word(0), minimum = word(1), high = word(2);
    auto joined = [&](Value nibbles, Value upper) {
      return v.orI(v.andI(nibbles, 0x0F0F), v.shr(v.andI(upper, 0xC0C0), 2));
    };
    auto numbers = [&](Value lower, Value upper) {
      Value both = v.select(isUpper, upper, v.andI(lower, 0x3F3F));
      Value bytes = v.andI(v.broadcast(both, 2),
                           v.vectorI16({0x00FF, static_cast<int16_t>(0xFF00)}));
      return v.unsignedToFloat(bytes);
    };
    return {
        v.named(numbers(low, joined(high, low)), "scales"),
        v.named(numbers(minimum, joined(v.shr(high, 4), minimum)), "minimums")};
  }

  Value chunk, pair, isUpper;
};

/// q6_k: | 128 bytes of nibbles | 64 of upper bits | 16 int8 scales | f16 |. Of
/// a half of 128 columns, a lane has eight columns of each quarter.
class SixBitK : public KQuantDecoder {
public:
  using KQuantDecoder::KQuantDecoder;

  void open(SimtBuilder &v, Value bytes, Value which) override {
    KQuantDecoder::open(v, bytes, which);
    half = v.div(lane, 4);
    part = v.rem(lane, 4);
    // The scales of a quarter are two bytes of a word; this brings the lane's
    // to the top.
    Value isFirst = v.sub(v.index(1), v.div(part, 2));
    shift = v.splat4(v.toI16(v.mul(isFirst, 8)));
  }

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value first =
        v.add(v.mul(block, 256), v.add(v.mul(half, 128), v.mul(part, 8)));
    LaneInputs inputs;
    for (int64_t quarter = 0; quarter < 4; ++quarter) {
      Value sum;
      // Scales are read as 2^8 times theirs.
      nibbleInputs(v, x, v.add(first, 32 * quarter), 0x1p-8, inputs.x, sum);
      inputs.starts.push_back(v.scale(sum, -32 * 0x1p-8));
    }
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value at = blockAt(v, place, block);
    auto words32 = [&](int64_t first, int64_t perHalf) {
      Value start = v.add(v.add(at, first), v.mul(half, perHalf));
      Value codes = v.loadFour(words, v.add(start, v.mul(part, 4)), 2);
      return v.cast(v.named(codes, "codes"), 2, v.i32());
    };
    // Sixteen codes of two quarters in each, and two bits for each of four.
    Value nibbles[2] = {words32(0, 32), words32(16, 32)};
    Value upper = words32(64, 16);
    Value scales = v.loadFour(words, v.add(v.add(at, 96), v.mul(half, 4)), 2);
    scales = v.toFloat(v.andI(v.shl(scales, shift), 0xFF00));
    Value scale = v.named(v.loadNumber(halves, v.add(at, 104)), "scale");
    scales = v.named(v.mulf(scales, v.splatF(scale)), "scales");
    for (int64_t quarter = 0; quarter < 4; ++quarter) {
      Value low =
          v.andI(v.shr(nibbles[quarter % 2], quarter < 2 ? 0 : 4), 0x0F0F0F0F);
      // Bits 0 and 1, 2 and 3, ... of a byte become 4 and 5.
      int64_t left = 4 - 2 * quarter;
      Value high = left > 0 ? v.shl(upper, left) : v.shr(upper, -left);
      Value codes = v.cast(v.orI(low, v.andI(high, 0x30303030)), 4, v.i16());
      Value sum = inputs.starts[quarter];
      for (int64_t odd : {0, 1}) {
        Value weights = v.unsignedToFloat(v.andI(codes, odd ? 0xFF00 : 0x00FF));
        sum = v.fma(weights, inputs.x[2 * quarter + odd], sum);
      }
      sums[0] = v.fma(sum, v.splatF(v.extract(scales, quarter)), sums[0]);
    }
    return sums;
  }

private:
  Value half, part, shift;
};

} // namespace

std::unique_ptr<RowDecoder>
headrace::simt::createKQuantDecoder(GgufKind kind, PackedType weight) {
  switch (kind) {
  case GgufKind::Q4_K:
    return std::make_unique<FourBitK>(weight);
  case GgufKind::Q6_K:
    return std::make_unique<SixBitK>(weight);
  default:
    return nullptr;
  }
}
