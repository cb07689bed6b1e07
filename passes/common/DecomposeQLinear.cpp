//===- DecomposeQLinear.cpp - the meaning of qlinear ----------------------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/common/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/Transforms/DialectConversion.h"

namespace headrace::common {
#define GEN_PASS_DEF_DECOMPOSEQLINEAR
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::qlinear;

namespace {

using BodyBuilder = function_ref<Value(OpBuilder &, Location, ValueRange)>;
constexpr auto kParallel = utils::IteratorType::parallel;
constexpr auto kReduction = utils::IteratorType::reduction;

Value empty(OpBuilder &b, Location loc, ArrayRef<int64_t> shape, Type type) {
  return tensor::EmptyOp::create(b, loc, shape, type);
}

Value constant(OpBuilder &b, Location loc, double value) {
  return arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
}

Value zeros(OpBuilder &b, Location loc, ArrayRef<int64_t> shape) {
  Value init = empty(b, loc, shape, b.getF32Type());
  return linalg::FillOp::create(b, loc, constant(b, loc, 0.0), init)
      .getResult(0);
}

Value generic(OpBuilder &b, Location loc, ValueRange inputs, Value init,
              ArrayRef<AffineMap> maps, ArrayRef<utils::IteratorType> iterators,
              BodyBuilder body) {
  return linalg::GenericOp::create(
             b, loc, init.getType(), inputs, init, maps, iterators,
             [&](OpBuilder &nested, Location at, ValueRange args) {
               linalg::YieldOp::create(nested, at, body(nested, at, args));
             })
      .getResult(0);
}

/// A map of equal shapes, element by element.
Value elementwise(OpBuilder &b, Location loc, ValueRange inputs, Value init,
                  BodyBuilder body) {
  int64_t rank = cast<RankedTensorType>(init.getType()).getRank();
  SmallVector<AffineMap> maps(inputs.size() + 1,
                              b.getMultiDimIdentityMap(rank));
  SmallVector<utils::IteratorType> iterators(rank, kParallel);
  return generic(b, loc, inputs, init, maps, iterators, body);
}

/// The f32 matrix that `bytes` stores as `packed`.
Value decodeAll(OpBuilder &b, Location loc, Value bytes, PackedType packed) {
  Value init =
      empty(b, loc, {packed.getRows(), packed.getCols()}, b.getF32Type());
  return elementwise(
      b, loc, {}, init, [&](OpBuilder &nested, Location at, ValueRange) {
        Value row = linalg::IndexOp::create(nested, at, 0);
        Value col = linalg::IndexOp::create(nested, at, 1);
        return packed.getFormat().decode(nested, at, bytes,
                                         packed.getPaddedRows(),
                                         packed.getPaddedCols(), row, col);
      });
}

/// The activations of a product as f32. Packed activations of one row are
/// decoded to a vector when `vector` holds.
Value decodeActivations(OpBuilder &b, Location loc, Type original, Value x,
                        bool vector) {
  if (auto packed = dyn_cast<PackedType>(original)) {
    Value decoded = decodeAll(b, loc, x, packed);
    if (!vector)
      return decoded;
    auto type = RankedTensorType::get({packed.getCols()}, b.getF32Type());
    return tensor::CollapseShapeOp::create(
        b, loc, type, decoded, ArrayRef<ReassociationIndices>{{0, 1}});
  }
  auto type = cast<RankedTensorType>(x.getType());
  if (type.getElementType().isF32())
    return x;
  Value init = empty(b, loc, type.getShape(), b.getF32Type());
  return elementwise(
      b, loc, x, init, [](OpBuilder &nested, Location at, ValueRange args) {
        return arith::ExtFOp::create(nested, at, nested.getF32Type(), args[0]);
      });
}

Value matvec(OpBuilder &b, Location loc, Value bytes, PackedType packed,
             Value x) {
  Value weight = decodeAll(b, loc, bytes, packed);
  Value zero = zeros(b, loc, {packed.getRows()});
  return linalg::MatvecOp::create(b, loc, ValueRange{weight, x},
                                  ValueRange{zero})
      .getResult(0);
}

//===----------------------------------------------------------------------===//
// Storage: packed values are tensors of bytes
//===----------------------------------------------------------------------===//

template <typename Op> struct ForwardBytes : OpConversionPattern<Op> {
  using OpConversionPattern<Op>::OpConversionPattern;
  LogicalResult
  matchAndRewrite(Op op, typename Op::Adaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Value source = adaptor.getOperands()[0];
    if (!isa<TensorType>(source.getType()))
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    rewriter.replaceOp(op, source);
    return success();
  }
};

struct DecomposeSlice : OpConversionPattern<SliceOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(SliceOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    auto type = RankedTensorType::get(
        {op.getResult().getType().getStorageBytes()}, rewriter.getI8Type());
    SmallVector<OpFoldResult> offset{rewriter.getIndexAttr(op.getByteOffset())};
    SmallVector<OpFoldResult> size{rewriter.getIndexAttr(type.getDimSize(0))};
    SmallVector<OpFoldResult> stride{rewriter.getIndexAttr(1)};
    rewriter.replaceOpWithNewOp<tensor::ExtractSliceOp>(
        op, type, adaptor.getPacked(), offset, size, stride);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Quantize, dequantize
//===----------------------------------------------------------------------===//

struct DecomposeDequantize : OpConversionPattern<DequantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(DequantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() && op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    rewriter.replaceOp(op, decodeAll(rewriter, op.getLoc(), adaptor.getPacked(),
                                     op.getPacked().getType()));
    return success();
  }
};

/// Activations to `act_i8`. The integers and the two f32 numbers of each group
/// are computed as tensors, then laid out byte by byte.
struct DecomposeQuantize : OpConversionPattern<QuantizeOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(QuantizeOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (!op.getResult() ||
        !isa<ActI8FormatAttr>(op.getPackedType().getFormat()))
      return rewriter.notifyMatchFailure(op, "decomposes act_i8 tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    PackedType packed = op.getPackedType();
    int64_t rows = packed.getRows(), cols = packed.getCols();
    int64_t groups = cols / 32;

    auto grouped = RankedTensorType::get({rows, groups, 32}, b.getF32Type());
    bool vector = cast<RankedTensorType>(op.getX().getType()).getRank() == 1;
    SmallVector<ReassociationIndices> split =
        vector ? SmallVector<ReassociationIndices>{{0, 1, 2}}
               : SmallVector<ReassociationIndices>{{0}, {1, 2}};
    Value x =
        tensor::ExpandShapeOp::create(b, loc, grouped, adaptor.getX(), split);

    AffineMap all = b.getMultiDimIdentityMap(3);
    AffineMap perGroup = all.dropResult(2);
    utils::IteratorType reduce[] = {kParallel, kParallel, kReduction};
    utils::IteratorType parallel[] = {kParallel, kParallel, kParallel};
    Value amax = generic(
        b, loc, x, zeros(b, loc, {rows, groups}), {all, perGroup}, reduce,
        [](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value abs = math::AbsFOp::create(n, at, args[0]);
          return arith::MaximumFOp::create(n, at, abs, args[1]);
        });
    Value perGroupInit = empty(b, loc, {rows, groups}, b.getF32Type());
    Value scale =
        elementwise(b, loc, amax, perGroupInit,
                    [](OpBuilder &n, Location at, ValueRange args) -> Value {
                      Value scale = arith::DivFOp::create(
                          n, at, args[0], constant(n, at, 127.0));
                      return zeroIfTiny(n, at, args[0], scale);
                    });
    Value quant = generic(
        b, loc, {x, amax}, empty(b, loc, {rows, groups, 32}, b.getI8Type()),
        {all, perGroup, all}, parallel,
        [](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value inverse =
              arith::DivFOp::create(n, at, constant(n, at, 127.0), args[1]);
          inverse = zeroIfTiny(n, at, args[1], inverse);
          Value scaled = arith::MulFOp::create(n, at, args[0], inverse);
          Value rounded = math::RoundEvenOp::create(n, at, scaled);
          // Only NaN, whose scale is NaN as well, is not in this range.
          rounded =
              arith::MaxNumFOp::create(n, at, rounded, constant(n, at, -127.0));
          rounded =
              arith::MinNumFOp::create(n, at, rounded, constant(n, at, 127.0));
          return arith::FPToSIOp::create(n, at, n.getI8Type(), rounded);
        });
    Value sums = generic(
        b, loc, quant, zeros(b, loc, {rows, groups}), {all, perGroup}, reduce,
        [](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value q = arith::SIToFPOp::create(n, at, n.getF32Type(), args[0]);
          return arith::AddFOp::create(n, at, q, args[1]);
        });
    Value scaledSums =
        elementwise(b, loc, {scale, sums}, perGroupInit,
                    [](OpBuilder &n, Location at, ValueRange args) -> Value {
                      return arith::MulFOp::create(n, at, args[0], args[1]);
                    });
    rewriter.replaceOp(op, layOut(b, loc, packed, quant, scale, scaledSums));
    return success();
  }

private:
  /// 0 where the largest magnitude of a group is below 2^-120, else `value`.
  static Value zeroIfTiny(OpBuilder &b, Location loc, Value amax, Value value) {
    Value tiny = arith::CmpFOp::create(b, loc, arith::CmpFPredicate::OLT, amax,
                                       constant(b, loc, 0x1p-120));
    return arith::SelectOp::create(b, loc, tiny, constant(b, loc, 0.0), value);
  }

  static Value layOut(OpBuilder &b, Location loc, PackedType packed,
                      Value quant, Value scale, Value scaledSums) {
    int64_t cols = packed.getCols(), groups = cols / 32;
    int64_t rowBytes = packed.getBlockRowBytes();
    Value init = empty(b, loc, {packed.getStorageBytes()}, b.getI8Type());
    return elementwise(
        b, loc, {}, init, [&](OpBuilder &n, Location at, ValueRange) -> Value {
          auto index = [&](int64_t v) -> Value {
            return arith::ConstantIndexOp::create(n, at, v);
          };
          auto quotient = [&](Value v, int64_t by) -> Value {
            return arith::DivUIOp::create(n, at, v, index(by));
          };
          auto remainder = [&](Value v, int64_t by) -> Value {
            return arith::RemUIOp::create(n, at, v, index(by));
          };
          Value position = linalg::IndexOp::create(n, at, 0);
          Value row = quotient(position, rowBytes);
          Value offset = remainder(position, rowBytes);
          // Both readings are built; the address of the one that does not
          // apply wraps around inside its tensor.
          Value column = remainder(offset, cols);
          Value integer = tensor::ExtractOp::create(
              n, at, quant,
              ValueRange{row, quotient(column, 32), remainder(column, 32)});
          Value isInteger = arith::CmpIOp::create(
              n, at, arith::CmpIPredicate::ult, offset, index(cols));
          Value tail = arith::SubIOp::create(n, at, offset, index(cols));
          tail = arith::SelectOp::create(n, at, isInteger, index(0), tail);
          Value group = remainder(quotient(tail, 4), groups);
          Value isScale = arith::CmpIOp::create(
              n, at, arith::CmpIPredicate::ult, tail, index(groups * 4));
          Value s =
              tensor::ExtractOp::create(n, at, scale, ValueRange{row, group});
          Value t = tensor::ExtractOp::create(n, at, scaledSums,
                                              ValueRange{row, group});
          Value number = arith::SelectOp::create(n, at, isScale, s, t);
          Value word = arith::BitcastOp::create(n, at, n.getI32Type(), number);
          Value shift = arith::IndexCastOp::create(n, at, n.getI32Type(),
                                                   remainder(tail, 4));
          shift = arith::MulIOp::create(
              n, at, shift, arith::ConstantIntOp::create(n, at, 8, 32));
          word = arith::ShRUIOp::create(n, at, word, shift);
          Value byte = arith::TruncIOp::create(n, at, n.getI8Type(), word);
          return arith::SelectOp::create(n, at, isInteger, integer, byte);
        });
  }
};

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

struct DecomposeMatvec : OpConversionPattern<MatvecOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(MatvecOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    Value x = decodeActivations(rewriter, op.getLoc(), op.getX().getType(),
                                adaptor.getX(), /*vector=*/true);
    rewriter.replaceOp(op, matvec(rewriter, op.getLoc(), adaptor.getWeight(),
                                  op.getWeight().getType(), x));
    return success();
  }
};

struct DecomposeMatmul : OpConversionPattern<MatmulOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(MatmulOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    Value x = decodeActivations(b, loc, op.getX().getType(), adaptor.getX(),
                                /*vector=*/false);
    Value weight =
        decodeAll(b, loc, adaptor.getWeight(), op.getWeight().getType());
    auto shape = cast<RankedTensorType>(op.getInit().getType()).getShape();
    AffineExpr n, m, k;
    bindDims(b.getContext(), n, m, k); // tokens, rows, columns
    SmallVector<AffineMap> maps = {
        AffineMap::get(3, 0, {n, k}, b.getContext()),
        AffineMap::get(3, 0, {m, k}, b.getContext()),
        AffineMap::get(3, 0, {n, m}, b.getContext())};
    Value y =
        generic(b, loc, {x, weight}, zeros(b, loc, shape), maps,
                {kParallel, kParallel, kReduction},
                [](OpBuilder &nested, Location at, ValueRange args) -> Value {
                  Value product =
                      arith::MulFOp::create(nested, at, args[0], args[1]);
                  return arith::AddFOp::create(nested, at, product, args[2]);
                });
    rewriter.replaceOp(op, y);
    return success();
  }
};

