//===- AttentionShapes.h - kernels of qattn operations ----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_ATTENTIONSHAPES_H
#define HEADRACE_PASSES_SIMT_ATTENTIONSHAPES_H

#include "passes/common/FormKernels.h"

namespace headrace::simt {

/// Whether there is a kernel for operations on caches like `op`.
bool hasAttentionKernel(mlir::Operation *op);

/// How the work of such an operation is cut, for subgroups of `width` lanes.
common::KernelShape attentionShape(mlir::Operation *op, int64_t width);

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_ATTENTIONSHAPES_H
