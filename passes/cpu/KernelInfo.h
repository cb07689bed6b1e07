//===- KernelInfo.h - kernels of the CPU target ----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_KERNELINFO_H
#define HEADRACE_PASSES_CPU_KERNELINFO_H

#include "dialects/QAttn/QAttn.h"
#include "dialects/QLinear/QLinear.h"
#include "passes/common/FormKernels.h"

#include "mlir/IR/Operation.h"

namespace headrace::cpu {

/// Whether the target has a kernel for operations of this kind.
bool hasKernel(mlir::Operation *op);

/// How the work of `op`, for which `hasKernel` holds, is cut.
common::KernelShape shapeOf(mlir::Operation *op);

/// Heads of the query that one workgroup of latent attention has; workgroups of
/// the same part follow each other.
int64_t headsOfWorkgroup(qattn::MlaDecodeOp op);

/// Rows that table lookup takes at once: a divisor of the rows that share
/// tables.
int64_t lookupTileRows(qlinear::CodebookFormatAttr format);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_KERNELINFO_H
