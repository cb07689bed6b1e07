//===- QLinear.h - the qlinear dialect --------------------------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_QLINEAR_H
#define HEADRACE_DIALECTS_QLINEAR_H

#include "dialects/QLinear/CodebookLayout.h"

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "llvm/ADT/StringSwitch.h"

#include <optional>

#include "dialects/QLinear/QLinearEnums.h.inc"
#include "dialects/QLinear/QLinearInterfaces.h.inc"

#include "dialects/QLinear/QLinearDialect.h.inc"

namespace headrace::qlinear {
/// `name`, kept as long as the context: the name of a format with parameters.
llvm::StringRef internName(mlir::MLIRContext *context, const llvm::Twine &name);
struct StripLayout;
} // namespace headrace::qlinear

#define GET_ATTRDEF_CLASSES
#include "dialects/QLinear/QLinearAttrs.h.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/QLinear/QLinearTypes.h.inc"
#define GET_OP_CLASSES
#include "dialects/QLinear/QLinearOps.h.inc"

#endif // HEADRACE_DIALECTS_QLINEAR_H
