//===- LinearPasses.td --------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_LINEAR
#define HEADRACE_PASSES_COMMON_LINEAR

include "mlir/Pass/PassBase.td"

#endif // HEADRACE_PASSES_COMMON_LINEAR
