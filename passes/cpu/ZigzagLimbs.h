//===- ZigzagLimbs.h - sums of columns in 8-bit integers --------*- C++ -*-===//
//
// Columns times their activations, added up as integers. In a batch of columns,
// what a group of rows is multiplied with (x times the scale) is the largest
// that a slice can have times an integer of a few limbs of 8 bits. So four
// columns and 16 rows take one instruction for each limb; sums of a batch stay
// in registers and are then added in f32.
//
// Lines are fetched twice: in memory order, evenly over a whole batch ahead,
// into the second cache, and a slice ahead into the first.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_ZIGZAGLIMBS_H
#define HEADRACE_PASSES_CPU_ZIGZAGLIMBS_H

#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/ZigzagCodes.h"
#include "passes/cpu/ZigzagSlices.h"

namespace headrace::cpu {

class LimbSums {
public:
  /// Whether columns of `weight` can be added so with these instructions.
  static bool canAdd(qlinear::PackedType weight, DotKind dot);

  /// For a workgroup of `rows` rows of such a weight. Two limbs stand for 2^-15
  /// of the largest, three for 2^-22. Buffers are allocated at the insertion
  /// point.
  LimbSums(VectorBuilder &v, qlinear::PackedType weight, mlir::Value bytes,
           int64_t rows, int64_t limbs);

  /// Most columns of a batch, a multiple of 4.
  int64_t batch() const;
  /// All sums to zero.
  void clear();

  /// Column `at` of `batch()` comes next: its first slice is at byte `start`.
  void setAhead(mlir::Value at, mlir::Value start);
  /// All columns that come next are set.
  void listLines();
  /// Fetches the columns that come next.
  void prefetchAll();
  /// The columns that came next are those of the batch now.
  void advance();
  /// Column `at` of the batch is multiplied with `factor`.
  void setFactor(mlir::Value at, mlir::Value factor);

  /// Multiplies the factors of the first `count` columns with the scales of a
  /// slice, and says (i1) whether limbs can stand for what results: it is zero,
  /// or finite and not tiny.
  mlir::Value scaleColumns(mlir::Value slice, mlir::Value count);
  /// Then adds this slice of these columns.
  void addSlice(mlir::Value slice, mlir::Value count);

  /// The sums from `row` on, a multiple of 16, as f32 x 16.
  mlir::Value load(mlir::Value row);

private:
  /// Columns of a product of 32 bits.
  static constexpr int64_t kTogether = kColumnsTogether;
  /// Columns of a batch: a slice of them stays in the first cache.
  static constexpr int64_t kBatch = 64;
  /// Bytes of a vector.
  static constexpr int64_t kBytes = 64;

  int64_t slices() const { return rows / kSliceRows; }
  int64_t pieces() const;
  int64_t pieceLines() const;
  int64_t quads() const;
  mlir::Value fourAt(mlir::Value column);
  mlir::Value partOf(mlir::Value slice, mlir::Value part);
  llvm::SmallVector<mlir::Value> startsOf(mlir::Value column, mlir::Value skip);
  void prefetchPiece(mlir::Value piece);
  void prefetch(mlir::Value slice, mlir::Value phase, mlir::Value column);
  void computeCoefficients(mlir::Value slice, mlir::Value count);
  mlir::Value digitsOf(mlir::Value number, mlir::Value scale);
  mlir::Value pairOf(mlir::Value digits, int64_t first);
  mlir::Value spread(mlir::Value memref, mlir::Value where, int64_t kind,
                     int64_t limb);
  llvm::SmallVector<mlir::Value> startSums(mlir::Value part,
                                           llvm::ArrayRef<int64_t> kinds);
  llvm::SmallVector<mlir::Value> addFour(mlir::Value column, mlir::Value slice,
                                         mlir::Value part,
                                         llvm::ArrayRef<int64_t> kinds,
                                         mlir::ValueRange sums);
  void addToSums(mlir::Value part, llvm::ArrayRef<int64_t> kinds,
                 mlir::ValueRange found);

  VectorBuilder &v;
  std::unique_ptr<ColumnCodes> codes;
  mlir::Value bytes;
  int64_t rows, limbs;

  mlir::Value starts;   // [column], then those of the next batch
  mlir::Value lines;    // [piece of the next batch]: bytes to prefetch
  mlir::Value factors;  // [column]
  mlir::Value products; // [four columns]: as `codes` gives them
  // [part][four columns][quad of groups][two limbs][group][limb, twice]
  mlir::Value coefficients;
  // The same for what the zero point takes off the sums, [part][quad] ...
  mlir::Value zeroSums; // or null
  mlir::Value minima;   // [slice and part][column, group]: sums, or null
  mlir::Value sums;     // [slice and part][kind][vector][lane]

  // Of a slice of the batch: what an integer of 1 stands for, and its inverse.
  mlir::Value unit, inverse;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ZIGZAGLIMBS_H
