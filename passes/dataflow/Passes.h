//===- Passes.h - passes that make spatial programs -------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_PASSES_H
#define HEADRACE_PASSES_DATAFLOW_PASSES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/Pass.h"

namespace headrace::dataflow {

#define GEN_PASS_DECL
#include "passes/dataflow/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "passes/dataflow/Passes.h.inc"

/// Attribute of a graph's argument that holds packed weights: a dictionary of
/// what they are and in which order their blocks are stored.
constexpr llvm::StringLiteral kPackingAttr = "headrace.packing";
/// Its entry with a dictionary for each product, which has the following
/// entries.
constexpr llvm::StringLiteral kPackingProducts = "products";
/// How many cores each channel of a column has, and of each column how many
/// units of rows each of its cores gets.
constexpr llvm::StringLiteral kPackingChannels = "channels";
constexpr llvm::StringLiteral kPackingRounds = "rounds";
/// Columns of its blocks.
constexpr llvm::StringLiteral kPackingColumns = "columns";
/// Where its weights, activations and results are: number of the argument,
/// offset and size in bytes.
constexpr llvm::StringLiteral kPackingWeights = "weights";
constexpr llvm::StringLiteral kPackingActivations = "activations";
constexpr llvm::StringLiteral kPackingResults = "results";
/// The types of the matrices that the blocks come from.
constexpr llvm::StringLiteral kPackingSources = "sources";
/// For many tokens, instead of channels and rounds: the number of cores and of
/// rounds of each group.
constexpr llvm::StringLiteral kPackingGroups = "groups";

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_PASSES_H
