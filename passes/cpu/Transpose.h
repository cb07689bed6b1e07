//===- Transpose.h - 16 vectors of 16 lanes ---------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_TRANSPOSE_H
#define HEADRACE_PASSES_CPU_TRANSPOSE_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Lane j of row i becomes lane i of row j: halves are exchanged, then
/// quarters, ...
inline void transpose16(VectorBuilder &v,
                        llvm::MutableArrayRef<mlir::Value> rows) {
  for (int64_t span = 8; span > 0; span /= 2) {
    llvm::SmallVector<int64_t> low, high;
    for (int64_t lane = 0; lane < 16; ++lane) {
      bool upper = lane & span;
      low.push_back(upper ? 16 + lane - span : lane);
      high.push_back(upper ? 16 + lane : lane + span);
    }
    for (int64_t i = 0; i < 16; ++i) {
      if (i & span)
        continue;
      mlir::Value a = rows[i], b = rows[i + span];
      rows[i] = v.shuffle(a, b, low);
      rows[i + span] = v.shuffle(a, b, high);
    }
  }
}

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_TRANSPOSE_H
