//===- Passes.h - passes that serve every target ----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_PASSES_H
#define HEADRACE_PASSES_COMMON_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace headrace::common {

#define GEN_PASS_DECL
#include "passes/common/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/common/Passes.h.inc"

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_PASSES_H
