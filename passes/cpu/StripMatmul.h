//===- StripMatmul.h - products of many tokens with strips ------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_STRIPMATMUL_H
#define HEADRACE_PASSES_CPU_STRIPMATMUL_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

/// Whether `emitStripMatmul` takes a weight, its activations and `tokens`
/// tokens, and is worth it.
bool canStripMatmul(qlinear::PackedType weight, mlir::Value x, int64_t tokens);

/// `init[token, row] = sum_k x[token, k] * weight[row, k]` for the rows of
/// `range`, all tokens.
void emitStripMatmul(VectorBuilder &v,
                     mlir::TypedValue<qlinear::PackedType> weight,
                     mlir::Value x, mlir::Value init, int64_t tokens,
                     DotKind dot, RowRange range);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_STRIPMATMUL_H
