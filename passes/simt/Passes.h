//===- Passes.h - passes that GPU targets share -----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_PASSES_H
#define HEADRACE_PASSES_SIMT_PASSES_H

#include "passes/common/FormKernels.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace headrace::simt {

#define GEN_PASS_DECL
#include "passes/simt/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/simt/Passes.h.inc"

/// Entry of a kernel's dictionary: threads of a workgroup in x, y, z.
constexpr llvm::StringLiteral kWorkgroup = "workgroup";
/// Entry of that dictionary: rows that one subgroup computes.
constexpr llvm::StringLiteral kSubgroupRows = "subgroup_rows";
/// Entry of that dictionary: workgroups, next to each other in y, that share
/// the columns of the same rows. Without it one has them all.
constexpr llvm::StringLiteral kSplits = "splits";
/// Entry of that dictionary: the list of columns is known to rise.
constexpr llvm::StringLiteral kAscending = "ascending";

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_PASSES_H
