//===- ZigzagLimbs.h - sums of columns in 8-bit integers --------*- C++ -*-===//
//
// Columns of q4_k times their activations, added up as integers. In a batch of
// columns, what a group of 32 rows is multiplied with (x times the scale) is
// the largest of its kind times an integer of a few limbs of 8 bits. So four
// columns and 16 rows take one instruction for each limb; sums of a batch stay
// in registers and are then added in f32.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_ZIGZAGLIMBS_H
#define HEADRACE_PASSES_CPU_ZIGZAGLIMBS_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/ZigzagSlices.h"

namespace headrace::cpu {

class LimbSums {
public:
  /// Whether columns of `weight` can be added so with these instructions.
  static bool canAdd(qlinear::PackedType weight, DotKind dot);

  /// For a workgroup of `rows` rows. Two limbs stand for 2^-15 of the largest,
  /// three for 2^-22. Buffers are allocated at the insertion point.
  LimbSums(VectorBuilder &v, mlir::Value bytes, int64_t rows, int64_t limbs);

  /// Most columns of a batch, a multiple of 4.
  int64_t batch() const;
  /// All sums to zero.
  void clear();

  /// Column `at` of `batch()` comes next: its first slice is at byte `start`.
  void setAhead(mlir::Value at, mlir::Value start);
  /// The columns that came next are those of the batch now.
  void advance();
  /// Columns `at` to `at + 4` of the batch are multiplied with these four.
  void setFactors(mlir::Value at, mlir::Value factors);
  /// Reads the scales of the first `count` columns, adds the minima, and says
  /// (i1) whether limbs can stand for what numbers are multiplied with: it is
  /// zero, or finite and not tiny.
  mlir::Value computeCoefficients(mlir::Value count);
  /// Adds the numbers of `count` columns.
  void addProducts(mlir::Value count);

  /// The sums from `row` on, a multiple of 16, as f32 x 16.
  mlir::Value load(mlir::Value row);

private:
  int64_t slices() const { return rows / kSliceRows; }
  mlir::Value place(mlir::Value slice, int64_t half, mlir::Value column);
  llvm::SmallVector<mlir::Value> startsOf(mlir::Value column, mlir::Value skip);
  void prefetch(mlir::Value column, mlir::Value skip);
  mlir::Value scaleGroups(mlir::Value slice, int64_t half, mlir::Value largest);
  void splitIntoLimbs(mlir::Value count);
  llvm::SmallVector<mlir::Value> addFour(mlir::Value column, mlir::Value part,
                                         mlir::ValueRange sums);
  void addToSums(mlir::Value part, mlir::ValueRange found);

  VectorBuilder &v;
  mlir::Value bytes;
  int64_t rows, limbs;

  mlir::Value starts;  // [column], then those of the next batch
  mlir::Value factors; // [four columns][x, then -x]
  mlir::Value
      coefficients;     // [slice and half][four columns][group, column],
                        // i32: bits of f32, then limbs [group][limb, column]
  mlir::Value scales;   // [slice and half][group, column]
  mlir::Value inverses; // the same
  mlir::Value minima;   // [slice and half][group, column]: sums
  mlir::Value sums;     // [part of 128 rows][nibble][vector][lane]
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ZIGZAGLIMBS_H
