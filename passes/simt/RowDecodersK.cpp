//===- RowDecodersK.cpp - GGUF's blocks of 256 columns --------------------===//

#include "passes/simt/KScales.h"
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
  /// Blocks are at multiples of 16 bytes: words of 32 bits are the unit.
  explicit FourBitK(PackedType weight) : KQuantDecoder(weight) {
    rowWords /= 2;
    blockWords /= 2;
  }
  bool hasOffsets() const override { return true; }

  void open(SimtBuilder &v, Value bytes, Value which) override {
    KQuantDecoder::open(v, bytes, which);
    doubles = v.viewAs(bytes, v.i32());
    chunk = v.div(lane, 2);
    numbers.open(v, chunk);
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
    Value header = v.named(v.loadFour(doubles, at, 16), "header");
    Value codes = v.named(
        v.loadFour(doubles, v.add(v.add(at, 4), v.mul(lane, 4)), 16), "codes");
    Value both = v.extF(v.cast(v.shuffle(header, {0}), 2, v.b.getF16Type()));
    v.named(both, "scale");
    Value scales = numbers.scales(v, header);
    Value minimums = numbers.minimums(v, header);
    Value offset;
    for (int64_t group : {0, 1}) {
      Value sum;
      for (int64_t i = 0; i < 4; ++i) {
        Value half = v.shuffle(codes, {i / 2 * 2, i / 2 * 2 + 1});
        Value four = v.cast(half, 4, v.i16());
        int64_t mask = kNibbleMasks[2 * group + i % 2];
        Value weights = v.unsignedToFloat(v.andI(four, mask));
        Value x = inputs.x[4 * group + i];
        sum = sum ? v.fma(weights, x, sum) : v.mulf(weights, x);
      }
      Value scale = v.mulf(v.extract(both, 0), v.extract(scales, group));
      sums[0] = v.fma(sum, v.splatF(scale), sums[0]);
      Value minimum = v.extract(minimums, group), x = inputs.sums[group];
      offset = offset ? v.fma(minimum, x, offset) : v.mulf(minimum, x);
    }
    sums[1] = v.fma(v.extract(both, 1), offset, sums[1]);
    return sums;
  }

private:
  Value doubles, chunk;
  KScales numbers;
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
