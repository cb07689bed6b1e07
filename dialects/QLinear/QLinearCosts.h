//===- QLinearCosts.h - bytes and operations of qlinear ---------*- C++ -*-===//

#ifndef HEADRACE_DIALECTS_QLINEAR_QLINEARCOSTS_H
#define HEADRACE_DIALECTS_QLINEAR_QLINEARCOSTS_H

#include "dialects/Interfaces/CostInterface.h"
#include "dialects/QLinear/QLinear.h"

namespace headrace::qlinear {

// By types, so that kernels can be compared before there are operations for
// them. `x` is the type of the activations: tensor, memref or packed.

/// A product of `tokens` tokens that decodes the weight.
Cost denseProductCost(PackedType weight, mlir::Type x, int64_t tokens);

/// `qlinear.select_columns` over `x`.
Cost selectColumnsCost(mlir::Type x);

/// `qlinear.sparse_matvec` with a list of `listed` indices, of which the share
/// of the assumptions is used.
Cost sparseMatvecCost(PackedType weight, mlir::Type x, int64_t listed,
                      const CostAssumptions &assumptions);

/// `qlinear.assign_centroids` and `qlinear.lut_matvec`; the weight has tables.
Cost assignCentroidsCost(PackedType weight, int64_t tokens);
Cost lutProductCost(PackedType weight, int64_t tokens);

/// `qlinear.gated_activation` over `values` values.
Cost gatedActivationCost(Activation activation, int64_t values);

/// Expected bytes of the sectors that hold a selected piece: `pieces` pieces of
/// `pieceBytes` follow each other from the start of a sector, piece i belongs
/// to column i mod `cols`, and columns are selected independently, with
/// probability `density`.
double selectedSectorBytes(int64_t pieces, int64_t pieceBytes, int64_t cols,
                           double density, int64_t sector);

} // namespace headrace::qlinear

#endif // HEADRACE_DIALECTS_QLINEAR_QLINEARCOSTS_H
