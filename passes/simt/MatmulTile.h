//===- MatmulTile.h - how a product of many tokens is cut -------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_MATMULTILE_H
#define HEADRACE_PASSES_SIMT_MATMULTILE_H

#include "passes/simt/ColumnDecoder.h"

#include "llvm/Support/MathExtras.h"

#include <algorithm>

namespace headrace::simt {

/// Rows and columns of the matrices that a subgroup multiplies.
constexpr int64_t kMatrix = 8;
/// Subgroups of a workgroup, which share the rows of a slice.
constexpr int64_t kMatmulSubgroups = 8;
/// Most tokens of a workgroup: their sums are 32 registers of a lane.
constexpr int64_t kMostTileTokens = 32;

/// What one workgroup computes.
struct MatmulTile {
  int64_t rows, tokens;
  /// Tiles of tokens.
  int64_t count;
};

/// init: [N, M]. Workgroups next to each other have the same rows.
inline MatmulTile tileMatmul(qlinear::PackedType weight,
                             mlir::ShapedType init) {
  int64_t all = init.getDimSize(0);
  int64_t tokens = std::min(kMostTileTokens,
                            static_cast<int64_t>(llvm::alignTo(all, kMatrix)));
  return {sliceRows(weight), tokens,
          static_cast<int64_t>(llvm::divideCeil(all, tokens))};
}

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_MATMULTILE_H
