//===- DecomposeTables.cpp - the meaning of products by table lookup ------===//

#include "dialects/QLinear/FormatDecoder.h"
#include "passes/common/DecomposeQLinear.h"
#include "passes/common/LinalgBuilders.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// A vector as a matrix of one row.
Value asRows(OpBuilder &b, Location loc, Value value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (type.getRank() == 2)
    return value;
  auto rows =
      RankedTensorType::get({1, type.getDimSize(0)}, type.getElementType());
  return tensor::ExpandShapeOp::create(b, loc, rows, value,
                                       ArrayRef<ReassociationIndices>{{0, 1}});
}

/// `rows` as a vector where `type` is one.
Value likeType(OpBuilder &b, Location loc, Value rows, Type type) {
  if (cast<RankedTensorType>(type).getRank() == 2)
    return rows;
  return tensor::CollapseShapeOp::create(
      b, loc, type, rows, ArrayRef<ReassociationIndices>{{0, 1}});
}

CodebookLayout layoutOf(PackedType packed) {
  return cast<CodebookFormatAttr>(packed.getFormat())
      .getLayout(packed.getPaddedRows(), packed.getPaddedCols());
}

struct DecomposeAssignCentroids : OpConversionPattern<AssignCentroidsOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(AssignCentroidsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    PackedType packed = op.getWeight().getType();
    auto format = cast<CodebookFormatAttr>(packed.getFormat());
    Value x = asRows(b, loc, adaptor.getX());
    int64_t rows = cast<RankedTensorType>(x.getType()).getDimSize(0);
    int64_t pieces = packed.getPaddedCols() / format.getDim();

    Value farthest = arith::ConstantOp::create(
        b, loc, b.getF32FloatAttr(std::numeric_limits<float>::infinity()));
    Value distance =
        linalg::FillOp::create(b, loc, farthest,
                               empty(b, loc, {rows, pieces}, b.getF32Type()))
            .getResult(0);
    Value first = arith::ConstantIntOp::create(b, loc, 0, 32);
    Value nearest =
        linalg::FillOp::create(b, loc, first,
                               empty(b, loc, {rows, pieces}, b.getI32Type()))
            .getResult(0);
    // A loop over the centroids that nothing is read for by its map.
    Value centroids = tensor::EmptyOp::create(
        b, loc, {format.getActivationEntries()}, b.getI8Type());
    AffineMap all = b.getMultiDimIdentityMap(3);
    auto search = linalg::GenericOp::create(
        b, loc, TypeRange{distance.getType(), nearest.getType()}, centroids,
        ValueRange{distance, nearest},
        ArrayRef<AffineMap>{all.getMinorSubMap(1), all.dropResult(2),
                            all.dropResult(2)},
        ArrayRef<utils::IteratorType>{kParallel, kParallel, kReduction},
        [&](OpBuilder &n, Location at, ValueRange args) {
          Value d = chebyshev(n, at, x, adaptor.getWeight(), packed, format);
          Value closer = arith::CmpFOp::create(n, at, arith::CmpFPredicate::OLT,
                                               d, args[1]);
          Value number = arith::IndexCastOp::create(
              n, at, n.getI32Type(), linalg::IndexOp::create(n, at, 2));
          Value best = arith::SelectOp::create(n, at, closer, d, args[1]);
          Value which = arith::SelectOp::create(n, at, closer, number, args[2]);
          linalg::YieldOp::create(n, at, ValueRange{best, which});
        });
    rewriter.replaceOp(op, likeType(b, loc, search.getResult(1),
                                    op.getResults()[0].getType()));
    return success();
  }

