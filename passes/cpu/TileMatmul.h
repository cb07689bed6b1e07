//===- TileMatmul.h - products of many tokens with GGUF weights -*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_TILEMATMUL_H
#define HEADRACE_PASSES_CPU_TILEMATMUL_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

/// Whether `emitTileMatmul` takes a weight, its activations and `tokens`
/// tokens, and is worth it: unpacking a tile pays from a few tokens on.
bool canTileMatmul(qlinear::PackedType weight, mlir::Value x, int64_t tokens);

/// `init[token, row] = sum_k x[token, k] * weight[row, k]` for the rows of
/// `range`, all tokens. `scratchBlock` is the kernel's entry block, where the
/// tile's buffers are allocated.
void emitTileMatmul(VectorBuilder &v,
                    mlir::TypedValue<qlinear::PackedType> weight, mlir::Value x,
                    mlir::Value init, int64_t tokens, DotKind dot,
                    RowRange range, mlir::Block *scratchBlock);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_TILEMATMUL_H
