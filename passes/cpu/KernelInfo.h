//===- KernelInfo.h - what a kernel is called, costs and covers -*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_KERNELINFO_H
#define HEADRACE_PASSES_CPU_KERNELINFO_H

#include "dialects/QAttn/QAttn.h"
#include "dialects/QLinear/QLinear.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

#include <string>

namespace headrace::cpu {

/// What a kernel computes and costs, and over how many workgroups it runs.
struct KernelInfo {
  std::string name;
  llvm::SmallVector<mlir::NamedAttribute> attributes;
  int64_t workgroups = 1;
};

/// Whether the target has a kernel for operations of this kind.
bool hasKernel(mlir::Operation *op);

/// Describes the kernel of `op`, for which `hasKernel` holds.
KernelInfo describeKernel(mlir::Operation *op);

/// Heads of the query that one workgroup of latent attention has; workgroups of
/// the same part follow each other.
int64_t headsOfWorkgroup(qattn::MlaDecodeOp op);

/// The buffer that holds a value of `type` (a static tensor, or the bytes of a
/// packed value or a cache), or null if it cannot be held.
mlir::MemRefType bufferType(mlir::Type type);

/// Rows that table lookup takes at once: a divisor of the rows that share
/// tables.
int64_t lookupTileRows(qlinear::CodebookFormatAttr format);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_KERNELINFO_H
