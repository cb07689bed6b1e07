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

/// q4_0: | f16 | 16 bytes of nibbles |, of which a lane has eight.
class NibbleDecoder : public SmallDecoder {
public:
  using SmallDecoder::SmallDecoder;

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value low = v.add(v.mul(block, 32), v.mul(lane, 8));
    Value sum;
    auto [evenLow, oddLow] = eightColumns(v, x, low, sum);
    auto [evenHigh, oddHigh] = eightColumns(v, x, v.add(low, 16), sum);
    LaneInputs inputs;
    // A word has the columns 2i, 16 + 2i, 2i + 1 and 16 + 2i + 1.
    inputs.x = lowPartInputs(v, {evenLow, evenHigh, oddLow, oddHigh});
    inputs.starts.push_back(v.scale(sum, -8));
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value at = blockAt(v, place, block);
    Value codes = v.loadFour(words, v.add(v.add(at, 1), v.mul(lane, 4)), 2);
    Value sum = inputs.starts[0];
    for (auto [part, x] :
         llvm::zip(lowParts(v, v.named(codes, "codes")), inputs.x))
      sum = v.fma(part, x, sum);
    return scaled(v, sum, scaleAt(v, at), sums);
  }
};

/// q5_0: | f16 | fifth bits u32 | 16 bytes of nibbles |, of which a lane has
/// eight, and two bytes of fifth bits.
class FiveBitDecoder : public SmallDecoder {
public:
  using SmallDecoder::SmallDecoder;

  void open(SimtBuilder &v, Value bytes, Value which) override {
    SmallDecoder::open(v, bytes, which);
    shift = v.broadcast(v.toI16(v.mul(which, 8)), 2);
  }

  LaneInputs inputs(SimtBuilder &v, Value x, Value block) const override {
    Value low = v.add(v.mul(block, 32), v.mul(lane, 8));
    LaneInputs inputs;
    Value sum;
    nibbleInputs(v, x, low, 1, inputs.x, sum);
    nibbleInputs(v, x, v.add(low, 16), 1, inputs.x, sum);
    inputs.starts.push_back(v.scale(sum, -16));
    return inputs;
  }

  LaneSums multiply(SimtBuilder &v, const LaneInputs &inputs,
                    const RowPlace &place, Value block,
                    LaneSums sums) const override {
    Value at = blockAt(v, place, block);
    Value codes = v.loadFour(words, v.add(v.add(at, 3), v.mul(lane, 4)), 2);
    Value nibbles[2] = {v.named(codes, "codes"), v.shr(codes, 4)};
    // The bits of this lane's columns, at the bottom of both words.
    Value fifth = v.shr(v.load(words, v.add(at, 1), 2), shift);
    fifth = v.named(v.andI(fifth, 0x00FF), "fifth");
    Value sum = inputs.starts[0];
    for (int64_t half : {0, 1}) {
      Value bits = spread(v, v.extract(fifth, half));
      for (int64_t odd : {0, 1}) {
        Value code = v.orI(v.andI(nibbles[half], odd ? 0x0F00 : 0x000F),
                           v.andI(bits, odd ? 0x1000 : 0x0010));
        sum = v.fma(v.unsignedToFloat(code), inputs.x[2 * half + odd], sum);
      }
    }
    return scaled(v, sum, scaleAt(v, at), sums);
  }

private:
  /// Eight bits as four words, with bit 2i above the low nibble of word i and
  /// bit 2i + 1 above the third one.
  Value spread(SimtBuilder &v, Value bits) const {
    Value wide = arith::ExtUIOp::create(v.b, v.loc, v.i32(), bits);
    Value both = v.orI(v.shl(wide, 4), v.shl(wide, 11));
    Value words = v.shr(v.splat4(both), v.vectorI32({0, 2, 4, 6}));
    return arith::TruncIOp::create(v.b, v.loc, v.vec(4, v.i16()), words);
  }

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
    return std::make_unique<NibbleDecoder>(weight);
  case GgufKind::Q5_0:
    return std::make_unique<FiveBitDecoder>(weight);
  case GgufKind::Q8_0:
    return std::make_unique<ByteDecoder>(weight);
  default:
    return nullptr;
  }
}
