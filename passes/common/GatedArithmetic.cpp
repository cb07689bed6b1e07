//===- GatedArithmetic.cpp - recognise gated activations ------------------===//

#include "passes/common/GatedArithmetic.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <cmath>

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

} // namespace

std::optional<Gated> headrace::common::matchGated(const ElementTracer &tracer,
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
