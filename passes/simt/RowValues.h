//===- RowValues.h - rows that threads compute column by column -*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_ROWVALUES_H
#define HEADRACE_PASSES_SIMT_ROWVALUES_H

#include "dialects/QLinear/QLinear.h"
#include "passes/simt/SliceSums.h"

namespace headrace::simt {

/// A row of an operation on rows, of which each thread of a workgroup computes
/// some columns: rms_norm, or gated_activation.
class RowValues {
public:
  static bool computes(mlir::Operation *op);
  /// `row`: which one, null for a vector. All threads are here, since what all
  /// columns have a part in is computed first.
  RowValues(SimtBuilder &v, mlir::Operation *op, const Threads &threads,
            mlir::Value row);

  /// Computes a column, and writes it.
  mlir::Value write(mlir::Value column);

private:
  mlir::Value load(mlir::Value memref, mlir::Value column);
  mlir::Value squares(const Threads &threads, mlir::Value x);

  SimtBuilder &v;
  mlir::Operation *op;
  mlir::Value row;
  mlir::Value inverse; // of the root of the mean square
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_ROWVALUES_H
