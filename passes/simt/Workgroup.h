//===- Workgroup.h - the threads of a kernel's workgroup --------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_WORKGROUP_H
#define HEADRACE_PASSES_SIMT_WORKGROUP_H

#include "passes/simt/SimtBuilder.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::simt {

/// Subgroups of the workgroups of the kernel that `op` is in; emits an error if
/// it is in none or if they are not whole.
mlir::FailureOr<int64_t> workgroupSubgroups(mlir::Operation *op, int64_t width);

/// The dictionary of the kernel that `op` is in, null if it is in none.
mlir::DictionaryAttr kernelInfo(mlir::Operation *op);

/// Memory that a workgroup's threads share.
mlir::Value sharedMemory(SimtBuilder &v, llvm::ArrayRef<int64_t> shape,
                         mlir::Type element);

/// All lanes get the combined values of all lanes, which are all there.
mlir::Value reduceLanes(SimtBuilder &v, mlir::Value value,
                        mlir::gpu::AllReduceOperation how);

/// Runs `body` where `condition` holds.
void when(SimtBuilder &v, mlir::Value condition,
          llvm::function_ref<void()> body);

/// Lowers each `Op` under `root` whose results are memory; on tensors there is
/// nothing to store to yet. Ends at the first that fails.
template <typename Op>
mlir::LogicalResult
lowerEach(mlir::Operation *root,
          llvm::function_ref<mlir::LogicalResult(Op)> lower) {
  mlir::WalkResult result = root->walk([&](Op op) {
    if (op->getNumResults() > 0)
      return mlir::WalkResult::advance();
    return failed(lower(op)) ? mlir::WalkResult::interrupt()
                             : mlir::WalkResult::advance();
  });
  return mlir::failure(result.wasInterrupted());
}

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_WORKGROUP_H
