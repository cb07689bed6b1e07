//===- FuseGatedMatvec.cpp - act(gate * x) * (up * x) as one product ------===//

#include "dialects/QLinear/OpVerification.h"
#include "passes/common/ElementTracer.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Transforms/GreedyPatternRewriteDriver.h"

#include <cmath>

namespace headrace::common {
#define GEN_PASS_DEF_FUSEGATEDMATVEC
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

bool isNear(double value, double wanted) {
  return std::abs(value - wanted) <= 1e-5 * std::abs(wanted);
}

//===----------------------------------------------------------------------===//
// Arithmetic in normal form
//===----------------------------------------------------------------------===//

/// A number times elements, by other elements.
struct Product {
  double number = 1.0;
  SmallVector<Element> over, under;
};

/// A number plus elements.
struct Sum {
  double number = 0.0;
  SmallVector<Element> terms;
};

/// Takes the arithmetic that computes an element apart, however it is grouped
/// and in however many linalg operations it is.
struct Arithmetic {
  const ElementTracer &tracer;
  /// Gated activations are small; powers of powers would have no end.
  int budget = 64;

  Product product(const Element &element) {
    Product found;
    multiply(found, element, /*inverse=*/false);
    return found;
  }
  Sum sum(const Element &element) {
    Sum found;
    add(found, element);
    return found;
  }
  /// What `Op` of one operand is applied to.
  template <typename Op>
  std::optional<Element> argument(const Element &element) {
    Element found = tracer.computed(element);
    if (!found.value.getDefiningOp<Op>())
      return std::nullopt;
    return tracer.operand(found, 0);
  }

private:
  void multiply(Product &into, const Element &element, bool inverse) {
    Element found = tracer.computed(element);
    if (std::optional<double> number = tracer.constant(found)) {
      into.number = inverse ? into.number / *number : into.number * *number;
      return;
    }
    Operation *op = found.value.getDefiningOp();
    if (--budget > 0 && isa_and_nonnull<arith::MulFOp, arith::DivFOp>(op)) {
      multiply(into, tracer.operand(found, 0), inverse);
      multiply(into, tracer.operand(found, 1),
               isa<arith::DivFOp>(op) ? !inverse : inverse);
    } else if (budget > 0 && isa_and_nonnull<arith::NegFOp>(op)) {
      into.number = -into.number;
      multiply(into, tracer.operand(found, 0), inverse);
    } else if (budget > 0 && isa_and_nonnull<math::PowFOp, math::FPowIOp>(op) &&
               tracer.constant(tracer.operand(found, 1)) == 3.0) {
      for (int i = 0; i < 3; ++i)
        multiply(into, tracer.operand(found, 0), inverse);
    } else {
      (inverse ? into.under : into.over).push_back(found);
    }
  }

  void add(Sum &into, const Element &element) {
    Element found = tracer.computed(element);
    if (std::optional<double> number = tracer.constant(found)) {
      into.number += *number;
      return;
    }
    if (--budget > 0 && found.value.getDefiningOp<arith::AddFOp>()) {
      add(into, tracer.operand(found, 0));
      add(into, tracer.operand(found, 1));
    } else {
      into.terms.push_back(found);
    }
  }
};

/// act(gate) * up, of elements.
struct Gated {
  Activation activation;
  Element gate, up;
};

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

/// The g of 1 + exp(-g).
std::optional<Element> silu(Arithmetic &a, const Element &element) {
  Sum sum = a.sum(element);
  if (!isNear(sum.number, 1.0) || sum.terms.size() != 1)
    return std::nullopt;
  std::optional<Element> exponent = a.argument<math::ExpOp>(sum.terms[0]);
  if (!exponent)
    return std::nullopt;
  Product minus = a.product(*exponent);
  if (!isNear(minus.number, -1.0) || minus.over.size() != 1 ||
      !minus.under.empty())
    return std::nullopt;
  return minus.over[0];
}

/// Whether `element` is 0.044715 times as many `g`.
bool isCubicTerm(Arithmetic &a, const Element &element, const Element &g,
                 size_t power) {
  Product product = a.product(element);
  return isNear(product.number, 0.044715) && product.over.size() == power &&
         product.under.empty() && llvm::all_of(product.over, [&](Element &e) {
           return a.tracer.same(e, g);
         });
}

/// sqrt(2 / pi), which torch-mlir's lowering of GELU rounds to 0.797724.
bool isRoot(double value) {
  return isNear(value, 0.7978845608) || isNear(value, 0.797724);
}

/// Whether `element` is 1 + tanh(sqrt(2 / pi) (g + 0.044715 g^3)).
bool isGeluTanh(Arithmetic &a, const Element &element, const Element &g) {
  Sum sum = a.sum(element);
  if (!isNear(sum.number, 1.0) || sum.terms.size() != 1)
    return false;
  std::optional<Element> inner = a.argument<math::TanhOp>(sum.terms[0]);
  if (!inner)
    return false;
  Product scaled = a.product(*inner);
  if (!isRoot(scaled.number) || !scaled.under.empty())
    return false;
  if (scaled.over.size() == 1) {
    Sum cubic = a.sum(scaled.over[0]);
    if (cubic.number != 0.0 || cubic.terms.size() != 2)
      return false;
    bool first = a.tracer.same(cubic.terms[0], g);
    return (first || a.tracer.same(cubic.terms[1], g)) &&
           isCubicTerm(a, cubic.terms[first ? 1 : 0], g, 3);
  }
  // g (1 + 0.044715 g^2)
  if (scaled.over.size() != 2)
    return false;
  bool first = a.tracer.same(scaled.over[0], g);
  if (!first && !a.tracer.same(scaled.over[1], g))
    return false;
  Sum square = a.sum(scaled.over[first ? 1 : 0]);
  return isNear(square.number, 1.0) && square.terms.size() == 1 &&
         isCubicTerm(a, square.terms[0], g, 2);
}

/// `element` as a gated activation.
std::optional<Gated> matchGated(const ElementTracer &tracer,
                                const Element &element) {
  Arithmetic a{tracer};
  Product whole = a.product(element);
  SmallVector<Element> &over = whole.over;
  if (isNear(whole.number, 1.0) && whole.under.size() == 1 &&
      over.size() == 2) {
    std::optional<Element> gate = silu(a, whole.under[0]);
    for (int i = 0; gate && i < 2; ++i)
      if (tracer.same(over[i], *gate))
        return Gated{Activation::SiLU, over[i], over[1 - i]};
  }
  if (isNear(whole.number, 0.5) && whole.under.empty() && over.size() == 3)
    for (int i = 0; i < 3; ++i)
      for (int g : {(i + 1) % 3, (i + 2) % 3})
        if (isGeluTanh(a, over[i], over[g]))
          return Gated{Activation::GeluTanh, over[g], over[3 - i - g]};
  return std::nullopt;
}

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
  if (gate->getDiscardableAttrDictionary() !=
      up->getDiscardableAttrDictionary())
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
  fused->setDiscardableAttrs(gate->getDiscardableAttrDictionary());
  rewriter.replaceOp(
      op, reshaped(rewriter, loc, fused.getResult(0), result.getShape()));
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
    if (!type.getElementType().isF32() || type.getRank() == 0)
      return rewriter.notifyMatchFailure(op, "is not of f32");
    ElementTracer tracer(getContext(), type.getShape());
    std::optional<Gated> gated = matchGated(
        tracer, tracer.element(op->getResult(0), coordinates(tracer)));
    if (!gated)
      return rewriter.notifyMatchFailure(op, "is no gated activation");
    return fuse(rewriter, op, tracer, *gated);
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
