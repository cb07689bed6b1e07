//===- DecomposeSparse.cpp - the meaning of selected columns --------------===//

#include "passes/common/DecomposeQLinear.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

Value index(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

/// A tensor [size] of i32 zeros.
Value zeroIntegers(OpBuilder &b, Location loc, int64_t size) {
  Value zero = arith::ConstantIntOp::create(b, loc, 0, 32);
  return linalg::FillOp::create(
             b, loc, zero,
             Value(tensor::EmptyOp::create(b, loc, {size}, b.getI32Type())))
      .getResult(0);
}

/// The list is short work and in order, so a loop says it best.
struct DecomposeSelectColumns : OpConversionPattern<SelectColumnsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(SelectColumnsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    Value x = toFloat32(b, loc, adaptor.getX());
    int64_t size = cast<RankedTensorType>(x.getType()).getDimSize(0);
    Value threshold = arith::ConstantOp::create(
        b, loc, b.getFloatAttr(b.getF32Type(), op.getThreshold()));
    // A further place at the end takes what is not selected.
    Value list = zeroIntegers(b, loc, size + 1);
    auto loop = scf::ForOp::create(
        b, loc, index(b, loc, 0), index(b, loc, size), index(b, loc, 1),
        ValueRange{list, index(b, loc, 0)},
        [&](OpBuilder &n, Location at, Value k, ValueRange state) {
          Value value = tensor::ExtractOp::create(n, at, x, ValueRange{k});
          Value magnitude = math::AbsFOp::create(n, at, value);
          Value large = arith::CmpFOp::create(n, at, arith::CmpFPredicate::UGT,
                                              magnitude, threshold);
          Value place = arith::SelectOp::create(n, at, large, state[1],
                                                index(n, at, size));
          Value column = arith::IndexCastOp::create(n, at, n.getI32Type(), k);
          Value next = tensor::InsertOp::create(n, at, column, state[0],
                                                ValueRange{place});
          Value step = arith::SelectOp::create(n, at, large, index(n, at, 1),
                                               index(n, at, 0));
          Value count = arith::AddIOp::create(n, at, state[1], step);
          scf::YieldOp::create(n, at, ValueRange{next, count});
        });
    Value indices = tensor::ExtractSliceOp::create(
        b, loc, loop.getResult(0), ArrayRef<OpFoldResult>{b.getIndexAttr(0)},
        ArrayRef<OpFoldResult>{b.getIndexAttr(size)},
        ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
    Value count =
        arith::IndexCastOp::create(b, loc, b.getI32Type(), loop.getResult(1));
    Value counts = tensor::FromElementsOp::create(b, loc, ValueRange{count});
    rewriter.replaceOp(op, {indices, counts});
    return success();
  }
};

/// Zeros in place of what is not selected, then the product.
struct DecomposeSparseMatvec : OpConversionPattern<SparseMatvecOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(SparseMatvecOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    PackedType packed = op.getWeight().getType();
    Value mask = selection(b, loc, adaptor.getIndices(), adaptor.getCount(),
                           packed.getCols());
    Value x = toFloat32(b, loc, adaptor.getX());
    Value selected = elementwise(
        b, loc, {x, mask}, empty(b, loc, {packed.getCols()}, b.getF32Type()),
        [](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value zero = arith::ConstantIntOp::create(n, at, 0, 32);
          Value no = arith::CmpIOp::create(n, at, arith::CmpIPredicate::eq,
                                           args[1], zero);
          return arith::SelectOp::create(n, at, no, constant(n, at, 0.0),
                                         args[0]);
        });
    // A weight may be infinite where its column is not selected.
    Value weight = decodeAll(b, loc, adaptor.getWeight(), packed);
    weight = generic(
        b, loc, {weight, mask},
        empty(b, loc, {packed.getRows(), packed.getCols()}, b.getF32Type()),
        {b.getMultiDimIdentityMap(2),
         b.getMultiDimIdentityMap(2).getMinorSubMap(1),
         b.getMultiDimIdentityMap(2)},
        {kParallel, kParallel},
        [](OpBuilder &n, Location at, ValueRange args) -> Value {
          Value zero = arith::ConstantIntOp::create(n, at, 0, 32);
          Value no = arith::CmpIOp::create(n, at, arith::CmpIPredicate::eq,
                                           args[1], zero);
          return arith::SelectOp::create(n, at, no, constant(n, at, 0.0),
                                         args[0]);
        });
    Value zero = zeros(b, loc, {packed.getRows()});
    rewriter.replaceOp(
        op, linalg::MatvecOp::create(b, loc, ValueRange{weight, selected},
                                     ValueRange{zero})
                .getResult(0));
    return success();
  }

private:
  /// i32 [cols]: 1 for each column among the first `count` of `indices`.
  static Value selection(OpBuilder &b, Location loc, Value indices, Value count,
                         int64_t cols) {
    int64_t size = cast<RankedTensorType>(indices.getType()).getDimSize(0);
    Value length =
        tensor::ExtractOp::create(b, loc, count, ValueRange{index(b, loc, 0)});
    auto i32 = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(b, loc, value, 32);
    };
    length = arith::MaxSIOp::create(b, loc, length, i32(0));
    length = arith::MinSIOp::create(b, loc, length, i32(size));
    length = arith::IndexCastOp::create(b, loc, b.getIndexType(), length);
    // A further place at the end takes what is no column.
    Value none = zeroIntegers(b, loc, cols + 1);
    auto loop = scf::ForOp::create(
        b, loc, index(b, loc, 0), length, index(b, loc, 1), none,
        [&](OpBuilder &n, Location at, Value i, ValueRange state) {
          Value column =
              tensor::ExtractOp::create(n, at, indices, ValueRange{i});
          Value end = arith::ConstantIntOp::create(n, at, cols, 32);
          // Unsigned, so that a negative number is out of range too.
          Value place = arith::MinUIOp::create(n, at, column, end);
          place = arith::IndexCastOp::create(n, at, n.getIndexType(), place);
          Value one = arith::ConstantIntOp::create(n, at, 1, 32);
          Value next =
              tensor::InsertOp::create(n, at, one, state[0], ValueRange{place});
          scf::YieldOp::create(n, at, next);
        });
    return tensor::ExtractSliceOp::create(
        b, loc, loop.getResult(0), ArrayRef<OpFoldResult>{b.getIndexAttr(0)},
        ArrayRef<OpFoldResult>{b.getIndexAttr(cols)},
        ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
  }
};

} // namespace

void headrace::common::populateDecomposeSparsePatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeSelectColumns, DecomposeSparseMatvec>(
      types, patterns.getContext());
}
