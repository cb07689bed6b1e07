//===- GateFunction.h - silu and gelu on vectors ----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_GATEFUNCTION_H
#define HEADRACE_PASSES_CPU_GATEFUNCTION_H

#include "passes/common/GateFunction.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {
using common::activate;
} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_GATEFUNCTION_H
