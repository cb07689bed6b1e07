//===- Transpose.h - 16 vectors of 16 lanes ---------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_TRANSPOSE_H
#define HEADRACE_PASSES_CPU_TRANSPOSE_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// What an exchange of lanes `span` apart between two rows makes of each.
struct LaneExchange {
  llvm::SmallVector<int64_t> low, high;
  explicit LaneExchange(int64_t span) {
    for (int64_t lane = 0; lane < 16; ++lane) {
      bool upper = lane & span;
      low.push_back(upper ? 16 + lane - span : lane);
      high.push_back(upper ? 16 + lane : lane + span);
    }
  }
};

/// Lane j of row i becomes lane i of row j: halves are exchanged, then
/// quarters, ...
inline void transpose16(VectorBuilder &v,
                        llvm::MutableArrayRef<mlir::Value> rows) {
  for (int64_t span = 8; span > 0; span /= 2) {
    LaneExchange exchange(span);
    for (int64_t i = 0; i < 16; ++i) {
      if (i & span)
        continue;
      mlir::Value a = rows[i], b = rows[i + span];
      rows[i] = v.shuffle(a, b, exchange.low);
      rows[i + span] = v.shuffle(a, b, exchange.high);
    }
  }
}

/// All lanes of row i combined, in lane i.
inline mlir::Value combineRows16(
    VectorBuilder &v, llvm::SmallVector<mlir::Value> rows,
    llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine) {
  for (int64_t span = 8; span > 0; span /= 2) {
    LaneExchange exchange(span);
    for (int64_t i = 0; i < span; ++i)
      rows[i] = combine(v.shuffle(rows[i], rows[i + span], exchange.low),
                        v.shuffle(rows[i], rows[i + span], exchange.high));
  }
  return rows[0];
}

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_TRANSPOSE_H
