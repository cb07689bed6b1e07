//===- AIE.h - the aie dialect ----------------------------------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_AIE_H
#define HEADRACE_DIALECTS_AIE_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <vector>

#include "dialects/AIE/AIEEnums.h.inc"

#include "dialects/AIE/AIEDialect.h.inc"

namespace headrace::aie {
/// Bytes of an element of a memref, values of less than a byte padded to one.
int64_t getValueBytes(mlir::MemRefType type);
/// Bytes of a memref of static shape.
int64_t getBytes(mlir::MemRefType type);
} // namespace headrace::aie

#define GET_TYPEDEF_CLASSES
#include "dialects/AIE/AIETypes.h.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/AIE/AIEAttrs.h.inc"
#define GET_OP_CLASSES
#include "dialects/AIE/AIEOps.h.inc"

#endif // HEADRACE_DIALECTS_AIE_H
