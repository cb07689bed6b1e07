//===- VectorBuilder.h - short names for vector code ------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_VECTORBUILDER_H
#define HEADRACE_PASSES_CPU_VECTORBUILDER_H

#include "passes/common/VectorBuilder.h"

namespace headrace::cpu {
using common::VectorBuilder;
} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_VECTORBUILDER_H
