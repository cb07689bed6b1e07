//===- Workgroup.h - which rows a workgroup computes ------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_WORKGROUP_H
#define HEADRACE_PASSES_CPU_WORKGROUP_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

struct RowRange {
  mlir::Value first, last; // index, half open
  int64_t most;            // rows of a whole workgroup
};

/// The rows, of `rows` in all, that the current workgroup of the kernel around
/// `op` computes. Emits an error if `op` is in no kernel.
mlir::FailureOr<RowRange> workgroupRows(VectorBuilder &v, mlir::Operation *op,
                                        int64_t rows);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_WORKGROUP_H
