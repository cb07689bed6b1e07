//===- CoreMatmul.h - matrix products in cores ------------------*- C++ -*-===//
//
// Cores multiply matrices in tiles of M x K by K x N numbers. Blocks of packed
// weights become bf16 in the order of such tiles, which then serve many tokens:
//
//   x        [tokens / M][columns / K][M][K]   bf16
//   weights  [rows / N][columns / K][K][N]     bf16
//   y        [tokens / M][rows / N][M][N]      f32
//
// A sum is that of the products in ascending order of the columns, each added
// to it with one rounding.
//
// Where cores multiply bfp16 (XDNA 2), both factors are split into two of
// these, and three of the four products are added, tile by tile: that of the
// second parts is left out.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_AIE_COREMATMUL_H
#define HEADRACE_PASSES_AIE_COREMATMUL_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "passes/common/VectorBuilder.h"

#include <optional>

namespace headrace::aie {

/// What a core multiplies at a time: `m` tokens by `k` columns by `n` rows of
/// weights.
struct TileShape {
  int64_t m, k, n;
  /// Whether factors are bfp16, of which eight have an exponent.
  bool blocks;
};
/// Of text such as `8x8x8`; none if cores have no such product.
std::optional<TileShape> parseTile(llvm::StringRef text);

/// Weights of columns `part * columns` to `(part + 1) * columns` of blocks of
/// 32 rows by 128 columns. Arguments: the blocks' bytes, the weights, the part.
mlir::LogicalResult buildDequantize(common::VectorBuilder &v,
                                    llvm::StringRef format, TileShape tile,
                                    int64_t columns,
                                    mlir::func::FuncOp function);
/// `y += x * weights`. Arguments: x, weights, y.
mlir::LogicalResult buildMultiply(common::VectorBuilder &v, TileShape tile,
                                  int64_t columns, mlir::func::FuncOp function);

/// The function that splits 64 bf16 into two times 64 that are bfp16.
constexpr llvm::StringLiteral kSplitBlocks = "split_bfp16";
/// That in `cores`, which has it from now on.
mlir::func::FuncOp getSplitBlocks(mlir::ModuleOp cores, mlir::Location loc);

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_COREMATMUL_H
