//===- TileMatmul.h - products of many tokens with packed weights -*- C++
//-*-===//

#ifndef HEADRACE_PASSES_CPU_TILEMATMUL_H
#define HEADRACE_PASSES_CPU_TILEMATMUL_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"

namespace headrace::cpu {

/// Whether `emitTileMatmul` takes a weight, activations of type `x` and
/// `tokens` tokens, and is worth it: unpacking a tile pays from a few tokens
/// on.
bool canTileMatmul(qlinear::PackedType weight, mlir::Type x, int64_t tokens);

/// Rows of a workgroup of such a product.
int64_t tileWorkgroupRows(qlinear::PackedType weight, int64_t tokens);

/// `init[token, row] = sum_k x[token, k] * weight[row, k]` for the rows of
/// `range`, all tokens.
void emitTileMatmul(VectorBuilder &v,
                    mlir::TypedValue<qlinear::PackedType> weight, mlir::Value x,
                    mlir::Value init, int64_t tokens, DotKind dot,
                    RowRange range);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_TILEMATMUL_H
