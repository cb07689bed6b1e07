//===- DecomposeQuantize.cpp - the meaning of qlinear.quantize ------------===//

#include "passes/common/DecomposeQLinear.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// Activations to `act_i8`. The integers and the two numbers of each group
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
    Value noSum =
        linalg::FillOp::create(
            b, loc, ValueRange{arith::ConstantIntOp::create(b, loc, 0, 32)},
            ValueRange{empty(b, loc, {rows, groups}, b.getI32Type())})
            .getResult(0);
    Value sums =
        generic(b, loc, quant, noSum, {all, perGroup}, reduce,
                [](OpBuilder &n, Location at, ValueRange args) -> Value {
                  Value q =
                      arith::ExtSIOp::create(n, at, n.getI32Type(), args[0]);
                  return arith::AddIOp::create(n, at, q, args[1]);
                });
    rewriter.replaceOp(op, layOut(b, loc, packed, quant, scale, sums));
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
                      Value quant, Value scale, Value sums) {
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
          Value scaleWord = arith::BitcastOp::create(n, at, n.getI32Type(), s);
          Value sum =
              tensor::ExtractOp::create(n, at, sums, ValueRange{row, group});
          Value word = arith::SelectOp::create(n, at, isScale, scaleWord, sum);
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

} // namespace

void headrace::common::populateDecomposeQuantizePatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeQuantize>(types, patterns.getContext());
}
