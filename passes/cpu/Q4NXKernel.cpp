//===- Q4NXKernel.cpp - products with q4nx blocks -------------------------===//
//
// A block is 32 rows by 256 columns in two strips of 16 rows. 8 bytes of a
// strip are one column, a row in each nibble (low: the even row), so lanes run
// along rows: even rows and odd rows have sums of their own.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/ProductKernel.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

namespace {

constexpr int64_t kStrips = 2;
constexpr int64_t kBlockCols = 256;
constexpr int64_t kBlockBytes = 5120;

class Q4NXKernel : public ProductKernel {
public:
  Q4NXKernel(PackedType weight, DotKind dot) : weight(weight), dot(dot) {}

  int64_t unitRows() const override { return 32; }
  int64_t unitTokens() const override { return dot == DotKind::Vnni ? 4 : 2; }

  SmallVector<SmallVector<Value>> compute(VectorBuilder &v, Value bytes,
                                          const Activations &x, Value row,
                                          Value token,
                                          int64_t tokens) const override {
    SmallVector<Value> tokenIndices;
    for (int64_t t = 0; t < tokens; ++t)
      tokenIndices.push_back(v.add(token, t));
    // A row index times this is the byte index of its row of blocks.
    Value base = v.mul(row, weight.getBlockRowBytes() / unitRows());
    int64_t whole = weight.getCols() / kBlockCols;
    int64_t restGroups = weight.getCols() % kBlockCols / 32;

    SmallVector<Value> sums(tokens * kStrips * sumsOf(x),
                            v.splat(v.vec(16, v.f32()), 0));
    auto accumulate = [&](Value block, int64_t groups, ValueRange carried) {
      Value at = v.add(base, v.mul(block, kBlockBytes));
      SmallVector<Value> inner(carried);
      // One token reads a block from front to back. The sums of several fill
      // the registers with one strip at a time.
      int64_t together = tokens > 1 ? 1 : kStrips;
      int64_t own = tokens * together * sumsOf(x);
      for (int64_t strip = 0; strip < kStrips; strip += together) {
        auto part = MutableArrayRef(inner).slice(strip * own, own);
        llvm::copy(v.loop(v.index(0), v.index(groups), 1, part,
                          [&](Value group, ValueRange now) {
                            return addGroup(v, bytes, at, block, group, x,
                                            tokenIndices, strip, together, now);
                          }),
                   part.begin());
      }
      return inner;
    };
    if (whole > 0)
      sums = v.loop(v.index(0), v.index(whole), 1, sums,
                    [&](Value block, ValueRange carried) {
                      return accumulate(block, 8, carried);
                    });
    if (restGroups > 0)
      sums = accumulate(v.index(whole), restGroups, sums);
    return finish(v, x, sums, tokens);
  }

private:
  /// Sums of a token and strip: even rows, odd rows and, for integers, what the
  /// minima add (one lane a row).
  static int64_t sumsOf(const Activations &x) { return x.isI8() ? 3 : 2; }

  SmallVector<Value> addGroup(VectorBuilder &v, Value bytes, Value blockAt,
                              Value block, Value group, const Activations &x,
                              ArrayRef<Value> tokens, int64_t firstStrip,
                              int64_t strips, ValueRange carried) const {
    SmallVector<Value> sums(carried);
    Value firstCol = v.add(v.mul(block, kBlockCols), v.mul(group, 32));
    Value groupIndex = v.add(v.mul(block, 8), group);
    // A group reads in four places of the block. The next block comes into the
    // first cache meanwhile, in the order in which it lies in memory.
    constexpr int64_t kShare = kBlockBytes / 8;
    Value share = v.add(blockAt, v.mul(group, kShare));
    for (int64_t line = 0; firstStrip == 0 && line < kShare; line += kCacheLine)
      prefetchAhead(v, bytes, v.add(share, line), kBlockBytes,
                    2 * kBlockBytes + kShare);
    for (int64_t strip = firstStrip; strip < firstStrip + strips; ++strip) {
      Value quantsAt =
          v.add(v.add(blockAt, v.mul(group, 256)), 1024 + strip * 2048);
      Value parametersAt = v.add(v.add(blockAt, v.mul(group, 64)), strip * 32);
      Value scale = parameters(v, bytes, parametersAt);
      Value min = parameters(v, bytes, v.add(parametersAt, 512));
      SmallVector<Value *> own;
      int64_t perStrip = static_cast<int64_t>(tokens.size()) * sumsOf(x);
      for (size_t t = 0; t < tokens.size(); ++t)
        own.push_back(&sums[(strip - firstStrip) * perStrip + t * sumsOf(x)]);
      if (x.isI8())
        integers(v, bytes, quantsAt, scale, min, x, tokens, groupIndex,
                 firstCol, own);
      else
        floats(v, bytes, quantsAt, scale, min, x, tokens, firstCol, own);
    }
    return sums;
  }

  /// 16 bf16 numbers, one for each row of a strip, as f32.
  Value parameters(VectorBuilder &v, Value bytes, Value at) const {
    return v.extF(v.loadAs(bytes, at, 32, 16, v.b.getBF16Type()));
  }

  /// Even or odd rows of a strip's parameters for 16 lanes: lane l of the
  /// result is row 2 * rowOf(l) (+ 1).
  static Value rows(VectorBuilder &v, Value parameters, bool odd,
                    llvm::function_ref<int64_t(int64_t)> rowOf) {
    SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < 16; ++lane)
      mask.push_back(2 * rowOf(lane) + (odd ? 1 : 0));
    return v.shuffle(parameters, mask);
  }

