//===- FloatKernel.cpp - products with 16-bit floats ----------------------===//
//
// Lanes run along the columns of one row. There is nothing to decode: a weight
// is widened to f32, or goes into dot products of pairs of bf16 as it is.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/ProductKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Columns of a cache line of weights, and lines of an iteration.
constexpr int64_t kLineCols = 32;
constexpr int64_t kLines = 8;

class FloatKernel : public ProductKernel {
public:
  FloatKernel(PackedType weight, bool isBF16, Bf16Kind bf16)
      : weight(weight), isBF16(isBF16), bf16(bf16) {}

  int64_t unitRows() const override { return 1; }
  int64_t unitTokens() const override { return 6; }
  bool takesI8() const override { return false; }

  SmallVector<SmallVector<Value>> compute(VectorBuilder &v, Value bytes,
                                          const Activations &x, Value row,
                                          Value token,
                                          int64_t tokens) const override {
    // Separate sums shorten the chains of dependent additions; with many tokens
    // there are enough of them.
    int64_t chains = tokens == 1 ? 4 : tokens < 4 ? 2 : 1;
    Value base = v.mul(row, weight.getBlockRowBytes());
    auto accumulate = [&](Value first, int64_t lines, ValueRange carried) {
      SmallVector<Value> sums(carried);
      for (int64_t line = 0; line < lines; ++line) {
        Value col = v.add(first, line * kLineCols);
        Value at = v.add(base, v.mul(col, 2));
        prefetchAhead(v, bytes, at);
        addLine(v, bytes, at, x, token, tokens, col, sums, line % chains);
      }
      return sums;
    };
    int64_t cols = weight.getCols(), step = kLines * kLineCols;
    int64_t whole = cols / step * step;
    SmallVector<Value> sums(tokens * chains, v.splat(v.vec(16, v.f32()), 0));
    if (whole > 0)
      sums = v.loop(v.index(0), v.index(whole), step, sums,
                    [&](Value col, ValueRange carried) {
                      return accumulate(col, kLines, carried);
                    });
    if (whole < cols)
      sums = accumulate(v.index(whole), (cols - whole) / kLineCols, sums);

    SmallVector<SmallVector<Value>> results;
    for (int64_t t = 0; t < tokens; ++t) {
      ArrayRef<Value> own = ArrayRef(sums).slice(t * chains, chains);
      Value total = own[0];
      for (Value other : own.drop_front())
        total = v.addf(total, other);
      results.push_back({v.sum(total)});
    }
    return results;
  }

private:
  /// Adds the 32 columns at `col`, whose weights are at byte `at`, to sum
  /// `chain` of each token.
  void addLine(VectorBuilder &v, Value bytes, Value at, const Activations &x,
               Value firstToken, int64_t tokens, Value col,
               MutableArrayRef<Value> sums, int64_t chain) const {
    int64_t chains = static_cast<int64_t>(sums.size()) / tokens;
    Type element = isBF16 ? v.b.getBF16Type() : v.b.getF16Type();
    bool pairs = isBF16 && bf16 == Bf16Kind::Avx512 && x.isBF16();
    SmallVector<Value> weights;
    for (int64_t lanes = pairs ? 32 : 16, done = 0; done < kLineCols;
         done += lanes) {
      Value loaded =
          v.loadAs(bytes, v.add(at, 2 * done), 2 * lanes, lanes, element);
      weights.push_back(pairs ? loaded : v.extF(loaded));
    }
    for (int64_t t = 0; t < tokens; ++t) {
      Value token = v.add(firstToken, t);
      Value &sum = sums[t * chains + chain];
      if (pairs) {
        sum = dot2(v, weights[0], x.stored(v, token, col, kLineCols), sum);
        continue;
      }
      for (auto [half, w] : llvm::enumerate(weights))
        sum = v.fma(
            w,
            x.lanes(v, token, v.add(col, 16 * static_cast<int64_t>(half)), 16),
            sum);
    }
  }

  PackedType weight;
  bool isBF16;
  Bf16Kind bf16;
};

} // namespace

std::unique_ptr<ProductKernel>
headrace::cpu::createFloatKernel(PackedType weight, Bf16Kind bf16) {
  auto plain = dyn_cast<PlainFormatAttr>(weight.getFormat());
  if (!plain || weight.getCols() % kLineCols != 0)
    return nullptr;
  return std::make_unique<FloatKernel>(
      weight, plain.getKind() == PlainKind::BF16, bf16);
}