/// The function of a gated product, on scalars.
Value activate(OpBuilder &b, Location loc, Activation kind, Value v) {
  Value one = constant(b, loc, 1.0);
  auto mul = [&](Value lhs, Value rhs) -> Value {
    return arith::MulFOp::create(b, loc, lhs, rhs);
  };
  auto add = [&](Value lhs, Value rhs) -> Value {
    return arith::AddFOp::create(b, loc, lhs, rhs);
  };
  if (kind == Activation::SiLU) {
    Value e = math::ExpOp::create(b, loc, arith::NegFOp::create(b, loc, v));
    return arith::DivFOp::create(b, loc, v, add(one, e));
  }
  Value cubic = mul(constant(b, loc, 0.044715), mul(v, mul(v, v)));
  Value inner = mul(constant(b, loc, 0.7978845608028654), add(v, cubic));
  Value t = math::TanhOp::create(b, loc, inner);
  return mul(mul(constant(b, loc, 0.5), v), add(one, t));
}

struct DecomposeGatedMatvec : OpConversionPattern<GatedMatvecOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(GatedMatvecOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    Value x = decodeActivations(b, loc, op.getX().getType(), adaptor.getX(),
                                /*vector=*/true);
    Value gate = matvec(b, loc, adaptor.getGate(), op.getGate().getType(), x);
    Value up = matvec(b, loc, adaptor.getUp(), op.getUp().getType(), x);
    Value y = elementwise(
        b, loc, {gate, up},
        empty(b, loc, {op.getGate().getType().getRows()}, b.getF32Type()),
        [&](OpBuilder &nested, Location at, ValueRange args) -> Value {
          Value g = activate(nested, at, op.getActivation(), args[0]);
          return arith::MulFOp::create(nested, at, g, args[1]);
        });
    rewriter.replaceOp(op, y);
    return success();
  }
};

struct DecomposeQLinear
    : headrace::common::impl::DecomposeQLinearBase<DecomposeQLinear> {
  void runOnOperation() override {
    MLIRContext *context = &getContext();
    TypeConverter types;
    types.addConversion([](Type type) { return type; });
    types.addConversion([](PackedType type) -> Type {
      return RankedTensorType::get({type.getStorageBytes()},
                                   IntegerType::get(type.getContext(), 8));
    });

    ConversionTarget target(*context);
    target.addIllegalDialect<QLinearDialect>();
    target.markUnknownOpDynamicallyLegal(
        [&](Operation *op) { return types.isLegal(op); });
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
      return types.isSignatureLegal(op.getFunctionType());
    });

    RewritePatternSet patterns(context);
    patterns.add<ForwardBytes<FromBytesOp>, ForwardBytes<ToBytesOp>,
                 DecomposeSlice, DecomposeDequantize, DecomposeQuantize,
                 DecomposeMatvec, DecomposeMatmul, DecomposeGatedMatvec>(
        types, context);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   types);
    populateReturnOpTypeConversionPattern(patterns, types);
    populateCallOpTypeConversionPattern(patterns, types);
    if (failed(applyPartialConversion(getOperation(), target,
                                      std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
