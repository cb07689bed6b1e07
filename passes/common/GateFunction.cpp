//===- GateFunction.cpp - silu and gelu on vectors ------------------------===//

#include "passes/common/GateFunction.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace headrace::common;
using headrace::qlinear::Activation;

static Value splatLike(VectorBuilder &v, Value like, double value) {
  if (auto type = dyn_cast<VectorType>(like.getType()))
    return v.splat(type, value);
  return v.constF(value);
}

// x / (1 + exp(-s x)): silu with s = 1; gelu_tanh is the same curve along
// another argument, as (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)).
Value headrace::common::activate(VectorBuilder &v, Activation kind, Value x) {
  Value argument = x;
  if (kind == Activation::GeluTanh) {
    Value cube = v.mulf(v.mulf(x, x), x);
    Value inner = v.addf(x, v.mulf(splatLike(v, x, 0.044715), cube));
    argument = v.mulf(splatLike(v, x, 2 * 0.7978845608028654), inner);
  }
  Value e = math::ExpOp::create(v.b, v.loc, v.negf(argument));
  return v.divf(x, v.addf(splatLike(v, x, 1.0), e));
}
