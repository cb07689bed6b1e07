//===- ColumnDecoder.h - a column of zigzag weights, lane by lane -*- C++
//-*-===//
//
// In bands of columns, the blocks of a column are rows that follow each other.
// Slices of 256 or 128 rows are the unit: each lane of a team owns eight of
// them, whichever column it is, so sums of columns stay in the lane.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_SIMT_COLUMNDECODER_H
#define HEADRACE_PASSES_SIMT_COLUMNDECODER_H

#include "dialects/QLinear/QLinear.h"
#include "passes/simt/SimtBuilder.h"

#include <memory>

namespace headrace::simt {

/// Rows of a slice that a lane owns.
constexpr int64_t kLaneRows = 8;

/// Rows of the slices in which bands of `weight` are decoded: 256, or 128 where
/// blocks are small and bands are no multiple of 256 rows. 0 if there are no
/// kernels for columns of `weight`.
int64_t sliceRows(qlinear::PackedType weight);
/// The fewest rows of a slice, next to each other, that some of its lanes own.
int64_t leastRows(qlinear::PackedType weight);

/// Rows of a lane that follow each other in a slice, as a vector.
struct LaneRows {
  mlir::Value first, values;
};

/// Emits the decoding of the columns of one slice.
class ColumnDecoder {
public:
  virtual ~ColumnDecoder() = default;
  /// Null if `sliceRows` is 0.
  static std::unique_ptr<ColumnDecoder> create(qlinear::PackedType weight);

  /// Before all loops. `lane` is one of the sliceRows / kLaneRows of a slice.
  virtual void open(SimtBuilder &v, mlir::Value bytes, mlir::Value lane) = 0;
  /// Sums of no columns.
  virtual llvm::SmallVector<mlir::Value> zeros(SimtBuilder &v) const = 0;
  /// `sums` with slice `slice`, counted from the start of the weight, times x.
  virtual llvm::SmallVector<mlir::Value>
  multiply(SimtBuilder &v, mlir::Value slice, mlir::Value x,
           mlir::ValueRange sums) const = 0;
  /// The rows of the lane from sums.
  virtual llvm::SmallVector<LaneRows> finish(SimtBuilder &v,
                                             mlir::ValueRange sums) const = 0;
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_COLUMNDECODER_H
