//===- ZigzagProducts.h - products with whole zigzag weights ----*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_ZIGZAGPRODUCTS_H
#define HEADRACE_PASSES_CPU_ZIGZAGPRODUCTS_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

/// Whether `emitZigzagProduct` can multiply with weights of this type: slices
/// of columns in multiples of 32.
bool canMultiplyZigzag(qlinear::PackedType weight);

/// The products of one row with all weights, f32 x 16 each, to what is stored.
using ZigzagEpilogue = llvm::function_ref<mlir::Value(
    VectorBuilder &, llvm::ArrayRef<mlir::Value>)>;

/// Stores the products of `weights` with `x`, of one token ([M]), joined by
/// `epilogue`, to the rows `range` of `init`. Nibbles become f32 as `dot`
/// allows.
void emitZigzagVector(
    VectorBuilder &v,
    llvm::ArrayRef<mlir::TypedValue<qlinear::PackedType>> weights,
    mlir::Value x, mlir::Value init, DotKind dot, RowRange range,
    ZigzagEpilogue epilogue);

/// The same for several tokens ([N, M]) and one weight.
void emitZigzagTokens(VectorBuilder &v,
                      mlir::TypedValue<qlinear::PackedType> weight,
                      mlir::Value x, mlir::Value init, int64_t tokens,
                      DotKind dot, RowRange range);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ZIGZAGPRODUCTS_H
