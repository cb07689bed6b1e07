//===- ProductChecks.h - what cores can multiply ----------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_PRODUCTCHECKS_H
#define HEADRACE_PASSES_DATAFLOW_PRODUCTCHECKS_H

#include "dialects/QLinear/QLinear.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

#include <limits>

namespace headrace::dataflow {

/// An error of `op` unless `weight` is in a format that cores multiply with.
llvm::LogicalResult verifyFormat(mlir::Operation *op,
                                 qlinear::PackedType weight);

/// An error of `op` unless `activations` is the type of a tensor of bf16.
llvm::LogicalResult verifyActivations(mlir::Operation *op,
                                      mlir::Type activations);

/// An error of `op` unless `function` is this product of its arguments and
/// nothing else.
llvm::LogicalResult verifyAlone(mlir::Operation *op,
                                mlir::func::FuncOp function);

/// The most that an offset of a transfer can be: an i32.
constexpr int64_t kMostOffset = std::numeric_limits<int32_t>::max();

/// The packed weights of so many rows, whose bytes `bytesOf` says, are within
/// what transfers reach; nearest is named in steps of so many rows.
llvm::LogicalResult verifyWeights(mlir::Operation *op, int64_t rows,
                                  int64_t step,
                                  llvm::function_ref<int64_t(int64_t)> bytesOf);

/// The most rows, a multiple of `step`, whose packed weights transfers reach.
int64_t getMostRows(int64_t step, llvm::function_ref<int64_t(int64_t)> bytesOf);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_PRODUCTCHECKS_H
