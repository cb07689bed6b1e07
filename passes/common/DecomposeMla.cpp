//===- DecomposeMla.cpp - the meaning of latent attention -----------------===//

#include "passes/common/DecomposeMla.h"
#include "dialects/QLinear/FormatDecoder.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;
using headrace::qlinear::Decoder;

//===----------------------------------------------------------------------===//
// The tokens seen
//===----------------------------------------------------------------------===//

LatentTokens::LatentTokens(OpBuilder &b, Location loc, MlaCacheType cache,
                           Value bytes, Value table, Value length,
                           int64_t parts)
    : cache(cache), bytes(bytes), table(table),
      seen(seenTokens(b, loc, length, tokenBound(cache, table),
                      cache.getLayout() == CacheLayout::Ring,
                      /*window=*/std::nullopt, parts)) {}

/// The slot of a token, and whether the query sees it.
static std::pair<Value, Value> slotOfToken(OpBuilder &b, Location loc,
                                           const LatentTokens &tokens,
                                           Value start) {
  Value part = linalg::IndexOp::create(b, loc, 0);
  Value i = linalg::IndexOp::create(b, loc, 1);
  i = arith::AddIOp::create(b, loc, start, i);
  auto [token, seen] = tokens.seen.token(b, loc, part, i);
  Slot slot = slotOf(b, loc, tokens.cache, tokens.table, token);
  return {slot.index, arith::AndIOp::create(b, loc, seen, slot.valid)};
}

Value LatentTokens::values(OpBuilder &b, Location loc, Value start,
                           int64_t count, int64_t columns, Read read) const {
  return elementwise(
      b, loc, {}, empty(b, loc, {seen.parts, count, columns}, b.getF32Type()),
      [&](OpBuilder &n, Location at, ValueRange) -> Value {
        Value slot = slotOfToken(n, at, *this, start).first;
        Value column = linalg::IndexOp::create(n, at, 2);
        return read(n, at, bytes, cache, slot, column);
      });
}

Value LatentTokens::scales(OpBuilder &b, Location loc, Value start,
                           int64_t count) const {
  return elementwise(b, loc, {},
                     empty(b, loc, {seen.parts, count}, b.getF32Type()),
                     [&](OpBuilder &n, Location at, ValueRange) -> Value {
                       Value slot = slotOfToken(n, at, *this, start).first;
                       return mlaScale(n, at, bytes, cache, slot);
                     });
}

Value LatentTokens::mask(OpBuilder &b, Location loc, Value start,
                         int64_t count) const {
  return elementwise(b, loc, {},
                     empty(b, loc, {seen.parts, count}, b.getI1Type()),
                     [&](OpBuilder &n, Location at, ValueRange) -> Value {
                       return slotOfToken(n, at, *this, start).second;
                     });
}

SmallVector<Value> headrace::common::decodeResults(OpBuilder &b, Location loc,
                                                   MlaDecodeOp op, Value result,
                                                   Value lse) {
  if (op.getSplits())
    return {result, lse};
  return {dropFirst(b, loc, result), dropFirst(b, loc, lse)};
}

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

//===----------------------------------------------------------------------===//
// Quantization
//===----------------------------------------------------------------------===//

/// The largest magnitude of each row of x, [N].
Value largestOfRows(OpBuilder &b, Location loc, Value x) {
  return generic(b, loc, x, zeros(b, loc, shapeOf(x).drop_back()),
                 {dimensionsOf(b, 2, {0, 1}), dimensionsOf(b, 2, {0})},
                 {kParallel, kReduction},
                 [](OpBuilder &n, Location at, ValueRange args) -> Value {
                   Value magnitude = math::AbsFOp::create(n, at, args[0]);
                   return arith::MaximumFOp::create(n, at, magnitude, args[1]);
                 });
}

/// `body` of each element of x ([N, K]) over the scale of its row.
Value scaledRows(OpBuilder &b, Location loc, Value x, Value scale, Type type,
                 llvm::function_ref<Value(OpBuilder &, Location, Value)> body) {
  AffineMap all = dimensionsOf(b, 2, {0, 1});
  return generic(b, loc, {x, scale}, empty(b, loc, shapeOf(x), type),
                 {all, dimensionsOf(b, 2, {0}), all}, {kParallel, kParallel},
                 [&](OpBuilder &n, Location at, ValueRange args) -> Value {
                   return body(n, at,
                               arith::DivFOp::create(n, at, args[0], args[1]));
                 });
}

