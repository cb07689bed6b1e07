//===- DecomposeAttention.cpp - the meaning of attention ------------------===//

#include "passes/common/AttentionBuilders.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"

#include <limits>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

//===----------------------------------------------------------------------===//
// Decode
//===----------------------------------------------------------------------===//

/// The tokens of a cache that a query sees, each read once.
struct Gathered {
  Value keys, values; // f32 [S, T, G, D]
  Value mask;         // i1 [S, T]
};

Gathered gather(OpBuilder &b, Location loc, KVCacheType cache, Value bytes,
                Value table, const SeenTokens &tokens) {
  auto slot = [&](OpBuilder &n, Location at) -> std::pair<Value, Value> {
    Value part = linalg::IndexOp::create(n, at, 0);
    Value i = linalg::IndexOp::create(n, at, 1);
    auto [token, seen] = tokens.token(n, at, part, i);
    Slot slot = slotOf(n, at, cache, table, token);
    return {slot.index, arith::AndIOp::create(n, at, seen, slot.valid)};
  };
  auto decoded = [&](KVPart part) {
    Value init = empty(
        b, loc, {tokens.parts, tokens.bound, cache.getHeads(), cache.getDim()},
        b.getF32Type());
    return elementwise(b, loc, {}, init,
                       [&](OpBuilder &n, Location at, ValueRange) -> Value {
                         Value head = linalg::IndexOp::create(n, at, 2);
                         Value dim = linalg::IndexOp::create(n, at, 3);
                         return decodeKV(n, at, bytes, cache, part,
                                         slot(n, at).first, head, dim);
                       });
  };
  Value keys = decoded(KVPart::Key), values = decoded(KVPart::Value);
  Value mask = elementwise(
      b, loc, {}, empty(b, loc, {tokens.parts, tokens.bound}, b.getI1Type()),
      [&](OpBuilder &n, Location at, ValueRange) -> Value {
        return slot(n, at).second;
      });
  return {keys, values, mask};
}

struct DecomposeDecode : OpConversionPattern<DecodeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(DecodeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    KVCacheType cache = op.getCache().getType();
    SeenTokens tokens = seenTokens(b, loc, adaptor.getLength(),
                                   tokenBound(cache, adaptor.getTable()),
                                   cache.getLayout() == CacheLayout::Ring,
                                   op.getWindow(), op.getSplits().value_or(1));
    Gathered kept =
        gather(b, loc, cache, adaptor.getCache(), adaptor.getTable(), tokens);
    Value q = splitHeads(b, loc, adaptor.getQ(), 0, cache.getHeads());
    Attention attention = attend(b, loc, q, kept.keys, kept.values, kept.mask,
                                 {op.getScale(), op.getSoftcap()});
    Value result = joinHeads(b, loc, attention.result, 1);
    Value lse = joinHeads(b, loc, attention.lse, 1);
    if (!op.getSplits()) {
      result = dropFirst(b, loc, result);
      lse = dropFirst(b, loc, lse);
    }
    rewriter.replaceOp(op, {result, lse});
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Merging
//===----------------------------------------------------------------------===//

/// Softmax over the parts: their logarithms are the scores. Results are written
/// to the inits, so that a running result stays in its memory in a loop.
struct DecomposeMergePartials : OpConversionPattern<MergePartialsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(MergePartialsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    Value lses = adaptor.getLses(), partials = adaptor.getPartials();
    Value mask = elementwise(
        b, loc, lses, empty(b, loc, shapeOf(lses), b.getI1Type()),
        [](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value nothing =
              constant(n, at, -std::numeric_limits<double>::infinity());
          return arith::CmpFOp::create(n, at, arith::CmpFPredicate::UNE,
                                       args[0], nothing);
        });
    ArrayRef<int64_t> rows = shapeOf(lses).drop_front();
    unsigned rank = rows.size();
    Softmax weights = softmax(b, loc, lses, partFirst(b, rank + 1, rank), rows,
                              adaptor.getLse());
    AffineMap ofPart = partFirst(b, rank + 2, rank);
    AffineMap ofElement = ofPart.insertResult(b.getAffineDimExpr(rank + 1),
                                              ofPart.getNumResults());
    Value result =
        weightedMean(b, loc, weights, ofPart, mask, ofPart, partials, ofElement,
                     rows, shapeOf(partials).back(), adaptor.getInit());
    rewriter.replaceOp(op, {result, weights.lse});
    return success();
  }

private:
  /// (rows..., part, ...) -> (part, rows...) of a domain of `count`.
  static AffineMap partFirst(OpBuilder &b, unsigned count, unsigned rank) {
    SmallVector<AffineExpr> exprs{b.getAffineDimExpr(rank)};
    for (unsigned i = 0; i < rank; ++i)
      exprs.push_back(b.getAffineDimExpr(i));
    return AffineMap::get(count, 0, exprs, b.getContext());
  }
};

} // namespace

void headrace::common::populateDecomposeAttentionPatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeDecode, DecomposeMergePartials>(types,
                                                        patterns.getContext());
}