private:
  /// max |x - c| of a piece and a centroid, NaN if x is.
  static Value chebyshev(OpBuilder &n, Location at, Value x, Value bytes,
                         PackedType packed, CodebookFormatAttr format) {
    Decoder d{n, at, bytes};
    Value row = linalg::IndexOp::create(n, at, 0);
    Value piece = linalg::IndexOp::create(n, at, 1);
    Value entry = linalg::IndexOp::create(n, at, 2);
    int64_t dim = format.getDim(), cols = packed.getCols();
    Value centroid =
        d.add(d.mul(d.add(d.mul(piece, format.getActivationEntries()), entry),
                    dim * 4),
              layoutOf(packed).activations);
    Value farthest;
    for (int64_t j = 0; j < dim; ++j) {
      Value col = d.add(d.mul(piece, dim), j);
      Value inside = d.less(col, cols);
      Value safe = d.select(inside, col, d.index(0));
      Value value = tensor::ExtractOp::create(n, at, x, ValueRange{row, safe});
      value = d.select(inside, value, d.f32(0.0));
      Value difference = d.subf(value, d.f32At(d.add(centroid, 4 * j)));
      Value size = math::AbsFOp::create(n, at, difference);
      farthest =
          farthest ? arith::MaximumFOp::create(n, at, farthest, size) : size;
    }
    return farthest;
  }
};

struct DecomposeLutMatvec : OpConversionPattern<LutMatvecOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(LutMatvecOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "decomposes on tensors only");
    OpBuilder &b = rewriter;
    Location loc = op.getLoc();
    PackedType packed = op.getWeight().getType();
    auto format = cast<CodebookFormatAttr>(packed.getFormat());
    Value bytes = adaptor.getWeight();
    Value assignment = asRows(b, loc, adaptor.getAssignment());
    auto type = cast<RankedTensorType>(assignment.getType());
    int64_t rows = type.getDimSize(0), pieces = type.getDimSize(1);
    int64_t outputs = packed.getRows();

    Value zero = arith::ConstantIntOp::create(b, loc, 0, 32);
    Value none =
        linalg::FillOp::create(b, loc, zero,
                               empty(b, loc, {rows, outputs}, b.getI32Type()))
            .getResult(0);
    AffineMap all = b.getMultiDimIdentityMap(3); // row, output, piece
    AffineMap rowPiece = all.dropResult(1), rowOutput = all.dropResult(2);
    Value sums =
        generic(b, loc, assignment, none, {rowPiece, rowOutput},
                {kParallel, kParallel, kReduction},
                [&](OpBuilder &n, Location at, ValueRange args) -> Value {
                  Value code = lookUp(n, at, args[0], bytes, packed, format);
                  return arith::AddIOp::create(n, at, args[1], code);
                });
    Value y = elementwise(
        b, loc, sums, empty(b, loc, {rows, outputs}, b.getF32Type()),
        [&](OpBuilder &n, Location at, ValueRange args) -> Value {
          Decoder d{n, at, bytes};
          Value scale = d.f32At(d.index(0)), offset = d.f32At(d.index(4));
          Value products = d.mulf(scale, d.toFloat(args[0]));
          Value offsets = d.mulf(offset, d.f32(static_cast<double>(pieces)));
          return d.addf(products, offsets);
        });
    rewriter.replaceOp(op, likeType(b, loc, y, op.getResults()[0].getType()));
    return success();
  }

private:
  /// The code of the table for one output and one piece.
  static Value lookUp(OpBuilder &n, Location at, Value assigned, Value bytes,
                      PackedType packed, CodebookFormatAttr format) {
    Decoder d{n, at, bytes};
    Value output = linalg::IndexOp::create(n, at, 1);
    Value piece = linalg::IndexOp::create(n, at, 2);
    Value group = d.div(output, format.getGroup());
    CodebookLayout layout = layoutOf(packed);
    auto block = [&](const CodebookPart &part) -> Value {
      return d.add(
          d.add(d.mul(group, part.perGroup), d.mul(piece, part.perPiece)),
          part.first);
    };
    Value entry =
        d.code(block(layout.indices), d.rem(output, format.getGroup()),
               format.getIndexBits());
    Value low = arith::MaxSIOp::create(n, at, assigned, d.i32(0));
    Value number = arith::MinSIOp::create(
        n, at, low, d.i32(format.getActivationEntries() - 1));
    Value row = d.add(block(layout.tables),
                      d.mul(d.toIndex(number), layout.tables.perActivation));
    return d.code(row, d.toIndex(entry),
                  format.getTable() == TableKind::I4 ? 4 : 8);
  }
};

} // namespace

void headrace::common::populateDecomposeTablePatterns(
    RewritePatternSet &patterns, const TypeConverter &types) {
  patterns.add<DecomposeAssignCentroids, DecomposeLutMatvec>(
      types, patterns.getContext());
}