struct DecomposeQuantizeKV : OpConversionPattern<QuantizeKVOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(QuantizeKVOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    Value content = adaptor.getContent(), rope = adaptor.getRope();
    Value scale = elementwise(
        b, loc, {largestOfRows(b, loc, content), largestOfRows(b, loc, rope)},
        empty(b, loc, shapeOf(content).drop_back(), b.getF32Type()),
        [](OpBuilder &n, Location at, ValueRange args) -> Value {
          return latentScale(n, at, args[0], args[1]);
        });
    Value codes =
        scaledRows(b, loc, content, scale, b.getI8Type(),
                   [](OpBuilder &n, Location at, Value value) -> Value {
                     Value code = encode(n, at, value, CacheDtype::FP8E4M3);
                     return arith::TruncIOp::create(n, at, n.getI8Type(), code);
                   });
    Value scaledRope = scaledRows(b, loc, rope, scale, b.getF32Type(),
                                  [](OpBuilder &n, Location at, Value value) {
                                    return roundToBF16(n, at, value);
                                  });
    rewriter.replaceOp(op, {codes, scale, scaledRope});
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// `first` and `second` side by side in their last dimension.
Value concatenated(OpBuilder &b, Location loc, Value first, Value second) {
  SmallVector<int64_t> shape(shapeOf(first));
  int64_t columns = shape.back();
  shape.back() += shapeOf(second).back();
  return elementwise(
      b, loc, {}, empty(b, loc, shape, b.getF32Type()),
      [&](OpBuilder &n, Location at, ValueRange) -> Value {
        Decoder d{n, at, {}};
        SmallVector<Value> indices;
        for (int64_t i = 0, rank = shape.size(); i < rank; ++i)
          indices.push_back(linalg::IndexOp::create(n, at, i));
        Value column = indices.back();
        Value isFirst = d.less(column, columns);
        // Both are read, where the other one applies in column 0.
        indices.back() = d.select(isFirst, column, d.index(0));
        Value left = tensor::ExtractOp::create(n, at, first, indices);
        Value behind = arith::SubIOp::create(n, at, column, d.index(columns));
        indices.back() = d.select(isFirst, d.index(0), behind);
        Value right = tensor::ExtractOp::create(n, at, second, indices);
        return d.select(isFirst, left, right);
      });
}

/// All tokens of a cache as f32.
struct Latents {
  Value content, rope; // [S, T, C], [S, T, R]
  Value mask;          // i1 [S, T]
};

Latents decodeLatents(OpBuilder &b, Location loc, const LatentTokens &tokens) {
  Value start = arith::ConstantIndexOp::create(b, loc, 0);
  int64_t count = tokens.seen.bound;
  return {
      tokens.values(b, loc, start, count, tokens.cache.getContent(),
                    decodeContent),
      tokens.values(b, loc, start, count, tokens.cache.getRope(), decodeRope),
      tokens.mask(b, loc, start, count)};
}

/// Without `q_scale`: all heads share one head of keys, content and rotated
/// part, whose content are the values.
struct DecomposeMlaDecode : OpConversionPattern<MlaDecodeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(MlaDecodeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty() || op.getQScale())
      return rewriter.notifyMatchFailure(op, "tensors without q_scale only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    LatentTokens tokens(b, loc, op.getCache().getType(), adaptor.getCache(),
                        adaptor.getTable(), adaptor.getLength(),
                        op.getSplits().value_or(1));
    Latents latents = decodeLatents(b, loc, tokens);
    Value keys = concatenated(b, loc, latents.content, latents.rope);
    Value q = concatenated(b, loc, adaptor.getQ(), adaptor.getQRope());
    Attention attention = attend(
        b, loc, splitHeads(b, loc, q, 0, 1), splitHeads(b, loc, keys, 2, 1),
        splitHeads(b, loc, latents.content, 2, 1), latents.mask,
        {op.getScale(), /*softcap=*/std::nullopt});
    rewriter.replaceOp(op, decodeResults(b, loc, op,
                                         joinHeads(b, loc, attention.result, 1),
                                         joinHeads(b, loc, attention.lse, 1)));
    return success();
  }
};

/// Keys and values of each head, as models form them.
struct DecomposeMlaAttention : OpConversionPattern<MlaAttentionOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(MlaAttentionOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    LatentTokens tokens(b, loc, op.getCache().getType(), adaptor.getCache(),
                        adaptor.getTable(), adaptor.getLength(), /*parts=*/1);
    Latents latents = decodeLatents(b, loc, tokens);
    Value content = dropFirst(b, loc, latents.content);
    Value keys = project(b, loc, adaptor.getWK(), content);
    Value values = project(b, loc, adaptor.getWV(), content);
    keys = concatenated(b, loc, keys,
                        forEachHead(b, loc, dropFirst(b, loc, latents.rope),
                                    shapeOf(adaptor.getQ())[0]));
    Value q = concatenated(b, loc, adaptor.getQ(), adaptor.getQRope());
    Attention attention =
        attend(b, loc, splitHeads(b, loc, q, 0, shapeOf(q)[0]), keys, values,
               latents.mask, {op.getScale(), /*softcap=*/std::nullopt});
    Value result = joinHeads(b, loc, attention.result, 1);
    rewriter.replaceOp(op, dropFirst(b, loc, result));
    return success();
  }

private:
  /// `weight[h] content` of each token: [T, H, N] for [H, N, C] and [T, C].
  static Value project(OpBuilder &b, Location loc, Value weight,
                       Value content) {
    ArrayRef<int64_t> shape = shapeOf(weight);
    return generic(b, loc, {weight, content},
                   zeros(b, loc, {shapeOf(content)[0], shape[0], shape[1]}),
                   {dimensionsOf(b, 4, {1, 2, 3}), dimensionsOf(b, 4, {0, 3}),
                    dimensionsOf(b, 4, {0, 1, 2})},
                   {kParallel, kParallel, kParallel, kReduction},
                   [](OpBuilder &n, Location at, ValueRange args) -> Value {
                     Value term =
                         arith::MulFOp::create(n, at, args[0], args[1]);
                     return arith::AddFOp::create(n, at, args[2], term);
                   });
  }

  /// rope [T, R] as [T, `heads`, R].
  static Value forEachHead(OpBuilder &b, Location loc, Value rope,
                           int64_t heads) {
    ArrayRef<int64_t> shape = shapeOf(rope);
    return generic(b, loc, rope,
                   empty(b, loc, {shape[0], heads, shape[1]}, b.getF32Type()),
                   {dimensionsOf(b, 3, {0, 2}), dimensionsOf(b, 3, {0, 1, 2})},
                   {kParallel, kParallel, kParallel},
                   [](OpBuilder &, Location, ValueRange args) -> Value {
                     return args[0];
                   });
  }
};

} // namespace

void headrace::common::populateDecomposeMlaPatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeQuantizeKV, DecomposeMlaDecode, DecomposeMlaAttention>(
      types, patterns.getContext());
}
