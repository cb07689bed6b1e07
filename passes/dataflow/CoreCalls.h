//===- CoreCalls.h - what cores of an array call ----------------*- C++ -*-===//
//
// Tasks call functions by name. What a function does is said by its attribute
// `headrace.core`, a dictionary; its body is made for each target elsewhere.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_DATAFLOW_CORECALLS_H
#define HEADRACE_PASSES_DATAFLOW_CORECALLS_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <optional>

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
/// A block in a core's memory: where 4-bit codes begin, and its bytes. Codes
/// are stored as in q4nx, whatever the format. What comes before them is
///
///   q4nx   bf16 scales and minima, index 32 g + r
///   q4_0   bf16 scales in two parts, index 32 g + r: f16 is their sum
///   q4_k   u8 scales and minima, index 32 g + r; then bf16 d and -dmin of each
///          row in two parts (first and second of d, then of -dmin)
struct BlockLayout {
  int64_t codes, bytes;
};
/// Of a format by name; none if cores have no function for it.
std::optional<BlockLayout> getBlockLayout(llvm::StringRef format);

/// Rows of a product with a vector that a core has at a time. Their blocks are
/// the same as those above, of the first or the last rows, and of all columns,
/// half of them or a quarter.
constexpr int64_t kUnitRows = kBlockRows / 2;
constexpr int64_t kUnitColumns[] = {kBlockColumns, kBlockColumns / 2,
                                    kBlockColumns / 4};
/// Of such a block; none also where fewer columns cannot be alone: those of
/// q4_k share d and dmin.
std::optional<BlockLayout> getUnitLayout(llvm::StringRef format,
                                         int64_t columns);
/// The columns of such a block by its bytes.
std::optional<int64_t> getUnitColumns(llvm::StringRef format, int64_t bytes);

/// Columns of a product with many tokens that a core gets at a time. Their
/// blocks are the other halves: the same, of the first or the last columns,
/// where d and -dmin are in both.
constexpr int64_t kPieceColumns = kBlockColumns / 2;
/// Of such a half.
std::optional<BlockLayout> getPieceLayout(llvm::StringRef format);

/// Calls the function `kind` for vectors of this size, declaring it in `module`
/// if it is not there.
void callCore(mlir::OpBuilder &builder, mlir::Location loc,
              mlir::ModuleOp module, llvm::StringRef kind, int64_t size,
              mlir::ValueRange arguments);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_CORECALLS_H
