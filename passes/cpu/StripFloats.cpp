//===- StripFloats.cpp - strips times activations in f32 or bf16 ----------===//

#include "passes/cpu/NibbleTable.h"
#include "passes/cpu/StripKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;

void StripKernel::addFloats(VectorBuilder &v, const Piece &piece,
                            const Chunk &chunk, const StripWord &word,
                            const Activations &x, Products &products) const {
  bool pairs =
      x.isBF16() && bf16 == Bf16Kind::Avx512 && !decoder->nibbleTable().empty();
  for (int64_t first = 0; first < 4; first += 2) {
    Value both, weights[2];
    if (pairs)
      both = pairOfColumns(v, word, first);
    else
      for (int64_t i : {0, 1})
        weights[i] = floats(v, word, first + i);
    for (auto [t, token] : llvm::enumerate(piece.tokens)) {
      Value col = v.add(chunk.col, word.col + first);
      if (pairs) {
        Value &sum = sumOf(v, products, piece, first / 2, t);
        sum =
            dot2(v, bf16, both, spreadWord(v, x.stored(v, token, col, 2)), sum);
        continue;
      }
      Value xs[2];
      x.spreadPair(v, token, col, xs);
      for (int64_t i : {0, 1}) {
        Value &sum = sumOf(v, products, piece, i, t);
        sum = v.fma(weights[i], xs[i], sum);
      }
    }
  }
}

/// The sum of a token; a single one has two, `chain` says which.
Value &StripKernel::sumOf(VectorBuilder &v, Products &products,
                          const Piece &piece, int64_t chain, size_t token) {
  size_t count = piece.tokens.size();
  SmallVector<Value> &sums = products.sums[count == 1 ? chain : 0];
  if (sums.empty())
    sums.assign(count, v.splat(v.vec(kRows, v.f32()), 0));
  return sums[token];
}

/// Columns `first` and `first + 1` of the word as bf16 x 32, without scale
/// (and offset).
Value StripKernel::pairOfColumns(VectorBuilder &v, const StripWord &word,
                                 int64_t first) const {
  // A table look-up reads the lowest five bits of each 16-bit lane. Those of
  // a code are four; the one above them does not matter.
  SmallVector<int64_t> mask;
  for (int64_t row = 0; row < kRows; ++row)
    for (int64_t i : {0, 0, 1, 1})
      mask.push_back(4 * row + first + i);
  Value lanes = v.cast(v.shuffle(word.low, mask), 2 * kRows, v.i16());
  SmallVector<APFloat> table;
  SmallVector<int8_t> numbers = decoder->nibbleTable();
  for (int64_t code = 0; code < 32; ++code)
    table.push_back(
        APFloat(APFloat::BFloat(), std::to_string(numbers[code % 16])));
  auto type = v.vec(2 * kRows, v.b.getBF16Type());
  Value values = arith::ConstantOp::create(
      v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<APFloat>(table)));
  auto op = LLVM::CallIntrinsicOp::create(
      v.b, v.loc, v.vec(2 * kRows, v.i16()),
      v.b.getStringAttr("llvm.x86.avx512.permvar.hi.512"),
      ValueRange{v.cast(values, 2 * kRows, v.i16()), v.shr(lanes, word.shift)});
  return v.cast(op.getResult(0), 2 * kRows, v.b.getBF16Type());
}

/// A column of the 16 rows without scale (and offset).
Value StripKernel::floats(VectorBuilder &v, const StripWord &word,
                          int64_t byte) const {
  SmallVector<int8_t> numbers = decoder->nibbleTable();
  if (dot != DotKind::Vnni || numbers.empty())
    return v.toFloat(decoder->integers(v, word, byte));
  Value lanes = v.shr(v.cast(word.low, kRows, v.i32()), 8 * byte + word.shift);
  return lookUpFloats(v, lanes, numbers);
}

void StripKernel::finishFloats(VectorBuilder &v, const Piece &piece,
                               const Chunk &chunk, int64_t group,
                               const Products &products, const Activations &x,
                               Totals &totals) const {
  Value scale = number(v, piece, chunk, group, /*offset=*/false, x);
  Value offset;
  if (decoder->hasOffsets())
    offset = number(v, piece, chunk, group, /*offset=*/true, x);
  for (auto [t, token] : llvm::enumerate(piece.tokens)) {
    Value total = products.sums[0][t];
    if (!products.sums[1].empty())
      total = v.addf(total, products.sums[1][t]);
    totals.sums[t] = v.fma(total, scale, totals.sums[t]);
    if (!offset)
      continue;
    Value of32 = groupOf32(v, chunk, group);
    Value xSum =
        x.hasFloatSums()
            ? x.floatSums(v, of32, 1)
            : v.broadcast(v.sum(x.lanes(v, token, v.mul(of32, 32), 32)), 1);
    addOffset(v, offset, xSum, t, totals);
  }
}
