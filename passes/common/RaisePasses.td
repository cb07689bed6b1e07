//===- RaisePasses.td --------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_RAISE
#define HEADRACE_PASSES_COMMON_RAISE

include "mlir/Pass/PassBase.td"

#endif // HEADRACE_PASSES_COMMON_RAISE
