//===- DecomposeCaches.cpp - the meaning of operations on caches ----------===//

#include "dialects/QLinear/FormatDecoder.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;
using headrace::qlinear::Decoder;

namespace {

RankedTensorType tensorType(Value value) {
  return cast<RankedTensorType>(value.getType());
}

/// [N, H, D] as [N, H * D].
Value flattenHeads(OpBuilder &b, Location loc, Value heads) {
  ArrayRef<int64_t> shape = tensorType(heads).getShape();
  auto flat =
      RankedTensorType::get({shape[0], shape[1] * shape[2]}, b.getF32Type());
  return tensor::CollapseShapeOp::create(
      b, loc, flat, heads, ArrayRef<ReassociationIndices>{{0}, {1, 2}});
}

/// The numbers of f32 [N, K] as bytes [N, K * width] of `dtype`, after division
/// by `scales` ([N, K / perScale]), if any.
Value bytesOf(OpBuilder &b, Location loc, Value values, CacheDtype dtype,
              int64_t width, Value scales = {}, int64_t perScale = 1) {
  ArrayRef<int64_t> shape = tensorType(values).getShape();
  Value words = elementwise(
      b, loc, values, empty(b, loc, shape, b.getI32Type()),
      [&](OpBuilder &n, Location at, ValueRange args) -> Value {
        Decoder d{n, at, {}};
        Value value = args[0];
        if (scales) {
          Value row = linalg::IndexOp::create(n, at, 0);
          Value column = d.div(linalg::IndexOp::create(n, at, 1), perScale);
          Value scale =
              tensor::ExtractOp::create(n, at, scales, ValueRange{row, column});
          value = arith::DivFOp::create(n, at, value, scale);
        }
        return encode(n, at, value, dtype);
      });
  return elementwise(
      b, loc, {}, empty(b, loc, {shape[0], shape[1] * width}, b.getI8Type()),
      [&](OpBuilder &n, Location at, ValueRange) -> Value {
        Decoder d{n, at, {}};
        Value row = linalg::IndexOp::create(n, at, 0);
        Value byte = linalg::IndexOp::create(n, at, 1);
        Value word = tensor::ExtractOp::create(
            n, at, words, ValueRange{row, d.div(byte, width)});
        word = d.shr(word, d.toI32(d.mul(d.rem(byte, width), 8)));
        return arith::TruncIOp::create(n, at, n.getI8Type(), word);
      });
}

/// One scale for each head of a token: [N, G] for [N, G, D].
Value scalesOf(OpBuilder &b, Location loc, Value heads, double limit) {
  ArrayRef<int64_t> shape = tensorType(heads).getShape();
  AffineMap all = b.getMultiDimIdentityMap(3);
  Value largest =
      generic(b, loc, heads, zeros(b, loc, shape.drop_back()),
              {all, all.dropResult(2)}, {kParallel, kParallel, kReduction},
              [](OpBuilder &n, Location at, ValueRange args) -> Value {
                Value magnitude = math::AbsFOp::create(n, at, args[0]);
                return arith::MaximumFOp::create(n, at, magnitude, args[1]);
              });
  return elementwise(b, loc, largest,
                     empty(b, loc, shape.drop_back(), b.getF32Type()),
                     [&](OpBuilder &n, Location at, ValueRange args) {
                       return scaleOf(n, at, args[0], limit);
                     });
}

/// Bytes of each new token ([N, B]) and where they lie: `offset` + slot *
/// `stride`.
struct Piece {
  Value bytes;
  int64_t offset, stride;
};

/// `cache` with the pieces of new tokens in their slots. Tokens without a slot
/// write back what is there, so there is no branch.
Value store(OpBuilder &b, Location loc, Value cache, Type type, Value position,
            Value table, ArrayRef<Piece> pieces) {
  Decoder outer{b, loc, {}};
  int64_t tokens = tensorType(pieces[0].bytes).getDimSize(0);
  Value first = scalarIndex(b, loc, position);
  auto loop = scf::ForOp::create(
      b, loc, outer.index(0), outer.index(tokens), outer.index(1), cache,
      [&](OpBuilder &n, Location at, Value token, ValueRange state) {
        Decoder d{n, at, {}};
        Slot slot = slotOf(n, at, type, table, d.add(first, token));
        Value current = state[0];
        for (const Piece &piece : pieces) {
          int64_t size = tensorType(piece.bytes).getDimSize(1);
          auto row = RankedTensorType::get({size}, n.getI8Type());
          OpFoldResult one = n.getIndexAttr(1), length = n.getIndexAttr(size);
          Value fresh = tensor::ExtractSliceOp::create(
              n, at, row, piece.bytes,
              ArrayRef<OpFoldResult>{token, n.getIndexAttr(0)},
              ArrayRef<OpFoldResult>{one, length},
              ArrayRef<OpFoldResult>{one, one});
          OpFoldResult place =
              d.add(d.mul(slot.index, piece.stride), piece.offset);
          Value old = tensor::ExtractSliceOp::create(n, at, row, current, place,
                                                     length, one);
          Value bytes = elementwise(
              n, at, {fresh, old}, empty(n, at, {size}, n.getI8Type()),
              [&](OpBuilder &m, Location where, ValueRange args) -> Value {
                return arith::SelectOp::create(m, where, slot.valid, args[0],
                                               args[1]);
              });
          current = tensor::InsertSliceOp::create(n, at, bytes, current, place,
                                                  length, one);
        }
        scf::YieldOp::create(n, at, current);
      });
  return loop.getResult(0);
}

struct DecomposeAppendKV : OpConversionPattern<AppendKVOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(AppendKVOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!op.getResult())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    KVCacheType cache = op.getCache().getType();
    int64_t dim = cache.getDim(), slotBytes = cache.getSlotBytes();
    int64_t width = slotBytes / (2 * cache.getHeads() * dim);
    int64_t scaleBytes = cache.getHeads() * 4;
    SmallVector<Piece> pieces;
    Value parts[] = {adaptor.getK(), adaptor.getV()};
    for (auto [part, heads] : llvm::enumerate(parts)) {
      auto number = static_cast<int64_t>(part);
      Value scales;
      if (cache.hasScales()) {
        bool fp8 = cache.getDtype() == CacheDtype::FP8E4M3;
        scales = scalesOf(b, loc, heads, fp8 ? 448.0 : 127.0);
        pieces.push_back({bytesOf(b, loc, scales, CacheDtype::F32, 4),
                          cache.getScalesOffset() + number * scaleBytes,
                          2 * scaleBytes});
      }
      Value bytes = bytesOf(b, loc, flattenHeads(b, loc, heads),
                            cache.getDtype(), width, scales, dim);
      pieces.push_back({bytes, number * slotBytes / 2, slotBytes});
    }
    rewriter.replaceOp(op, store(b, loc, adaptor.getCache(), cache,
                                 adaptor.getPosition(), adaptor.getTable(),
                                 pieces));
    return success();
  }
};

