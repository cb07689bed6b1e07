//===- QAttn.td - every operation of the dialect ---------------------------===//

include "dialects/QAttn/QAttnAttentionOps.td"
include "dialects/QAttn/QAttnMlaOps.td"
