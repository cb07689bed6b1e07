//===- Dataflow.h - the dataflow dialect ------------------------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_DATAFLOW_H
#define HEADRACE_DIALECTS_DATAFLOW_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "dialects/Dataflow/DataflowDialect.h.inc"
#include "dialects/Dataflow/DataflowEnums.h.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/Dataflow/DataflowAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/Dataflow/DataflowTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/Dataflow/DataflowOps.h.inc"

#endif // HEADRACE_DIALECTS_DATAFLOW_H
