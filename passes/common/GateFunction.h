//===- GateFunction.h - silu and gelu on vectors ----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_GATEFUNCTION_H
#define HEADRACE_PASSES_COMMON_GATEFUNCTION_H

#include "dialects/QLinear/QLinear.h"
#include "passes/common/VectorBuilder.h"

namespace headrace::common {

/// The function of a gated product on `x`, f32 or a vector of it.
mlir::Value activate(VectorBuilder &v, qlinear::Activation kind, mlir::Value x);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_GATEFUNCTION_H
