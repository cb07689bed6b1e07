//===- ZigzagSums.h - sums of rows to which columns are added ---*- C++ -*-===//
//
// The sums of a workgroup's rows stay in memory that fits the first cache. Four
// columns are added at a time, so that the sums are read and written once for
// all four, and columns come in batches: first the coefficients of a batch,
// then its products, so that a coefficient is spread over a vector as it is
// loaded. Where the CPU adds products of bytes, batches of q4_k are added in
// integers, slice by slice, unless a scale of a slice is infinite or all are
// tiny.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_ZIGZAGSUMS_H
#define HEADRACE_PASSES_CPU_ZIGZAGSUMS_H

#include "passes/cpu/Workgroup.h"
#include "passes/cpu/ZigzagLimbs.h"
#include "passes/cpu/ZigzagSlices.h"

namespace headrace::cpu {

class SliceSums {
public:
  /// For the rows of a workgroup, which lie in one band. Buffers are allocated
  /// at the start of the function. `exact`: as good as f32, else within what
  /// rounding to bf16 leaves.
  SliceSums(VectorBuilder &v, mlir::Value bytes, const SliceDecoder &decoder,
            qlinear::PackedType weight, RowRange range, DotKind dot,
            bool exact);

  /// All sums to zero.
  void clear();

  /// What is added: the column that comes as number `at`, and its activation.
  struct Source {
    llvm::function_ref<mlir::Value(mlir::Value at)> column;
    llvm::function_ref<mlir::Value(mlir::Value column)> factor;
  };
  /// Adds `count` (index) columns.
  void addAll(mlir::Value count, const Source &source);
  /// Adds one column times `factor`, an f32.
  void addColumn(mlir::Value column, mlir::Value factor);

  /// The sums from `row` on, a multiple of 16, as f32 x 16.
  mlir::Value load(mlir::Value row);

private:
  int64_t slices() const { return rows / kSliceRows; }
  int64_t batch() const;
  mlir::Value columnAt(mlir::Value column);
  void addBatch(mlir::Value first, mlir::Value last, mlir::Value end,
                const Source &source);
  void setAhead(mlir::Value first, mlir::Value end, const Source &source);
  void addLimbs(mlir::Value first, mlir::Value last, mlir::Value end,
                const Source &source);
  void forEachSlice(llvm::function_ref<void(mlir::Value)> body);
  llvm::SmallVector<mlir::Value> slicesOf(llvm::ArrayRef<mlir::Value> columns,
                                          mlir::Value slice);
  void computeCoefficients(llvm::ArrayRef<mlir::Value> columns,
                           llvm::ArrayRef<mlir::Value> factors,
                           mlir::Value place, mlir::Value slice);
  void addProducts(llvm::ArrayRef<mlir::Value> columns,
                   llvm::ArrayRef<mlir::Value> ahead, mlir::Value place,
                   mlir::Value slice);
  void prefetch(mlir::Value at, int64_t part, int64_t parts);

  VectorBuilder &v;
  mlir::Value bytes;
  const SliceDecoder &decoder;
  SliceLayout layout;
  int64_t rows;     // of a workgroup, with those behind the end
  mlir::Value base; // where they start in column 0

  mlir::Value sums;         // [row]
  mlir::Value coefficients; // [slice of a batch][group]
  mlir::Value offsets;      // [group of 32 rows], what the minima add; or null
  std::optional<LimbSums> limbs; // what is added in integers
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ZIGZAGSUMS_H