  /// Two columns at a time: lanes 0 to 7 are the row pairs of the first, lanes
  /// 8 to 15 those of the second.
  void floats(VectorBuilder &v, Value bytes, Value at, Value scale, Value min,
              const Activations &x, ArrayRef<Value> tokens, Value firstCol,
              ArrayRef<Value *> sums) const {
    auto rowOf = [](int64_t lane) { return lane % 8; };
    Value scales[2], mins[2];
    for (bool odd : {false, true}) {
      scales[odd] = rows(v, scale, odd, rowOf);
      mins[odd] = rows(v, min, odd, rowOf);
    }
    for (int64_t pair = 0; pair < 16; ++pair) {
      Value packed = v.extU(v.load(bytes, v.add(at, 16 * pair), 16), v.i32());
      Value quants[2] = {v.andI(packed, 15), v.shr(packed, 4)};
      Value weights[2];
      for (int odd : {0, 1})
        weights[odd] = v.fma(v.toFloat(quants[odd]), scales[odd], mins[odd]);
      for (auto [t, token] : llvm::enumerate(tokens)) {
        Value two = x.lanes(v, token, v.add(firstCol, 2 * pair), 2);
        Value spread = v.repeat(two, 0, 2, 8);
        for (int odd : {0, 1})
          sums[t][odd] = v.fma(weights[odd], spread, sums[t][odd]);
      }
    }
  }

  /// Eight columns at a time, transposed so that the four products that are
  /// summed belong to one row: lanes 2r and 2r + 1 are row pair r.
  void integers(VectorBuilder &v, Value bytes, Value at, Value scale, Value min,
                const Activations &x, ArrayRef<Value> tokens, Value groupIndex,
                Value firstCol, ArrayRef<Value *> sums) const {
    SmallVector<int64_t> transpose;
    for (int64_t pair = 0; pair < 8; ++pair)
      for (int64_t col = 0; col < 8; ++col)
        transpose.push_back(col * 8 + pair);
    SmallVector<SmallVector<Value, 2>> totals(tokens.size(),
                                              SmallVector<Value, 2>(2));
    for (int64_t eight = 0; eight < 4; ++eight) {
      Value packed =
          v.shuffle(v.load(bytes, v.add(at, 64 * eight), 64), transpose);
      Value quants[2] = {
          v.andI(packed, 15),
          v.andI(v.cast(v.shr(v.cast(packed, 32, v.i16()), 4), 64, v.i8()),
                 15)};
      for (auto [t, token] : llvm::enumerate(tokens)) {
        Value eightX = x.quants(v, token, v.add(firstCol, 8 * eight), 8);
        Value one = v.extract(v.cast(eightX, 1, v.b.getI64Type()), 0);
        Value spread = v.cast(v.broadcast(one, 8), 64, v.i8());
        for (int odd : {0, 1}) {
          Value &total = totals[t][odd];
          total = dot4(v, dot, quants[odd], spread, total, 15);
        }
      }
    }
    auto rowOf = [](int64_t lane) { return lane / 2; };
    for (auto [t, token] : llvm::enumerate(tokens)) {
      Value xScale = v.repeat(x.scales(v, token, groupIndex, 1), 0, 1, 16);
      Value xSum = v.toFloat(x.sums(v, token, groupIndex, 1));
      xSum = v.mulf(xScale, v.repeat(xSum, 0, 1, 16));
      for (bool odd : {false, true}) {
        Value step = v.mulf(rows(v, scale, odd, rowOf), xScale);
        sums[t][odd] = v.fma(v.toFloat(totals[t][odd]), step, sums[t][odd]);
      }
      sums[t][2] = v.fma(min, xSum, sums[t][2]);
    }
  }

  /// Adds the lanes of each row and puts even and odd rows back in order.
  SmallVector<SmallVector<Value>> finish(VectorBuilder &v, const Activations &x,
                                         ArrayRef<Value> sums,
                                         int64_t tokens) const {
    SmallVector<SmallVector<Value>> results(tokens);
    // The two lanes of a row pair: neighbours for integers, 8 apart for floats.
    SmallVector<int64_t> first, second;
    for (int64_t pair = 0; pair < 8; ++pair) {
      first.push_back(x.isI8() ? 2 * pair : pair);
      second.push_back(x.isI8() ? 2 * pair + 1 : pair + 8);
    }
    for (int64_t part = 0; part < kStrips * tokens; ++part) {
      ArrayRef<Value> own = sums.slice(part * sumsOf(x), sumsOf(x));
      Value halves[2];
      for (int odd : {0, 1})
        halves[odd] =
            v.addf(v.shuffle(own[odd], first), v.shuffle(own[odd], second));
      Value strip =
          vector::InterleaveOp::create(v.b, v.loc, halves[0], halves[1]);
      if (x.isI8())
        strip = v.addf(strip, own[2]);
      results[part % tokens].push_back(strip);
    }
    return results;
  }

  PackedType weight;
  DotKind dot;
};

} // namespace

std::unique_ptr<ProductKernel>
headrace::cpu::createQ4NXKernel(PackedType weight, DotKind dot) {
  return std::make_unique<Q4NXKernel>(weight, dot);
}
