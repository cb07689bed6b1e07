//===- ColumnDecoder.cpp - a column of zigzag weights, lane by lane -------===//

#include "passes/simt/ColumnDecoder.h"

#include "passes/simt/KScales.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qlinear;
using Values = SmallVector<Value>;

namespace {

/// Four bytes of codes as f32 x 4.
Value bytesToFloat(SimtBuilder &v, Value word) {
  return v.unsignedToFloat(v.cast(v.broadcast(word, 1), 4, v.i8()));
}

/// The nibbles of a word: the low ones, and the high ones times 16, as masks
/// leave them.
std::pair<Value, Value> nibbles(SimtBuilder &v, Value word) {
  return {bytesToFloat(v, v.andI(word, 0x0F0F0F0F)),
          bytesToFloat(v, v.andI(word, 0xF0F0F0F0))};
}

/// q4_k: | f16 scale, f16 minimum | 12 bytes of scales | 128 bytes |. A lane
/// has four bytes: four rows in each of the two groups of a chunk.
class FourBitKColumns : public ColumnDecoder {
public:
  void open(SimtBuilder &v, Value bytes, Value lane) override {
    words = v.viewAs(bytes, v.i32());
    this->lane = lane;
    Value chunk = v.div(lane, 8);
    numbers.open(v, chunk);
    row = v.add(v.mul(chunk, 64), v.mul(v.rem(lane, 8), 4));
    v.named(row, "row");
  }
  Values zeros(SimtBuilder &v) const override {
    return {v.zeros(), v.zeros(), v.constF(0), v.constF(0)};
  }

  Values multiply(SimtBuilder &v, Value slice, Value x,
                  ValueRange sums) const override {
    Value at = v.named(v.mul(slice, 36), "at");
    Value header = v.named(v.loadFour(words, at, 16), "header");
    Value codes = v.loadOne(words, v.add(v.add(at, 4), lane));
    auto [low, high] = nibbles(v, v.named(codes, "codes"));
    Value both = v.extF(v.cast(v.shuffle(header, {0}), 2, v.b.getF16Type()));
    both = v.named(v.mulf(both, v.broadcast(x, 2)), "scale");
    Value scale = v.extract(both, 0), minimum = v.extract(both, 1);
    Value scales = numbers.scales(v, header);
    Value minimums = numbers.minimums(v, header);
    // Numbers of the second group are 2^8 times theirs, and its codes 2^4.
    Value first = v.mulf(scale, v.extract(scales, 0));
    Value second = v.scale(v.mulf(scale, v.extract(scales, 1)), 0x1p-12);
    return {v.fma(low, v.splatF(first), sums[0]),
            v.fma(high, v.splatF(second), sums[1]),
            v.fma(minimum, v.extract(minimums, 0), sums[2]),
            v.fma(minimum, v.extract(minimums, 1), sums[3])};
  }

  SmallVector<LaneRows> finish(SimtBuilder &v, ValueRange sums) const override {
    Value upper = v.scale(sums[3], 0x1p-8);
    return {{row, v.subf(sums[0], v.splatF(sums[2]))},
            {v.add(row, 32), v.subf(sums[1], v.splatF(upper))}};
  }

private:
  Value words, lane, row;
  KScales numbers;
};

/// Blocks of 32 rows that start with their f16 scale; four lanes share one.
class SmallColumns : public ColumnDecoder {
public:
  SmallColumns(int64_t rows, int64_t blockWords)
      : sliceWords(rows / 32 * blockWords), blockWords(blockWords) {}

