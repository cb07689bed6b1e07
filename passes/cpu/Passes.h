//===- Passes.h - passes and pipelines of the CPU target --------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_PASSES_H
#define HEADRACE_PASSES_CPU_PASSES_H

#include "passes/common/FormKernels.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassOptions.h"

namespace headrace::cpu {

#define GEN_PASS_DECL
#include "passes/cpu/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/cpu/Passes.h.inc"

using common::kElementBytes;
using common::kGridAttr;
using common::kKernelAttr;
using common::kOutputsAttr;
using common::kPlanAttr;
using common::kUpdatedAttr;
using common::kWorkgroupRows;

/// Registers `headrace-cpu-pipeline`.
void registerCpuPipelines();

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_PASSES_H
