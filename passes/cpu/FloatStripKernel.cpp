//===- FloatStripKernel.cpp - products with strips of bf16 ----------------===//
//
// Lanes run along the 16 rows of a strip, and a line of 64 bytes has two
// columns, side by side: what one instruction for pairs of bf16 takes, with two
// activations that all rows share. As f32 the columns are the upper and the
// lower halves of the lanes.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/FloatStrips.h"
#include "passes/cpu/ProductKernel.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Lines that are loaded together, before any is used.
constexpr int64_t kLines = 8;
/// How far ahead lines are asked for, by a single token.
constexpr int64_t kNear = 4608, kFar = 16384;
/// The weights push activations out of the first cache before the next strip
/// reads them.
constexpr int64_t kColumnsAhead = 512;

class FloatStripKernel : public ProductKernel {
public:
  FloatStripKernel(PackedType weight, Bf16Kind bf16, int64_t unit)
      : weight(weight), bf16(bf16), unit(unit) {}

  int64_t unitRows() const override { return kStripRows; }
  int64_t unitTokens() const override { return unit; }
  bool takesI8() const override { return false; }

  SmallVector<SmallVector<Value>> compute(VectorBuilder &v, Value bytes,
                                          const Activations &x, Value row,
                                          Value token,
                                          int64_t tokens) const override {
    bool pairs = bf16 != Bf16Kind::Portable && x.isBF16();
    // Separate sums shorten the chains of dependent additions: of lines, and of
    // the two columns of a line.
    int64_t chains = tokens == 1 ? 4 : 1, halves = pairs ? 1 : 2;
    Value base = v.mul(row, weight.getBlockRowBytes() / kStripRows);
    SmallVector<Value> sums(chains * halves * tokens,
                            v.splat(v.vec(kStripRows, v.f32()), 0));
    sums = v.loop(
        v.index(0), v.index(weight.getCols()), 2 * kLines, sums,
        [&](Value col, ValueRange carried) {
          Value at = v.add(base, v.mul(col, kLineBytes / 2));
          SmallVector<Value> after(carried), lines;
          for (int64_t line = 0; line < kLines; ++line)
            lines.push_back(loadPairs(v, bytes, v.add(at, line * kLineBytes)));
          for (int64_t line = 0; line < kLines; ++line) {
            int64_t count = halves * tokens;
            addLine(v, x, lines[line], v.add(col, 2 * line), token, tokens,
                    MutableArrayRef(after).slice(line % chains * count, count));
            if (tokens == 1)
              prefetchAhead(v, bytes, v.add(at, line * kLineBytes), kNear,
                            kFar);
          }
          if (tokens == 1)
            x.prefetchColumns(v, token, v.add(col, kColumnsAhead), 2 * kLines);
          return after;
        });
    SmallVector<SmallVector<Value>> results;
    for (int64_t t = 0; t < tokens; ++t) {
      Value total = sums[t];
      for (int64_t chain = 1; chain < chains * halves; ++chain)
        total = v.addf(total, sums[chain * tokens + t]);
      results.push_back({total});
    }
    return results;
  }

private:
  /// Adds two columns to the sums: of both, or of each, [half][token].
  void addLine(VectorBuilder &v, const Activations &x, Value line, Value col,
               Value firstToken, int64_t tokens,
               MutableArrayRef<Value> sums) const {
    bool pairs = bf16 != Bf16Kind::Portable && x.isBF16();
    Value weights[2];
    if (!pairs)
      splitPairs(v, line, weights);
    for (int64_t t = 0; t < tokens; ++t) {
      Value token = v.add(firstToken, t);
      if (pairs) {
        Value both = spreadWord(v, x.stored(v, token, col, 2));
        sums[t] = dot2(v, bf16, line, both, sums[t]);
        continue;
      }
      Value xs[2];
      x.spreadPair(v, token, col, xs);
      for (int64_t i : {0, 1}) {
        Value &sum = sums[i * tokens + t];
        sum = v.fma(weights[i], xs[i], sum);
      }
    }
  }

  PackedType weight;
  Bf16Kind bf16;
  int64_t unit; // tokens that are computed together
};

} // namespace

std::unique_ptr<ProductKernel>
headrace::cpu::createFloatStripKernel(PackedType weight, DotKind dot,
                                      Bf16Kind bf16) {
  if (!isFloatStrips(weight))
    return nullptr;
  return std::make_unique<FloatStripKernel>(weight, bf16, isNeon(dot) ? 3 : 6);
}
