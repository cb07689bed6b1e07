//===- Rates.h - how many elements pass a stream ----------------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_DATAFLOW_RATES_H
#define HEADRACE_DIALECTS_DATAFLOW_RATES_H

#include "dialects/Dataflow/Dataflow.h"

#include <optional>

namespace headrace::dataflow {

/// The operations of a graph that put into a stream and take out of it.
struct StreamEnds {
  mlir::Operation *producer = nullptr;
  mlir::Operation *consumer = nullptr;
};

/// The ends of a valid graph's stream.
StreamEnds getEnds(mlir::Value stream);

/// Whether `user`, which uses a stream as operand `operand`, puts into it.
bool putsInto(mlir::OpOperand &operand);

/// Elements that pass in one run of a valid graph.
int64_t getElementCount(mlir::Value stream);

/// How often a loop runs, if its bounds are constant.
std::optional<int64_t> getTripCount(mlir::Operation *loop);

/// Checks that each stream of `graph` has two ends, which agree on how many
/// elements pass.
llvm::LogicalResult verifyRates(GraphOp graph);

/// Checks that a run of `graph`, whose rates agree, comes to its end with the
/// depths that its streams have.
llvm::LogicalResult verifyDepths(GraphOp graph);

} // namespace headrace::dataflow

#endif // HEADRACE_DIALECTS_DATAFLOW_RATES_H
