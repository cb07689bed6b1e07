//===- LaneSoftmax.h - a softmax that runs along tokens ---------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_LANESOFTMAX_H
#define HEADRACE_PASSES_SIMT_LANESOFTMAX_H

#include "passes/simt/SimtBuilder.h"

namespace headrace::simt {

/// What the lane has whose number differs in the bit `span`.
mlir::Value fromLane(SimtBuilder &v, mlir::Value value, int64_t span,
                     int64_t width);

/// A query in one lane: what its scores are relative to, the sum of weights,
/// and the weighted sums of values. Weights are powers of two.
struct LaneSoftmax {
  using Value = mlir::Value;

  /// Of no token yet; `vectors` sums of `width` columns.
  static LaneSoftmax ofNothing(SimtBuilder &v, int64_t vectors, int64_t width);
  /// From and to the values that a loop carries.
  static LaneSoftmax carried(SimtBuilder &v, mlir::ValueRange values);
  llvm::SmallVector<Value> values() const;

  /// The weights of some more scores, and raises the base to the largest.
  /// `seen` has an i1 for each, or is empty: then all are.
  Value weigh(SimtBuilder &v, Value scores, llvm::ArrayRef<Value> seen);
  /// Adds `values` times a weight.
  void add(SimtBuilder &v, Value weight, llvm::ArrayRef<Value> values);
  /// Lanes whose numbers differ in the bits from `span` up become one.
  void mergeLanes(SimtBuilder &v, int64_t span, int64_t width);

  Value base, total;
  llvm::SmallVector<Value> sums;

private:
  void rescale(SimtBuilder &v, Value to, Value keep);
};

/// The larger number, the other one where one is NaN.
mlir::Value larger(SimtBuilder &v, mlir::Value lhs, mlir::Value rhs);
mlir::Value exp2(SimtBuilder &v, mlir::Value x);

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_LANESOFTMAX_H
