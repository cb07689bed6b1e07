//===- FloatMatmul.h - products of many tokens with 16-bit floats -*- C++
//-*-===//

#ifndef HEADRACE_PASSES_CPU_FLOATMATMUL_H
#define HEADRACE_PASSES_CPU_FLOATMATMUL_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

/// Whether `emitFloatMatmul` takes a weight, activations of type `x` and
/// `tokens` tokens, and is worth it.
bool canFloatMatmul(qlinear::PackedType weight, mlir::Type x, int64_t tokens,
                    DotKind dot);

/// `init[token, row] = sum_k x[token, k] * weight[row, k]` for the rows of
/// `range`, all tokens, in f32.
void emitFloatMatmul(VectorBuilder &v,
                     mlir::TypedValue<qlinear::PackedType> weight,
                     mlir::Value x, mlir::Value init, int64_t tokens,
                     DotKind dot, RowRange range);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_FLOATMATMUL_H
