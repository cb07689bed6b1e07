//===- DecomposePrefill.cpp - the meaning of attention of many queries ----===//

#include "passes/common/AttentionBuilders.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/RoundedAttention.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

/// i1 [L, T]: whether query i, token `offset` + i, sees a token.
Value prefillMask(OpBuilder &b, Location loc, PrefillOp op, Value offset) {
  Value first = offset ? scalarIndex(b, loc, offset)
                       : arith::ConstantIndexOp::create(b, loc, 0);
  Value init = empty(b, loc, {shapeOf(op.getQ())[0], shapeOf(op.getK())[0]},
                     b.getI1Type());
  return elementwise(
      b, loc, {}, init, [&](OpBuilder &n, Location at, ValueRange) -> Value {
        Value position = arith::AddIOp::create(
            n, at, first, linalg::IndexOp::create(n, at, 0));
        Value distance = arith::SubIOp::create(
            n, at, position, linalg::IndexOp::create(n, at, 1));
        auto compare = [&](arith::CmpIPredicate predicate, int64_t bound) {
          return Value(arith::CmpIOp::create(
              n, at, predicate, distance,
              arith::ConstantIndexOp::create(n, at, bound)));
        };
        Value seen = arith::ConstantIntOp::create(n, at, 1, 1);
        auto require = [&](Value condition) {
          seen = arith::AndIOp::create(n, at, seen, condition);
        };
        bool causal = op.getMask() == Mask::Causal;
        if (causal)
          require(compare(arith::CmpIPredicate::sge, 0));
        if (std::optional<int64_t> window = op.getWindow()) {
          require(compare(arith::CmpIPredicate::slt, *window));
          if (!causal)
            require(compare(arith::CmpIPredicate::sgt, -*window));
        }
        return seen;
      });
}

struct DecomposePrefill : OpConversionPattern<PrefillOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(PrefillOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    Value mask = prefillMask(b, loc, op, adaptor.getOffset());
    Value q = splitHeads(b, loc, adaptor.getQ(), 1, shapeOf(op.getK())[1]);
    AttentionOptions options{op.getScale(), op.getSoftcap()};
    Attention attention =
        op.getPrecision()
            ? attendRounded(b, loc, *op.getPrecision(), q, adaptor.getK(),
                            adaptor.getV(), mask, options)
            : attend(b, loc, q, adaptor.getK(), adaptor.getV(), mask, options);
    SmallVector<Value> results{joinHeads(b, loc, attention.result, 1)};
    if (op.getNumResults() == 2)
      results.push_back(joinHeads(b, loc, attention.lse, 1));
    rewriter.replaceOp(op, results);
    return success();
  }
};

} // namespace

void headrace::common::populateDecomposePrefillPatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposePrefill>(types, patterns.getContext());
}