  void open(SimtBuilder &v, Value bytes, Value lane) override {
    words = v.viewAs(bytes, v.i16());
    halves = v.viewAs(bytes, v.b.getF16Type());
    Value block = v.div(lane, 4);
    part = v.rem(lane, 4);
    start = v.mul(block, blockWords);
    row = v.mul(block, 32);
  }

protected:
  Value blockAt(SimtBuilder &v, Value slice) const {
    return v.named(v.add(v.mul(slice, sliceWords), start), "at");
  }
  Value scaleAt(SimtBuilder &v, Value at, Value x) const {
    return v.named(v.mulf(v.loadNumber(halves, at), x), "scale");
  }
  /// Four bytes of codes: two words from `at` on.
  Value codesAt(SimtBuilder &v, Value at) const {
    Value pair =
        vector::LoadOp::create(v.b, v.loc, v.vec(2, v.i16()), words, at,
                               /*nontemporal=*/false, llvm::MaybeAlign(2));
    return v.named(pair, "codes");
  }

  int64_t sliceWords, blockWords;
  Value words, halves, part, start, row;
};

/// q4_0: | f16 | 16 bytes of nibbles |, four of them a lane's.
class NibbleColumns : public SmallColumns {
public:
  explicit NibbleColumns(int64_t rows) : SmallColumns(rows, 9) {}

  Values zeros(SimtBuilder &v) const override {
    return {v.zeros(), v.zeros(), v.constF(0)};
  }
  Values multiply(SimtBuilder &v, Value slice, Value x,
                  ValueRange sums) const override {
    Value at = blockAt(v, slice);
    Value codes = codesAt(v, v.add(v.add(at, 1), v.mul(part, 2)));
    auto [low, high] = nibbles(v, v.extract(v.cast(codes, 1, v.i32()), 0));
    Value scale = scaleAt(v, at, x);
    return {v.fma(low, v.splatF(scale), sums[0]),
            v.fma(high, v.splatF(v.scale(scale, 0x1p-4)), sums[1]),
            v.addf(sums[2], scale)};
  }
  SmallVector<LaneRows> finish(SimtBuilder &v, ValueRange sums) const override {
    Value zero = v.splatF(v.scale(sums[2], 8));
    Value first = v.add(row, v.mul(part, 4));
    return {{first, v.subf(sums[0], zero)},
            {v.add(first, 16), v.subf(sums[1], zero)}};
  }
};

/// q8_0: | f16 | 32 bytes |, eight of them a lane's.
class ByteColumns : public SmallColumns {
public:
  explicit ByteColumns(int64_t rows) : SmallColumns(rows, 17) {}

  Values zeros(SimtBuilder &v) const override { return {v.zeros(), v.zeros()}; }
  Values multiply(SimtBuilder &v, Value slice, Value x,
                  ValueRange sums) const override {
    Value at = blockAt(v, slice);
    Value scale = v.splatF(scaleAt(v, at, x));
    Values next;
    for (auto [four, sum] : llvm::enumerate(sums)) {
      int64_t word = 1 + 2 * static_cast<int64_t>(four);
      Value codes = codesAt(v, v.add(v.add(at, word), v.mul(part, 4)));
      next.push_back(v.fma(v.toFloat(v.cast(codes, 4, v.i8())), scale, sum));
    }
    return next;
  }
  SmallVector<LaneRows> finish(SimtBuilder &v, ValueRange sums) const override {
    Value first = v.add(row, v.mul(part, 8));
    return {{first, sums[0]}, {v.add(first, 4), sums[1]}};
  }
};

/// q6_k: | 128 bytes of nibbles | 64 of upper bits | 16 int8 scales | f16 |. Of
/// a half of 128 rows, a lane has two rows of each quarter.
class SixBitKColumns : public ColumnDecoder {
public:
  void open(SimtBuilder &v, Value bytes, Value lane) override {
    words = v.viewAs(bytes, v.i16());
    halves = v.viewAs(bytes, v.b.getF16Type());
    half = v.div(lane, 16);
    part = v.rem(lane, 16);
    // The scales of a quarter are two bytes of a word; this brings the lane's
    // to the top.
    Value isFirst = v.sub(v.index(1), v.div(part, 8));
    shift = v.splat4(v.toI16(v.mul(isFirst, 8)));
  }
  Values zeros(SimtBuilder &v) const override {
    Value zero = v.splat(v.vec(2, v.f32()), 0);
    return {zero, zero, zero, zero};
  }