struct DecomposeAppendMla : OpConversionPattern<AppendMlaOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(AppendMlaOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!op.getResult())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    MlaCacheType cache = op.getCache().getType();
    int64_t stride = cache.getSlotBytes(), size = cache.getContent();
    Value content = adaptor.getContent(), rope = adaptor.getRope();
    SmallVector<Piece> pieces;
    if (cache.hasScales()) {
      int64_t tokens = tensorType(content).getDimSize(0);
      Value codes = empty(b, loc, {tokens, size}, b.getI8Type());
      Value scale = empty(b, loc, {tokens}, b.getF32Type());
      Value scaled = empty(b, loc, {tokens, cache.getRope()}, b.getF32Type());
      auto quantized = QuantizeKVOp::create(
          b, loc, TypeRange{codes.getType(), scale.getType(), scaled.getType()},
          content, rope, codes, scale, scaled);
      auto column = RankedTensorType::get({tokens, 1}, b.getF32Type());
      Value scales =
          tensor::ExpandShapeOp::create(b, loc, column, quantized.getResult(1),
                                        ArrayRef<ReassociationIndices>{{0, 1}});
      pieces.push_back({quantized.getResult(0), 0, stride});
      pieces.push_back(
          {bytesOf(b, loc, scales, CacheDtype::F32, 4), size, stride});
      pieces.push_back(
          {bytesOf(b, loc, quantized.getResult(2), CacheDtype::BF16, 2),
           size + 4, stride});
    } else {
      int64_t width = stride / (size + cache.getRope());
      pieces.push_back(
          {bytesOf(b, loc, content, cache.getDtype(), width), 0, stride});
      pieces.push_back({bytesOf(b, loc, rope, cache.getDtype(), width),
                        size * width, stride});
    }
    rewriter.replaceOp(op, store(b, loc, adaptor.getCache(), cache,
                                 adaptor.getPosition(), adaptor.getTable(),
                                 pieces));
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Fetching
//===----------------------------------------------------------------------===//

