//===- AIEX.h - the aiex dialect --------------------------------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_AIEX_H
#define HEADRACE_DIALECTS_AIEX_H

#include "dialects/AIE/AIE.h"

#include "dialects/AIEX/AIEXDialect.h.inc"

#define GET_OP_CLASSES
#include "dialects/AIEX/AIEXOps.h.inc"

#endif // HEADRACE_DIALECTS_AIEX_H
