//===- LaneSoftmax.cpp - a softmax that runs along tokens -----------------===//

#include "passes/simt/LaneSoftmax.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include <limits>

using namespace mlir;
using namespace headrace::simt;

/// Below each score: a base that nothing has raised yet, and the score of what
/// is not seen. Not minus infinity, which minus itself would be NaN.
static constexpr double kNoBase = -std::numeric_limits<float>::max();

Value headrace::simt::fromLane(SimtBuilder &v, Value value, int64_t span,
                               int64_t width) {
  return gpu::ShuffleOp::create(v.b, v.loc, value, v.constI32(span),
                                v.constI32(width), gpu::ShuffleMode::XOR)
      .getShuffleResult();
}

Value headrace::simt::larger(SimtBuilder &v, Value lhs, Value rhs) {
  return arith::MaxNumFOp::create(v.b, v.loc, lhs, rhs);
}

Value headrace::simt::exp2(SimtBuilder &v, Value x) {
  return math::Exp2Op::create(v.b, v.loc, x);
}

static Value splatLike(SimtBuilder &v, Value like, Value number) {
  return v.broadcast(number, SimtBuilder::lanes(like));
}

LaneSoftmax LaneSoftmax::ofNothing(SimtBuilder &v, int64_t vectors,
                                   int64_t width) {
  LaneSoftmax nothing{v.constF(kNoBase), v.constF(0), {}};
  nothing.sums.append(vectors, v.splat(v.vec(width, v.f32()), 0));
  return nothing;
}

LaneSoftmax LaneSoftmax::carried(SimtBuilder &v, ValueRange values) {
  LaneSoftmax softmax{
      v.named(values[0], "base"), v.named(values[1], "total"), {}};
  for (Value sum : values.drop_front(2))
    softmax.sums.push_back(v.named(sum, "sum"));
  return softmax;
}

SmallVector<Value> LaneSoftmax::values() const {
  SmallVector<Value> values{base, total};
  values.append(sums);
  return values;
}

/// Each of `numbers`, or `otherwise` where it is not seen.
static Value whereSeen(SimtBuilder &v, Value numbers, ArrayRef<Value> seen,
                       double otherwise) {
  if (seen.empty())
    return numbers;
  SmallVector<Value> chosen;
  for (auto [i, condition] : llvm::enumerate(seen))
    chosen.push_back(v.select(condition,
                              v.extract(numbers, static_cast<int64_t>(i)),
                              v.constF(otherwise)));
  return v.fromElements(chosen);
}

Value LaneSoftmax::weigh(SimtBuilder &v, Value scores, ArrayRef<Value> seen) {
  scores = whereSeen(v, scores, seen, kNoBase);
  Value largest = base;
  for (int64_t i = 0; i < SimtBuilder::lanes(scores); ++i)
    largest = larger(v, largest, v.extract(scores, i));
  v.named(largest, "largest");
  Value keep = v.named(exp2(v, v.subf(base, largest)), "keep");
  Value relative = v.subf(scores, splatLike(v, scores, largest));
  // Where nothing was seen yet, what is not seen is as large as the base.
  Value weights = whereSeen(v, exp2(v, relative), seen, 0);
  v.named(weights, "weights");
  Value more = vector::ReductionOp::create(v.b, v.loc,
                                           vector::CombiningKind::ADD, weights);
  rescale(v, largest, keep);
  total = v.addf(total, more);
  return weights;
}

void LaneSoftmax::add(SimtBuilder &v, Value weight, ArrayRef<Value> values) {
  for (auto [sum, value] : llvm::zip_equal(sums, values))
    sum = v.fma(splatLike(v, value, weight), value, sum);
}

void LaneSoftmax::rescale(SimtBuilder &v, Value to, Value keep) {
  base = to;
  total = v.mulf(total, keep);
  for (Value &sum : sums)
    sum = v.mulf(sum, splatLike(v, sum, keep));
}

void LaneSoftmax::mergeLanes(SimtBuilder &v, int64_t span, int64_t width) {
  if (span == width)
    return;
  auto overLanes = [&](Value value,
                       llvm::function_ref<Value(Value, Value)> combine) {
    for (int64_t bit = span; bit < width; bit *= 2)
      value = combine(value, fromLane(v, value, bit, width));
    return value;
  };
  auto add = [&](Value lhs, Value rhs) { return v.addf(lhs, rhs); };
  Value largest = overLanes(
      base, [&](Value lhs, Value rhs) { return larger(v, lhs, rhs); });
  rescale(v, largest, exp2(v, v.subf(base, largest)));
  total = overLanes(total, add);
  for (Value &sum : sums)
    sum = overLanes(sum, add);
}
