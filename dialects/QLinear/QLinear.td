//===- QLinear.td - every operation of the dialect -----------------------------===//

include "dialects/QLinear/QLinearOps.td"
include "dialects/QLinear/QLinearLayoutOps.td"
include "dialects/QLinear/QLinearRowOps.td"
include "dialects/QLinear/QLinearSparseOps.td"
include "dialects/QLinear/QLinearTableOps.td"
