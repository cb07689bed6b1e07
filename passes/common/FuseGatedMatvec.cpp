//===- FuseGatedMatvec.cpp - act(gate * x) * (up * x) as one product ------===//

#include "dialects/QLinear/OpVerification.h"
#include "passes/common/GatedArithmetic.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

namespace headrace::common {
#define GEN_PASS_DEF_FUSEGATEDMATVEC
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// Whether all that is made of `value` goes into `root`.
bool isOnlyFor(Value value, Operation *root) {
  SmallVector<Value> open{value};
  llvm::SmallPtrSet<Operation *, 16> seen{root};
  while (!open.empty())
    for (Operation *user : open.pop_back_val().getUsers()) {
      if (!seen.insert(user).second)
        continue;
      if (user->getNumResults() == 0 || user->getBlock() != root->getBlock())
        return false;
      llvm::append_range(open, user->getResults());
    }
  return true;
}

/// The indices of an element; 0 where there is no other.
SmallVector<AffineExpr> coordinates(const ElementTracer &tracer) {
  SmallVector<AffineExpr> found;
  for (auto [i, size] : llvm::enumerate(tracer.getExtents()))
    found.push_back(size == 1 ? tracer.number(0) : tracer.coordinate(i));
  return found;
}

/// Whether two activations are the same, reshapes aside.
bool areSame(Value lhs, Value rhs) {
  if (lhs == rhs)
    return true;
  auto type = dyn_cast<RankedTensorType>(lhs.getType());
  if (!type || type != rhs.getType())
    return false;
  ElementTracer tracer(type.getContext(), type.getShape());
  SmallVector<AffineExpr> at = coordinates(tracer);
  return tracer.same(tracer.element(lhs, at), tracer.element(rhs, at));
}

/// Replaces `op`, of one result, by a gated product if both elements are those
/// of matvecs of the same activations, one after another.
LogicalResult fuse(PatternRewriter &rewriter, Operation *op,
                   const ElementTracer &tracer, const Gated &gated) {
  Element gateElement = tracer.source(gated.gate);
  Element upElement = tracer.source(gated.up);
  auto gate = gateElement.value.getDefiningOp<MatvecOp>();
  auto up = upElement.value.getDefiningOp<MatvecOp>();
  if (!gate || !up || !areSame(gate.getX(), up.getX()))
    return rewriter.notifyMatchFailure(op, "is not of two products of one x");
  PackedType type = gate.getWeight().getType();
  // Targets have kernels for one format at a time.
  if (type != up.getWeight().getType())
    return rewriter.notifyMatchFailure(op, "has weights of two types");
  if (choicesOf(gate) != choicesOf(up))
    return rewriter.notifyMatchFailure(op, "has different choices for two");
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  AffineExpr linear = tracer.number(0);
  for (auto [index, size] :
       llvm::zip_equal(coordinates(tracer), result.getShape()))
    linear = linear * size + index;
  if (!isCountable(result) || result.getNumElements() != type.getRows() ||
      !tracer.equal(gateElement.at.getResult(0), linear) ||
      !tracer.equal(upElement.at.getResult(0), linear))
    return rewriter.notifyMatchFailure(op, "takes the rows in another order");
  if (!isOnlyFor(gate.getResult(0), op) || !isOnlyFor(up.getResult(0), op))
    return rewriter.notifyMatchFailure(op, "shares a product with others");
  Location loc = op->getLoc();
  Value init = empty(rewriter, loc, {type.getRows()}, rewriter.getF32Type());
  auto fused = GatedMatvecOp::create(rewriter, loc, init.getType(),
                                     gated.activation, gate.getWeight(),
                                     up.getWeight(), gate.getX(), init);
  fused->setDiscardableAttrs(choicesOf(gate));
  rewriter.replaceOp(
      op, reshaped(rewriter, loc, fused.getResult(0), result.getShape()));
  return success();
}

/// Replaces `op` by a gated activation of two products as they are.
LogicalResult formActivation(PatternRewriter &rewriter, Operation *op,
                             const ElementTracer &tracer, const Gated &gated) {
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<Value> inputs;
  for (const Element &element : {gated.gate, gated.up}) {
    std::optional<Arrangement> found =
        tracer.arrange(element, coordinates(tracer), result.getShape());
    if (!found || !llvm::is_sorted(found->axes) ||
        !isa_and_nonnull<MatvecOp, MatmulOp>(found->source.getDefiningOp()))
      return rewriter.notifyMatchFailure(op, "is not of whole products");
    inputs.push_back(found->source);
  }
  auto type = cast<RankedTensorType>(inputs[0].getType());
  if (type != inputs[1].getType())
    return rewriter.notifyMatchFailure(op, "has products of two shapes");
  Value init =
      empty(rewriter, op->getLoc(), type.getShape(), rewriter.getF32Type());
  auto formed =
      GatedActivationOp::create(rewriter, op->getLoc(), type, gated.activation,
                                inputs[0], inputs[1], init);
  rewriter.replaceOp(op, reshaped(rewriter, op->getLoc(), formed.getResult(0),
                                  result.getShape()));
  return success();
}

struct FuseGatedActivation : OpRewritePattern<GatedActivationOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(GatedActivationOp op,
                                PatternRewriter &rewriter) const override {
    if (op.getResults().empty())
      return rewriter.notifyMatchFailure(op, "is not on tensors");
    auto shape = cast<RankedTensorType>(op.getResult(0).getType()).getShape();
    ElementTracer tracer(getContext(), shape);
    SmallVector<AffineExpr> at = coordinates(tracer);
    return fuse(rewriter, op, tracer,
                {op.getActivation(), tracer.element(op.getGate(), at),
                 tracer.element(op.getUp(), at)});
  }
};

struct FuseGatedArithmetic : OpRewritePattern<linalg::GenericOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(linalg::GenericOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.hasPureTensorSemantics() || op->getNumResults() != 1 ||
        op.hasDynamicShape())
      return rewriter.notifyMatchFailure(op, "is not of static tensors");
    auto type = cast<RankedTensorType>(op->getResult(0).getType());
    // Arrangements of many dimensions are too many to try.
    if (!type.getElementType().isF32() || type.getRank() == 0 ||
        type.getRank() > 6 || !isCountable(type))
      return rewriter.notifyMatchFailure(op, "is not of some f32");
    ElementTracer tracer(getContext(), type.getShape());
    std::optional<Gated> gated = matchGated(
        tracer, tracer.element(op->getResult(0), coordinates(tracer)));
    if (!gated)
      return rewriter.notifyMatchFailure(op, "is no gated activation");
    return success(succeeded(fuse(rewriter, op, tracer, *gated)) ||
                   succeeded(formActivation(rewriter, op, tracer, *gated)));
  }
};

struct FuseGatedMatvec
    : headrace::common::impl::FuseGatedMatvecBase<FuseGatedMatvec> {
  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<FuseGatedActivation, FuseGatedArithmetic>(&getContext());
    // What does not match stays as it is.
    GreedyRewriteConfig config;
    config.setRegionSimplificationLevel(GreedySimplifyRegionLevel::Disabled)
        .enableFolding(false)
        .enableConstantCSE(false);
    if (failed(
            applyPatternsGreedily(getOperation(), std::move(patterns), config)))
      signalPassFailure();
  }
};

} // namespace
