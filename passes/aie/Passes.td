//===- Passes.td - passes of the AIE target --------------------------------===//

#ifndef HEADRACE_PASSES_AIE
#define HEADRACE_PASSES_AIE

include "passes/aie/CheckPasses.td"
include "passes/aie/MappingPasses.td"

#endif // HEADRACE_PASSES_AIE
