//===- GateFunction.h - silu and gelu on vectors ----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_GATEFUNCTION_H
#define HEADRACE_PASSES_CPU_GATEFUNCTION_H

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// The function of a gated product on `x`, f32 or a vector of it.
mlir::Value activate(VectorBuilder &v, qlinear::Activation kind, mlir::Value x);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_GATEFUNCTION_H
