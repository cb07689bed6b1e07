//===- CostPasses.td --------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_COST
#define HEADRACE_PASSES_COMMON_COST

include "mlir/Pass/PassBase.td"

#endif // HEADRACE_PASSES_COMMON_COST
