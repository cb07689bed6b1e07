//===- CoreCalls.h - what cores of an array call ----------------*- C++ -*-===//
//
// Tasks call functions by name. What a function does is said by its attribute
// `headrace.core`, a dictionary; its body is made for each target elsewhere.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_DATAFLOW_CORECALLS_H
#define HEADRACE_PASSES_DATAFLOW_CORECALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace headrace::dataflow {

/// Attribute of a function that cores call: a dictionary.
constexpr llvm::StringLiteral kCoreAttr = "headrace.core";
/// Its entry that says which function it is.
constexpr llvm::StringLiteral kCoreKind = "kind";
/// Its entry with the columns of the matrix, where the function depends on
/// them.
constexpr llvm::StringLiteral kCoreSize = "size";

/// Rows of a block, columns of a block, and columns that share a scale.
constexpr int64_t kBlockRows = 32, kBlockColumns = 256, kGroupColumns = 32;
/// Bytes of a block.
constexpr int64_t kBlockBytes = 5120;

/// Calls the function `kind` for vectors of this size, declaring it in `module`
/// if it is not there.
void callCore(mlir::OpBuilder &builder, mlir::Location loc,
              mlir::ModuleOp module, llvm::StringRef kind, int64_t size,
              mlir::ValueRange arguments);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_CORECALLS_H
