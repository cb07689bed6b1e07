//===- Passes.h - passes of the AIE target ----------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_AIE_PASSES_H
#define HEADRACE_PASSES_AIE_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"

namespace headrace::aie {

#define GEN_PASS_DECL
#include "passes/aie/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/aie/Passes.h.inc"

/// Adds every aie-check pass. `devices` is the path of the description.
void addCheckPasses(mlir::OpPassManager &pm, llvm::StringRef devices);

/// Registers `headrace-aie-check`.
void registerAiePipelines();

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_PASSES_H