/// A tensor like `init` whose first dimension counts tokens from `start` on:
/// `read` of the slot and the other indices, zero without a slot.
Value fetch(OpBuilder &b, Location loc, Value init, Type cache, Value start,
            Value table,
            llvm::function_ref<Value(OpBuilder &, Location, Value slot,
                                     ArrayRef<Value> rest)>
                read) {
  Value first = scalarIndex(b, loc, start);
  RankedTensorType type = tensorType(init);
  return elementwise(
      b, loc, {}, empty(b, loc, type.getShape(), b.getF32Type()),
      [&](OpBuilder &n, Location at, ValueRange) -> Value {
        Decoder d{n, at, {}};
        SmallVector<Value> indices;
        for (int64_t i = 0; i < type.getRank(); ++i)
          indices.push_back(linalg::IndexOp::create(n, at, i));
        Slot slot = slotOf(n, at, cache, table, d.add(first, indices[0]));
        Value value =
            read(n, at, slot.index, ArrayRef<Value>(indices).drop_front());
        return d.select(slot.valid, value, d.f32(0.0));
      });
}

struct DecomposeFetchKV : OpConversionPattern<FetchKVOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(FetchKVOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    KVCacheType cache = op.getCache().getType();
    auto part = [&](Value init, KVPart which) {
      return fetch(
          rewriter, op.getLoc(), init, cache, adaptor.getStart(),
          adaptor.getTable(),
          [&](OpBuilder &n, Location at, Value slot, ArrayRef<Value> rest) {
            return decodeKV(n, at, adaptor.getCache(), cache, which, slot,
                            rest[0], rest[1]);
          });
    };
    Value k = part(op.getK(), KVPart::Key);
    Value v = part(op.getV(), KVPart::Value);
    rewriter.replaceOp(op, {k, v});
    return success();
  }
};

struct DecomposeFetchMla : OpConversionPattern<FetchMlaOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(FetchMlaOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    MlaCacheType cache = op.getCache().getType();
    auto part = [&](Value init, decltype(decodeContent) &read) {
      return fetch(
          rewriter, op.getLoc(), init, cache, adaptor.getStart(),
          adaptor.getTable(),
          [&](OpBuilder &n, Location at, Value slot, ArrayRef<Value> rest) {
            return read(n, at, adaptor.getCache(), cache, slot, rest[0]);
          });
    };
    Value content = part(op.getContent(), decodeContent);
    Value rope = part(op.getRope(), decodeRope);
    rewriter.replaceOp(op, {content, rope});
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Storage: caches are tensors of bytes
//===----------------------------------------------------------------------===//

template <typename Op> struct ForwardBytes : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;
  LogicalResult
  matchAndRewrite(Op op, typename Op::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOp(op, adaptor.getOperands()[0]);
    return success();
  }
};

} // namespace

void headrace::common::populateDecomposeCachePatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<ForwardBytes<CacheFromBytesOp>, ForwardBytes<CacheToBytesOp>,
               DecomposeAppendKV, DecomposeAppendMla, DecomposeFetchKV,
               DecomposeFetchMla>(types, patterns.getContext());
}
