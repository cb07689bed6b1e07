//===- RaiseAttention.cpp - recognise attention in linalg -----------------===//

#include "dialects/QLinear/OpVerification.h"
#include "passes/common/AttentionMask.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"
#include "passes/common/SoftmaxMatcher.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>

namespace headrace::common {
#define GEN_PASS_DEF_RAISEATTENTION
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using headrace::qlinear::isCountable;

namespace {

/// Products of matrices of f32 for each head, added to zeros.
struct HeadProduct {
  linalg::BatchMatmulOp op;
  int64_t heads, rows, inner, cols;

  static std::optional<HeadProduct> get(linalg::BatchMatmulOp op) {
    auto lhs = dyn_cast<RankedTensorType>(op.getInputs()[0].getType());
    auto out = dyn_cast<RankedTensorType>(op.getOutputs()[0].getType());
    auto rhs = dyn_cast<RankedTensorType>(op.getInputs()[1].getType());
    if (!lhs || !rhs || !out || !isCountable(lhs) || !isCountable(rhs) ||
        !isCountable(out) || !lhs.getElementType().isF32() ||
        !out.getElementType().isF32() || op.hasUserDefinedMaps())
      return std::nullopt;
    // How many heads share keys is found by trying.
    if (out.getDimSize(0) > 1 << 16)
      return std::nullopt;
    ElementTracer tracer(op.getContext(), out.getShape());
    Element init = tracer.element(
        op.getOutputs()[0],
        {tracer.coordinate(0), tracer.coordinate(1), tracer.coordinate(2)});
    if (tracer.constant(init) != 0.0)
      return std::nullopt;
    return HeadProduct{op, out.getDimSize(0), out.getDimSize(1),
                       lhs.getDimSize(2), out.getDimSize(2)};
  }
};

/// What attention does with products of queries and keys.
struct Scores {
  HeadProduct product;
  VisibleKeys visible;
  double scale = 1;
  std::optional<double> softcap;
};

class AttentionMatcher {
public:
  explicit AttentionMatcher(HeadProduct values)
      : values(values), scores(values.op.getContext(),
                               {values.heads, values.rows, values.inner}) {}

  /// Attention whose result, with heads first, is the product.
  std::optional<PlainAttention> match(OpBuilder &b);

private:
  std::optional<Scores> matchScores(Element element);
  bool matchMask(Element &element, Scores &found);
  bool matchFactor(const ElementTracer &tracer, Element &element,
                   double &factor);
  AffineExpr dim(unsigned i) const { return scores.coordinate(i); }