  Values multiply(SimtBuilder &v, Value slice, Value x,
                  ValueRange sums) const override {
    Value at = v.named(v.mul(slice, 105), "at");
    auto word = [&](int64_t first, int64_t perHalf) {
      Value start = v.add(v.add(at, first), v.mul(half, perHalf));
      return v.named(v.load(words, v.add(start, part), 1), "codes");
    };
    Value low[2] = {word(0, 32), word(16, 32)}, upper = word(64, 16);
    Value scales = v.loadFour(words, v.add(v.add(at, 96), v.mul(half, 4)), 2);
    // 2^8 times the scales.
    scales = v.toFloat(v.andI(v.shl(scales, shift), 0xFF00));
    Value scale = v.mulf(v.loadNumber(halves, v.add(at, 104)), x);
    scale = v.named(v.scale(scale, 0x1p-8), "scale");
    scales = v.named(v.mulf(scales, v.splatF(scale)), "scales");
    Values next;
    for (int64_t quarter = 0; quarter < 4; ++quarter) {
      Value nibble =
          v.andI(v.shr(low[quarter % 2], quarter < 2 ? 0 : 4), 0x0F0F);
      // Bits 0 and 1, 2 and 3, ... of a byte become 4 and 5.
      int64_t left = 4 - 2 * quarter;
      Value high = left > 0 ? v.shl(upper, left) : v.shr(upper, -left);
      Value codes = v.cast(v.orI(nibble, v.andI(high, 0x3030)), 2, v.i8());
      Value weights =
          v.subf(v.unsignedToFloat(codes), v.splat(v.vec(2, v.f32()), 32));
      Value pair = v.broadcast(v.extract(scales, quarter), 2);
      next.push_back(v.fma(weights, pair, sums[quarter]));
    }
    return next;
  }
  SmallVector<LaneRows> finish(SimtBuilder &v, ValueRange sums) const override {
    Value first = v.add(v.mul(half, 128), v.mul(part, 2));
    SmallVector<LaneRows> rows;
    for (auto [quarter, sum] : llvm::enumerate(sums))
      rows.push_back({v.add(first, 32 * static_cast<int64_t>(quarter)), sum});
    return rows;
  }

private:
  Value words, halves, half, part, shift;
};

} // namespace

/// The format of the blocks of a zigzag weight, if it is one of GGUF's.
static std::optional<GgufKind> innerKind(PackedType weight) {
  auto zigzag = dyn_cast<ZigzagFormatAttr>(weight.getFormat());
  if (!zigzag)
    return std::nullopt;
  auto inner = dyn_cast<GgufFormatAttr>(zigzag.getFormat());
  return inner ? std::optional(inner.getKind()) : std::nullopt;
}

int64_t headrace::simt::sliceRows(PackedType weight) {
  std::optional<GgufKind> kind = innerKind(weight);
  if (!kind)
    return 0;
  int64_t band = cast<ZigzagFormatAttr>(weight.getFormat()).getBand();
  bool small = *kind == GgufKind::Q4_0 || *kind == GgufKind::Q8_0;
  if (!small && *kind != GgufKind::Q4_K && *kind != GgufKind::Q6_K)
    return 0;
  if (band % 256 == 0)
    return 256;
  return small && band % 128 == 0 ? 128 : 0;
}

int64_t headrace::simt::leastRows(PackedType weight) {
  // Lanes of q6_k have two rows of each 32 of a half of the slice.
  return innerKind(weight) == GgufKind::Q6_K ? 128 : 64;
}

std::unique_ptr<ColumnDecoder> ColumnDecoder::create(PackedType weight) {
  int64_t rows = sliceRows(weight);
  if (!rows)
    return nullptr;
  switch (*innerKind(weight)) {
  case GgufKind::Q4_K:
    return std::make_unique<FourBitKColumns>();
  case GgufKind::Q6_K:
    return std::make_unique<SixBitKColumns>();
  case GgufKind::Q4_0:
    return std::make_unique<NibbleColumns>(rows);
  default:
    return std::make_unique<ByteColumns>(rows);
  }
}
