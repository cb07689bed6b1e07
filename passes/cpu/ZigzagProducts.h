//===- ZigzagProducts.h - products with whole zigzag weights ----*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_ZIGZAGPRODUCTS_H
#define HEADRACE_PASSES_CPU_ZIGZAGPRODUCTS_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

/// Whether `emitZigzagProduct` can multiply with weights of this type: slices
/// of columns in multiples of 32.
bool canMultiplyZigzag(qlinear::PackedType weight);

/// Stores the product of `weight` with `x`, of one token ([M]) or of several
/// ([N, M]), to the rows `range` of `init`. Nibbles become f32 as `dot` allows.
void emitZigzagProduct(VectorBuilder &v,
                       mlir::TypedValue<qlinear::PackedType> weight,
                       mlir::Value x, mlir::Value init, int64_t tokens,
                       DotKind dot, RowRange range);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ZIGZAGPRODUCTS_H
