//===- AIE.td - every operation of aie and aiex ----------------------------===//

include "dialects/AIE/AIEFifoOps.td"
include "dialects/AIE/AIEHostOps.td"
