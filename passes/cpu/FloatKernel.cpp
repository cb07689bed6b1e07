//===- FloatKernel.cpp - products with 16-bit floats ----------------------===//
//
// Lanes run along the columns. There is nothing to decode: a weight is widened
// to f32, or goes into dot products of pairs of bf16 as it is. One token takes
// a row at a time, many tokens take four, so that what is loaded serves more.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/ProductKernel.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Columns of a cache line of weights, and lines of an iteration.
constexpr int64_t kLineCols = 32;
constexpr int64_t kLines = 8;

class FloatKernel : public ProductKernel {
public:
  FloatKernel(PackedType weight, bool isBF16, Bf16Kind bf16, int64_t rows,
              int64_t unit)
      : weight(weight), isBF16(isBF16), bf16(bf16), rows(rows), unit(unit) {}

  int64_t unitRows() const override { return rows; }
  int64_t unitTokens() const override { return unit; }
  bool takesI8() const override { return false; }

  SmallVector<SmallVector<Value>> compute(VectorBuilder &v, Value bytes,
                                          const Activations &x, Value row,
                                          Value token,
                                          int64_t tokens) const override {
    // Separate sums shorten the chains of dependent additions; many rows and
    // tokens have enough to do without.
    int64_t cells = rows * tokens, chains = cells == 1 ? 4 : cells < 4 ? 2 : 1;
    SmallVector<Value> bases;
    for (int64_t r = 0; r < rows; ++r)
      bases.push_back(v.mul(v.add(row, r), weight.getBlockRowBytes()));
    auto accumulate = [&](Value first, int64_t lines, ValueRange carried) {
      SmallVector<Value> sums(carried);
      for (int64_t line = 0; line < lines; ++line)
        addLine(v, bytes, bases, x, token, tokens,
                v.add(first, line * kLineCols),
                MutableArrayRef(sums).slice(line % chains * cells, cells));
      return sums;
    };
    int64_t cols = weight.getCols(), step = kLines / rows * kLineCols;
    int64_t whole = cols / step * step;
    SmallVector<Value> sums(cells * chains, v.splat(v.vec(16, v.f32()), 0));
    if (whole > 0)
      sums = v.loop(v.index(0), v.index(whole), step, sums,
                    [&](Value col, ValueRange carried) {
                      return accumulate(col, kLines / rows, carried);
                    });
    if (whole < cols)
      sums = accumulate(v.index(whole), (cols - whole) / kLineCols, sums);

    SmallVector<SmallVector<Value>> results(tokens);
    for (int64_t cell = 0; cell < cells; ++cell) {
      Value total = sums[cell];
      for (int64_t chain = 1; chain < chains; ++chain)
        total = v.addf(total, sums[chain * cells + cell]);
      results[cell % tokens].push_back(v.sum(total));
    }
    return results;
  }

private:
  /// Adds the 32 columns at `col` to the sums, one for each row and token.
  void addLine(VectorBuilder &v, Value bytes, ArrayRef<Value> bases,
               const Activations &x, Value firstToken, int64_t tokens,
               Value col, MutableArrayRef<Value> sums) const {
    bool pairs = isBF16 && bf16 != Bf16Kind::Portable && x.isBF16();
    Type element = isBF16 ? v.b.getBF16Type() : v.b.getF16Type();
    if (rows == 1)
      prefetchAhead(v, bytes, v.add(bases[0], v.mul(col, 2)));
    int64_t lanes = pairs ? 32 : 16;
    for (int64_t done = 0; done < kLineCols; done += lanes) {
      Value at = v.add(col, done);
      SmallVector<Value> weights;
      for (Value base : bases) {
        Value w = v.loadAs(bytes, v.add(base, v.mul(at, 2)), 2 * lanes, lanes,
                           element);
        weights.push_back(pairs ? w : v.extF(w));
      }
      for (int64_t t = 0; t < tokens; ++t) {
        Value token = v.add(firstToken, t);
        Value xs = pairs ? x.stored(v, token, at, lanes)
                         : x.lanes(v, token, at, lanes);
        for (auto [r, w] : llvm::enumerate(weights)) {
          Value &sum = sums[r * tokens + t];
          sum = pairs ? dot2(v, bf16, w, xs, sum) : v.fma(w, xs, sum);
        }
      }
    }
  }

  PackedType weight;
  bool isBF16;
  Bf16Kind bf16;
  int64_t rows;
  int64_t unit; // tokens that are computed together
};

} // namespace

std::unique_ptr<ProductKernel>
headrace::cpu::createFloatKernel(PackedType weight, DotKind dot, Bf16Kind bf16,
                                 int64_t tokens) {
  auto plain = dyn_cast<PlainFormatAttr>(weight.getFormat());
  if (!plain || weight.getCols() % kLineCols != 0)
    return nullptr;
  // One stream of weights reads memory best; with many tokens, reading them is
  // the lesser part.
  int64_t many = isNeon(dot) ? 2 : 4; // AArch64 has room for eight sums
  int64_t rows = tokens >= 4 && weight.getRows() % many == 0 ? many : 1;
  return std::make_unique<FloatKernel>(weight,
                                       plain.getKind() == PlainKind::BF16, bf16,
                                       rows, isNeon(dot) ? 3 : 6);
}
