//===- SliceSums.h - sums of columns by a workgroup -------------*- C++ -*-===//
//
// A workgroup has one slice of the rows of a zigzag weight, or a half or a
// quarter of one. Its teams, as many lanes as own those rows, share out
// columns; each adds up its own in registers. Shared memory then has the sums
// of all teams, which are added in their order. Where workgroups share the
// columns of the same rows, too, those next to each other in y have parts of
// them.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_SIMT_SLICESUMS_H
#define HEADRACE_PASSES_SIMT_SLICESUMS_H

#include "passes/simt/ColumnDecoder.h"
#include "passes/simt/Workgroup.h"

namespace headrace::simt {

/// The bytes that `weight` is a view of; emits an error at `op` if it is none
/// of a memref, or if there is no decoder for it.
mlir::FailureOr<mlir::Value>
columnBytes(mlir::Operation *op, mlir::TypedValue<qlinear::PackedType> weight);

/// The threads of a kernel, and where a thread is among them.
struct Threads {
  /// Lanes of a subgroup; subgroups of a workgroup; workgroups in y that share
  /// the columns of the same rows; rows of a workgroup, 0 if not known.
  int64_t width, subgroups, splits, rows;
  mlir::Value group, subgroup, lane, thread;

  int64_t count() const { return subgroups * width; }
  /// Emits an error if `op` is in no kernel.
  static mlir::FailureOr<Threads> of(SimtBuilder &v, mlir::Operation *op,
                                     int64_t width);
};

/// Columns of one weight, times activations, for the rows of a workgroup.
class SliceSums {
public:
  /// Emits an error at `op` where `columnBytes` does.
  static mlir::FailureOr<SliceSums>
  create(SimtBuilder &v, mlir::Operation *op,
         mlir::TypedValue<qlinear::PackedType> weight, const Threads &threads);

  /// The part of `size` columns, or entries of a list, that a team has: first
  /// and behind the last. Parts differ by one at most.
  std::pair<mlir::Value, mlir::Value> share(mlir::Value size);
  llvm::SmallVector<mlir::Value> zeros() { return decoder->zeros(v); }
  /// `sums` with column `column` times its activation in `x` (f32 or bf16).
  llvm::SmallVector<mlir::Value> addColumn(mlir::Value x, mlir::Value column,
                                           mlir::ValueRange sums);
  /// Writes what a team has summed up to shared memory.
  void store(mlir::ValueRange sums);
  /// Behind a barrier: calls `body` with each row that there is of the
  /// workgroup's, and which one of the weight that is.
  void
  forEachRow(llvm::function_ref<void(mlir::Value row, mlir::Value place)> body);
  /// What all teams have for a row of the workgroup.
  mlir::Value rowSum(mlir::Value row);

private:
  SliceSums(SimtBuilder &v, const Threads &threads, qlinear::PackedType weight);

  SimtBuilder &v;
  Threads threads;
  qlinear::PackedType weight;
  int64_t rows, lanes, teams; // of a workgroup, of a team, of a workgroup
  int64_t slicesOfBand;
  std::unique_ptr<ColumnDecoder> decoder;
  mlir::Value team, firstSlice; // the workgroup's slice of column 0
  mlir::Value rowOfSlice;       // where the workgroup's rows start in a slice
  mlir::Value partial;          // what teams have, in shared memory
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_SLICESUMS_H
