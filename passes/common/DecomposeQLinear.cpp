//===- DecomposeQLinear.cpp - the meaning of qlinear ----------------------===//

#include "passes/common/DecomposeQLinear.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/DialectConversion.h"

namespace headrace::common {
#define GEN_PASS_DEF_DECOMPOSEQLINEAR
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

Value headrace::common::decodeAll(OpBuilder &b, Location loc, Value bytes,
                                  PackedType packed) {
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

Value headrace::common::toFloat32(OpBuilder &b, Location loc, Value x) {
  auto type = cast<RankedTensorType>(x.getType());
  if (type.getElementType().isF32())
    return x;
  Value init = empty(b, loc, type.getShape(), b.getF32Type());
  return elementwise(
      b, loc, x, init, [](OpBuilder &nested, Location at, ValueRange args) {
        return arith::ExtFOp::create(nested, at, nested.getF32Type(), args[0]);
      });
}

Value headrace::common::decomposedMatvec(OpBuilder &b, Location loc,
                                         Value bytes, PackedType packed,
                                         Value x) {
  Value weight = decodeAll(b, loc, bytes, packed);
  Value zero = zeros(b, loc, {packed.getRows()});
  return linalg::MatvecOp::create(b, loc, ValueRange{weight, x},
                                  ValueRange{zero})
      .getResult(0);
}

Value headrace::common::activate(OpBuilder &b, Location loc, Activation kind,
                                 Value v) {
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

namespace {

/// The activations of a product as f32. Packed activations of one row are
/// decoded to a vector when `vector` holds.
Value decodeActivations(OpBuilder &b, Location loc, Type original, Value x,
                        bool vector) {
  auto packed = dyn_cast<PackedType>(original);
  if (!packed)
    return toFloat32(b, loc, x);
  Value decoded = decodeAll(b, loc, x, packed);
  if (!vector)
    return decoded;
  auto type = RankedTensorType::get({packed.getCols()}, b.getF32Type());
  return tensor::CollapseShapeOp::create(
      b, loc, type, decoded, ArrayRef<ReassociationIndices>{{0, 1}});
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
    Location loc = op.getLoc();
    int64_t header = op.getPacked().getType().getHeaderBytes();
    int64_t all = op.getResult().getType().getStorageBytes();
    SmallVector<OpFoldResult> zero{rewriter.getIndexAttr(0)};
    SmallVector<OpFoldResult> one{rewriter.getIndexAttr(1)};
    SmallVector<OpFoldResult> headerSize{rewriter.getIndexAttr(header)};
    SmallVector<OpFoldResult> rowsSize{rewriter.getIndexAttr(all - header)};
    SmallVector<OpFoldResult> offset{op.getByteOffset(rewriter)};
    Value rows = tensor::ExtractSliceOp::create(
        rewriter, loc, adaptor.getPacked(), offset, rowsSize, one);
    if (!header) {
      rewriter.replaceOp(op, rows);
      return success();
    }
    Value bytes = empty(rewriter, loc, {all}, rewriter.getI8Type());
    Value front = tensor::ExtractSliceOp::create(
        rewriter, loc, adaptor.getPacked(), zero, headerSize, one);
    bytes = tensor::InsertSliceOp::create(rewriter, loc, front, bytes, zero,
                                          headerSize, one);
    rewriter.replaceOpWithNewOp<tensor::InsertSliceOp>(
        op, rows, bytes, headerSize, rowsSize, one);
    return success();
  }
};

//===----------------------------------------------------------------------===//
// Dequantize
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
    rewriter.replaceOp(op, decomposedMatvec(rewriter, op.getLoc(),
                                            adaptor.getWeight(),
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
    Value gate =
        decomposedMatvec(b, loc, adaptor.getGate(), op.getGate().getType(), x);
    Value up =
        decomposedMatvec(b, loc, adaptor.getUp(), op.getUp().getType(), x);
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
    WalkResult onTensors = getOperation()->walk([](Operation *op) {
      if (!isa_and_nonnull<QLinearDialect>(op->getDialect()) ||
          (llvm::none_of(op->getOperandTypes(), llvm::IsaPred<MemRefType>) &&
           llvm::none_of(op->getResultTypes(), llvm::IsaPred<MemRefType>)))
        return WalkResult::advance();
      op->emitOpError("decompose-qlinear: expected tensors, but got a memref; "
                      "this pass runs before kernels are formed");
      return WalkResult::interrupt();
    });
    if (onTensors.wasInterrupted())
      return signalPassFailure();
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
                 DecomposeSlice, DecomposeDequantize, DecomposeMatvec,
                 DecomposeMatmul, DecomposeGatedMatvec>(types, context);
    populateDecomposeQuantizePatterns(patterns, types);
    populateDecomposeLayoutPatterns(patterns, types);
    populateDecomposeRowPatterns(patterns, types);
    populateDecomposeSparsePatterns(patterns, types);
    populateDecomposeTablePatterns(patterns, types);
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
