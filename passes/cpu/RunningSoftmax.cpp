//===- RunningSoftmax.cpp - softmax along blocks of tokens ----------------===//

#include "passes/cpu/RunningSoftmax.h"

#include "passes/cpu/AttentionBlocks.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Exp2.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace headrace::cpu;

static constexpr int64_t kLanes = kAttentionLanes;
static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();

/// The larger one; either where one is NaN.
static Value larger(VectorBuilder &v, Value lhs, Value rhs) {
  return v.select(v.lessF(lhs, rhs), rhs, lhs);
}

static Value compare(VectorBuilder &v, arith::CmpFPredicate predicate,
                     Value lhs, Value rhs) {
  return arith::CmpFOp::create(v.b, v.loc, predicate, lhs, rhs);
}

static Value everywhere(VectorBuilder &v, double value) {
  return v.splat(v.vec(kLanes, v.f32()), value);
}

/// Combines the lanes of each of `heads` heads, which take turns, in all of
/// them.
static Value combineLanes(VectorBuilder &v, Value lanes, int64_t heads,
                          llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t span = kLanes / 2; span >= heads; span /= 2) {
    SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < kLanes; ++lane)
      mask.push_back(lane ^ span);
    lanes = combine(lanes, v.shuffle(lanes, mask));
  }
  return lanes;
}

RunningSoftmax::RunningSoftmax(VectorBuilder &v, Operation *op, int64_t heads)
    : v(v), base(kernelBuffer(v, op, {heads, kLanes}, v.f32())),
      total(kernelBuffer(v, op, {heads, kLanes}, v.f32())) {}

void RunningSoftmax::start(Value head) {
  v.store(everywhere(v, kMinusInfinity), base, {head, v.index(0)});
  v.store(everywhere(v, 0), total, {head, v.index(0)});
}

/// Where nothing is seen yet, minus infinity minus itself would be NaN.
static Value finiteBase(VectorBuilder &v, Value base) {
  Value none = compare(v, arith::CmpFPredicate::OEQ, base,
                       everywhere(v, kMinusInfinity));
  return v.select(none, everywhere(v, 0), base);
}

void RunningSoftmax::add(Value head, int64_t heads,
                         MutableArrayRef<Value> scores,
                         llvm::function_ref<void(Value)> rescale) {
  SmallVector<Value> at{head, v.index(0)};
  Value before = v.load(base, at, kLanes);
  Value bound = v.addf(before, everywhere(v, kMostMore)), beyond;
  for (Value score : scores) {
    // True for NaN, too.
    Value one = compare(v, arith::CmpFPredicate::UGT, score, bound);
    beyond = beyond ? v.orI(beyond, one) : one;
  }
  Value any = vector::ReductionOp::create(v.b, v.loc, vector::CombiningKind::OR,
                                          beyond);
  choose(
      v, any,
      [&] {
        Value most = before;
        for (Value score : scores)
          most = larger(v, most, score);
        most = combineLanes(v, most, heads, [&](Value lhs, Value rhs) {
          return larger(v, lhs, rhs);
        });
        Value keep = exp2(v, v.subf(before, finiteBase(v, most)));
        v.store(most, base, at);
        v.store(v.mulf(v.load(total, at, kLanes), keep), total, at);
        rescale(keep);
      },
      [] {});
  Value less = finiteBase(v, v.load(base, at, kLanes));
  Value sum = v.load(total, at, kLanes);
  for (Value &score : scores) {
    score = exp2(v, v.subf(score, less));
    sum = v.addf(sum, score);
  }
  v.store(sum, total, at);
}

std::pair<Value, Value> RunningSoftmax::finish(Value head, int64_t heads,
                                               int64_t lane) {
  SmallVector<Value> at{head, v.index(0)};
  Value sums =
      combineLanes(v, v.load(total, at, kLanes), heads,
                   [&](Value lhs, Value rhs) { return v.addf(lhs, rhs); });
  Value sum = v.extract(sums, lane);
  Value none = compare(v, arith::CmpFPredicate::OEQ, sum, v.constF(0.0));
  Value inverse = v.select(none, v.constF(0.0), v.divf(v.constF(1.0), sum));
  Value log =
      v.extract(math::LogOp::create(v.b, v.loc, v.broadcast(sum, kLanes)), 0);
  // Minus infinity where nothing is seen, and NaN stays.
  Value most = v.mulf(v.extract(v.load(base, at, kLanes), lane),
                      v.constF(llvm::numbers::ln2));
  Value lse = v.select(none, v.constF(kMinusInfinity), v.addf(most, log));
  return {inverse, lse};
}
