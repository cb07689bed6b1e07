//===- Passes.h - passes and pipelines of the CPU target --------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_PASSES_H
#define HEADRACE_PASSES_CPU_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassOptions.h"

namespace headrace::cpu {

#define GEN_PASS_DECL
#include "passes/cpu/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/cpu/Passes.h.inc"

/// Attribute of an entry function after cpu-form-kernels: it is a plan.
constexpr llvm::StringLiteral kPlanAttr = "headrace.plan";
/// Attribute of a plan: which results of the function its last arguments are.
constexpr llvm::StringLiteral kOutputsAttr = "headrace.outputs";
/// Attribute of an argument of a plan: a cache that it updates in place, and
/// which result of the function that is.
constexpr llvm::StringLiteral kUpdatedAttr = "headrace.updated";
/// Attribute of a call in a plan: workgroups in x, y, z.
constexpr llvm::StringLiteral kGridAttr = "headrace.grid";
/// Attribute of a kernel: a dictionary of what it computes and costs.
constexpr llvm::StringLiteral kKernelAttr = "headrace.kernel";
/// Entry of that dictionary: rows that one workgroup computes.
constexpr llvm::StringLiteral kWorkgroupRows = "workgroup_rows";
/// Entry of that dictionary: bytes of an element of each binding.
constexpr llvm::StringLiteral kElementBytes = "element_bytes";

/// Registers `headrace-cpu-pipeline`.
void registerCpuPipelines();

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PASSES_H
