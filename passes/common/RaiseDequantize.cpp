//===- RaiseDequantize.cpp - recognise weights that are dequantized -------===//

#include "passes/common/AffineMatcher.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace headrace::common {
#define GEN_PASS_DEF_RAISEDEQUANTIZE
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// The dimensions of a matrix operand of a contraction.
struct WeightAxes {
  int64_t rows, cols;
  /// Whether the matrix is [cols, rows]; sums are over cols.
  bool transposed;
};

/// What a matrix is to a contraction; none if it is no weight: a matrix of f32
/// with one axis that is summed over and one that only it has.
std::optional<WeightAxes> weightAxes(linalg::LinalgOp op, unsigned index) {
  OpOperand *operand = op.getDpsInputOperand(index);
  auto type = dyn_cast<RankedTensorType>(operand->get().getType());
  if (!type || type.getRank() != 2 || !type.hasStaticShape() ||
      !type.getElementType().isF32() ||
      llvm::any_of(type.getShape(), [](int64_t size) {
        return size < 1 || size > PackedType::kMaxSide;
      }))
    return std::nullopt;
  AffineMap map = op.getMatchingIndexingMap(operand);
  AffineMap other = op.getMatchingIndexingMap(op.getDpsInputOperand(1 - index));
  auto first = dyn_cast<AffineDimExpr>(map.getResult(0));
  auto second = dyn_cast<AffineDimExpr>(map.getResult(1));
  if (!first || !second)
    return std::nullopt;
  auto isReduction = [&](AffineDimExpr dim) {
    return op.getIteratorTypesArray()[dim.getPosition()] == kReduction;
  };
  if (isReduction(first) == isReduction(second))
    return std::nullopt;
  bool transposed = isReduction(first);
  if (other.isFunctionOfDim((transposed ? second : first).getPosition()))
    return std::nullopt;
  return WeightAxes{type.getDimSize(transposed), type.getDimSize(!transposed),
                    transposed};
}

struct RaiseWeight : OpInterfaceRewritePattern<linalg::LinalgOp> {
  using OpInterfaceRewritePattern::OpInterfaceRewritePattern;

  LogicalResult matchAndRewrite(linalg::LinalgOp op,
                                PatternRewriter &rewriter) const override {
    if (!linalg::isaContractionOpInterface(op) || !op.hasPureTensorSemantics())
      return failure();
    bool changed = false;
    for (unsigned i : {0, 1}) {
      OpOperand *operand = op.getDpsInputOperand(i);
      std::optional<WeightAxes> axes = weightAxes(op, i);
      if (!axes)
        continue;
      AffineMatcher matcher(op.getContext(), axes->rows, axes->cols);
      std::optional<AffineParts> parts =
          matcher.match(operand->get(), axes->transposed);
      if (!parts)
        continue;
      Value weight = dequantized(rewriter, op.getLoc(), *parts, *axes);
      rewriter.modifyOpInPlace(op, [&] { operand->set(weight); });
      changed = true;
    }
    return success(changed);
  }

  Value dequantized(PatternRewriter &b, Location loc, const AffineParts &parts,
                    const WeightAxes &axes) const {
    Value packed = packAffine(b, loc, parts, axes.rows, axes.cols);
    Value init = empty(b, loc, {axes.rows, axes.cols}, b.getF32Type());
    Value matrix = DequantizeOp::create(b, loc, init.getType(), packed, init)
                       ->getResult(0);
    if (!axes.transposed)
      return matrix;
    init = empty(b, loc, {axes.cols, axes.rows}, b.getF32Type());
    return linalg::TransposeOp::create(b, loc, matrix, init,
                                       ArrayRef<int64_t>{1, 0})
        ->getResult(0);
  }
};

struct RaiseDequantizePass
    : headrace::common::impl::RaiseDequantizeBase<RaiseDequantizePass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<RaiseWeight>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
