//===- DescribeKernel.h - what reports and plans say of a kernel *- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_DESCRIBEKERNEL_H
#define HEADRACE_PASSES_COMMON_DESCRIBEKERNEL_H

#include "passes/common/FormKernels.h"

#include <string>

namespace headrace::common {

/// What a kernel is called, computes and costs, and how many workgroups it has.
struct KernelInfo {
  std::string name;
  /// Entries of `kKernelAttr`.
  llvm::SmallVector<mlir::NamedAttribute> attributes;
  int64_t workgroups = 1;
};

/// Of the kernel of `op`, which is cut as `shape` says; emits an error where
/// its cost is not known.
mlir::FailureOr<KernelInfo> describeKernel(mlir::Operation *op,
                                           const KernelShape &shape);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_DESCRIBEKERNEL_H