  HeadProduct values;
  ElementTracer scores; // of elements at (head, query, key)
};

/// Takes a constant factor off an element.
bool AttentionMatcher::matchFactor(const ElementTracer &tracer,
                                   Element &element, double &factor) {
  Element value = tracer.computed(element);
  if (computedBy<arith::DivFOp>(value)) {
    std::optional<double> by = tracer.constant(tracer.operand(value, 1));
    if (!by || *by == 0)
      return false;
    factor /= *by;
    element = tracer.argument(tracer.operand(value, 0));
    return true;
  }
  if (!computedBy<arith::MulFOp>(value))
    return false;
  for (unsigned i : {0, 1}) {
    std::optional<double> by = tracer.constant(tracer.operand(value, 1 - i));
    if (!by)
      continue;
    factor *= *by;
    element = tracer.argument(tracer.operand(value, i));
    return true;
  }
  return false;
}

/// Takes a mask off a score: one that is added, or a choice.
bool AttentionMatcher::matchMask(Element &element, Scores &found) {
  Element value = scores.computed(element);
  if (computedBy<arith::AddFOp>(value)) {
    for (unsigned i : {0, 1}) {
      std::optional<VisibleKeys> visible =
          visibleKeys(scores, scores.operand(value, 1 - i), /*inverted=*/false);
      if (!visible)
        continue;
      found.visible = *visible;
      element = scores.argument(scores.operand(value, i));
      return true;
    }
    return false;
  }
  if (!computedBy<arith::SelectOp>(value))
    return false;
  for (unsigned i : {1, 2}) {
    std::optional<double> hidden =
        scores.constant(scores.operand(value, 3 - i));
    if (!hidden || *hidden > -1e8)
      continue;
    std::optional<VisibleKeys> visible =
        visibleKeys(scores, scores.operand(value, 0), /*inverted=*/i == 2);
    if (!visible)
      return false;
    found.visible = *visible;
    element = scores.argument(scores.operand(value, i));
    return true;
  }
  return false;
}

std::optional<Scores> AttentionMatcher::matchScores(Element element) {
  Scores found{values, {}, 1, std::nullopt};
  matchMask(element, found);
  while (matchFactor(scores, element, found.scale)) {
  }
  Element value = scores.computed(element);
  if (computedBy<math::TanhOp>(value)) {
    // cap * tanh(scale / cap * product)
    found.softcap = found.scale;
    element = scores.argument(scores.operand(value, 0));
    while (matchFactor(scores, element, found.scale)) {
    }
    value = scores.computed(element);
  }
  auto op = value.value.getDefiningOp<linalg::BatchMatmulOp>();
  std::optional<HeadProduct> product = op ? HeadProduct::get(op) : std::nullopt;
  if (!product || value.at.getNumResults() != 3)
    return std::nullopt;
  for (unsigned i = 0; i < 3; ++i)
    if (!scores.equal(value.at.getResult(i), dim(i)))
      return std::nullopt;
  found.product = *product;
  return found;
}

/// Keys or values, at coordinates (head, token, dimension), as a tensor of
/// tokens, heads and dimensions, each head once.
std::optional<Arrangement> matchTokens(const ElementTracer &tracer,
                                       const Element &element, int64_t groups) {
  int64_t shared = tracer.getExtents()[0] / groups;
  return tracer.arrange(
      element,
      {tracer.coordinate(1), tracer.coordinate(0).floorDiv(shared),
       tracer.coordinate(2)},
      {tracer.getExtents()[1], groups, tracer.getExtents()[2]});
}

std::optional<PlainAttention> AttentionMatcher::match(OpBuilder &b) {
  std::optional<Element> element = matchSoftmax(
      scores,
      scores.element(values.op.getInputs()[0], {dim(0), dim(1), dim(2)}), 2);
  std::optional<Scores> found = element ? matchScores(*element) : std::nullopt;
  if (!found)
    return std::nullopt;
  MLIRContext *context = b.getContext();
  linalg::BatchMatmulOp product = found->product.op;
  int64_t heads = values.heads, queries = values.rows, keys = values.inner;
  int64_t size = found->product.inner;

  // Scales may be on queries and keys before the product.
  ElementTracer ofQ(context, {heads, queries, size});
  Element q = ofQ.element(product.getInputs()[0], {dim(0), dim(1), dim(2)});
  ElementTracer ofK(context, {heads, keys, size});
  Element k = ofK.element(product.getInputs()[1], {dim(0), dim(2), dim(1)});
  ElementTracer ofV(context, {heads, keys, values.cols});
  Element v = ofV.element(values.op.getInputs()[1], {dim(0), dim(1), dim(2)});
  while (matchFactor(ofQ, q, found->scale) ||
         matchFactor(ofK, k, found->scale)) {
  }
  // What prefill's attributes can say.
  auto softcap = static_cast<float>(found->softcap.value_or(1));
  if (!std::isfinite(static_cast<float>(found->scale)) || softcap <= 0 ||
      !std::isfinite(softcap) || !llvm::isInt<32>(found->visible.offset))
    return std::nullopt;
  std::optional<Arrangement> qTokens = matchTokens(ofQ, q, heads);
  if (!qTokens)
    return std::nullopt;
  for (int64_t groups = 1; groups <= heads; ++groups) {
    if (heads % groups)
      continue;
    std::optional<Arrangement> kTokens = matchTokens(ofK, k, groups);
    std::optional<Arrangement> vTokens = matchTokens(ofV, v, groups);
    if (!kTokens || !vTokens)
      continue;
    Location loc = values.op.getLoc();
    PlainAttention attention;
    attention.q = arranged(b, loc, *qTokens, {queries, heads, size});
    attention.k = arranged(b, loc, *kTokens, {keys, groups, size});
    attention.v = arranged(b, loc, *vTokens, {keys, groups, values.cols});
    attention.visible = found->visible;
    attention.scale = found->scale;
    attention.softcap = found->softcap;
    return attention;
  }
  return std::nullopt;
}

struct RaiseProductOfSoftmax : OpRewritePattern<linalg::BatchMatmulOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::BatchMatmulOp op,
                                PatternRewriter &rewriter) const override {
    std::optional<HeadProduct> product = HeadProduct::get(op);
    if (!product)
      return failure();
    std::optional<PlainAttention> attention =
        AttentionMatcher(*product).match(rewriter);
    if (!attention)
      return failure();
    Value result = createPrefill(rewriter, op.getLoc(), *attention);
    Value init = empty(rewriter, op.getLoc(),
                       {product->heads, product->rows, product->cols},
                       rewriter.getF32Type());
    rewriter.replaceOpWithNewOp<linalg::TransposeOp>(
        op, result, init, ArrayRef<int64_t>{1, 0, 2});
    return success();
  }
};

/// Transpositions that undo each other, with reshapes between them.
struct FoldTranspose : OpRewritePattern<linalg::TransposeOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(linalg::TransposeOp op,
                                PatternRewriter &rewriter) const override {
    auto type = dyn_cast<RankedTensorType>(op.getInit().getType());
    if (!type || !type.hasStaticShape() || op->getNumResults() != 1)
      return failure();
    ElementTracer tracer(op.getContext(), type.getShape());
    SmallVector<AffineExpr> coordinates;
    for (int64_t i = 0; i < type.getRank(); ++i)
      coordinates.push_back(tracer.coordinate(i));
    std::optional<Element> before =
        tracer.moved(tracer.element(op->getResult(0), coordinates));
    if (!before)
      return failure();
    std::optional<Arrangement> found =
        tracer.arrange(*before, coordinates, type.getShape());
    if (!found || !llvm::is_sorted(found->axes))
      return failure();
    rewriter.replaceOp(
        op, reshaped(rewriter, op.getLoc(), found->source, type.getShape()));
    return success();
  }
};

struct RaiseAttentionPass
    : headrace::common::impl::RaiseAttentionBase<RaiseAttentionPass> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<RaiseProductOfSoftmax, FoldTranspose>(&getContext());
    if (failed(applyPatternsGreedily(getOperation(), std::move(patterns))))
      signalPassFailure();
  }
};

} // namespace
