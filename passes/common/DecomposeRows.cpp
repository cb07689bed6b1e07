//===- DecomposeRows.cpp - the meaning of norms and gated activations -----===//

#include "passes/common/DecomposeQLinear.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// Builds norms of the rows of x, [K] or [N, K].
struct RowMath {
  OpBuilder &b;
  Location loc;
  ArrayRef<int64_t> shape;

  RowMath(OpBuilder &b, Location loc, Value x)
      : b(b), loc(loc), shape(cast<RankedTensorType>(x.getType()).getShape()) {}

  AffineMap all() { return b.getMultiDimIdentityMap(shape.size()); }
  /// What each row has once.
  AffineMap perRow() { return all().dropResult(shape.size() - 1); }
  /// What each column has once.
  AffineMap perColumn() { return all().getMinorSubMap(1); }

  /// The mean over each row of `body` of its elements.
  Value mean(ValueRange inputs, ArrayRef<AffineMap> maps, BodyBuilder body) {
    SmallVector<utils::IteratorType> iterators(shape.size(), kParallel);
    iterators.back() = kReduction;
    SmallVector<AffineMap> withOut(maps);
    withOut.push_back(perRow());
    Value sum = generic(
        b, loc, inputs, zeros(b, loc, shape.drop_back()), withOut, iterators,
        [&](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value term = body(n, at, args.drop_back());
          return arith::AddFOp::create(n, at, args.back(), term);
        });
    double count = static_cast<double>(shape.back());
    return elementwise(
        b, loc, sum, empty(b, loc, shape.drop_back(), b.getF32Type()),
        [&](OpBuilder &n, Location at, ValueRange args) -> Value {
          return arith::DivFOp::create(n, at, args[0], constant(n, at, count));
        });
  }

  /// `body` of the elements, with what rows and columns have once.
  Value map(ValueRange inputs, ArrayRef<AffineMap> maps, BodyBuilder body) {
    SmallVector<utils::IteratorType> iterators(shape.size(), kParallel);
    SmallVector<AffineMap> withOut(maps);
    withOut.push_back(all());
    return generic(b, loc, inputs, empty(b, loc, shape, b.getF32Type()),
                   withOut, iterators, body);
  }
};

Value square(OpBuilder &b, Location loc, Value v) {
  return arith::MulFOp::create(b, loc, v, v);
}

/// v / sqrt(meanSquare + eps).
Value normalized(OpBuilder &b, Location loc, Value v, Value meanSquare,
                 const APFloat &eps) {
  Value small =
      arith::ConstantOp::create(b, loc, b.getFloatAttr(b.getF32Type(), eps));
  Value sum = arith::AddFOp::create(b, loc, meanSquare, small);
  return arith::DivFOp::create(b, loc, v, math::SqrtOp::create(b, loc, sum));
}

struct DecomposeRmsNorm : OpConversionPattern<RmsNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(RmsNormOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    Value x = adaptor.getX();
    RowMath rows(rewriter, op.getLoc(), x);
    Value meanSquare =
        rows.mean(x, rows.all(), [](OpBuilder &n, Location at, ValueRange v) {
          return square(n, at, v[0]);
        });
    Value y = rows.map(
        {x, meanSquare, adaptor.getWeight()},
        {rows.all(), rows.perRow(), rows.perColumn()},
        [&](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value unit = normalized(n, at, args[0], args[1], op.getEps());
          Value factor = args[2];
          if (op.getAddUnit())
            factor = arith::AddFOp::create(n, at, factor, constant(n, at, 1.0));
          return arith::MulFOp::create(n, at, unit, factor);
        });
    rewriter.replaceOp(op, y);
    return success();
  }
};

struct DecomposeLayerNorm : OpConversionPattern<LayerNormOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(LayerNormOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    Value x = adaptor.getX();
    RowMath rows(rewriter, op.getLoc(), x);
    Value mean = rows.mean(
        x, rows.all(),
        [](OpBuilder &, Location, ValueRange v) -> Value { return v[0]; });
    Value centered =
        rows.map({x, mean}, {rows.all(), rows.perRow()},
                 [](OpBuilder &n, Location at, ValueRange args) -> Value {
                   return arith::SubFOp::create(n, at, args[0], args[1]);
                 });
    Value variance = rows.mean(centered, rows.all(),
                               [](OpBuilder &n, Location at, ValueRange v) {
                                 return square(n, at, v[0]);
                               });
    Value y = rows.map(
        {centered, variance, adaptor.getWeight(), adaptor.getBias()},
        {rows.all(), rows.perRow(), rows.perColumn(), rows.perColumn()},
        [&](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value unit = normalized(n, at, args[0], args[1], op.getEps());
          Value scaled = arith::MulFOp::create(n, at, unit, args[2]);
          return arith::AddFOp::create(n, at, scaled, args[3]);
        });
    rewriter.replaceOp(op, y);
    return success();
  }
};

struct DecomposeGatedActivation : OpConversionPattern<GatedActivationOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(GatedActivationOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    auto type = cast<RankedTensorType>(op.getGate().getType());
    Value y =
        elementwise(b, op.getLoc(), {adaptor.getGate(), adaptor.getUp()},
                    empty(b, op.getLoc(), type.getShape(), b.getF32Type()),
                    [&](OpBuilder &n, Location at, ValueRange args) -> Value {
                      Value gate = activate(n, at, op.getActivation(), args[0]);
                      return arith::MulFOp::create(n, at, gate, args[1]);
                    });
    rewriter.replaceOp(op, y);
    return success();
  }
};

} // namespace

void headrace::common::populateDecomposeRowPatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeRmsNorm, DecomposeLayerNorm, DecomposeGatedActivation>(
      types, patterns.getContext());
}
