//===- Tiling.h - tiles of operations in destination style ------*- C++ -*-===//
//
// Our operations are loops over rows, tokens or heads that do not depend on
// each other. An operation says which loops it has and which dimensions of its
// operands they cut (a `TilePlan`); the rest of TilingInterface follows.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_DIALECTS_INTERFACES_TILING_H
#define HEADRACE_DIALECTS_INTERFACES_TILING_H

#include "mlir/IR/Builders.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/TilingInterface.h"

namespace headrace {

/// A loop of an operation; all are parallel.
struct TileLoop {
  /// What it counts, for messages: "rows".
  llvm::StringRef name;
  int64_t extent;
  /// With the padding that operands other than tensors have.
  int64_t padded;
  /// Tiles begin and end at multiples of this ...
  int64_t granule = 1;
  /// ... because of this: "the block of q4nx".
  std::string why = {};
};

/// What a loop does to a dimension of an operand.
struct TiledDim {
  static constexpr int64_t kWhole = -1;
  /// The loop that cuts it, or `kWhole`.
  int64_t loop = kWhole;
  /// Positions of the loop that have one position of the operand: query heads
  /// that share a key head.
  int64_t shared = 1;
};
inline constexpr TiledDim kWholeDim{};

struct TilePlan {
  llvm::SmallVector<TileLoop> loops;
  /// For each operand its dimensions; none for an operand that is not cut. One
  /// that is not a tensor has one dimension, its rows.
  llvm::SmallVector<llvm::SmallVector<TiledDim>> operands;
  /// Rows [offset, offset + size) of an operand that is not a tensor.
  mlir::Value (*sliceRows)(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::Value operand, mlir::OpFoldResult offset,
                           int64_t size) = nullptr;
  /// Makes the tile, whose first position in each loop is in `starts`, of the
  /// tiles of its operands; null copies the operation.
  mlir::Operation *(*create)(
      mlir::OpBuilder &b, mlir::Operation *op, mlir::TypeRange results,
      llvm::SmallVector<mlir::Value> operands,
      mlir::ArrayRef<mlir::OpFoldResult> starts) = nullptr;
};

namespace detail {
using OffsetsOrSizes = mlir::ArrayRef<mlir::OpFoldResult>;
mlir::SmallVector<mlir::Range> iterationDomain(const TilePlan &plan,
                                               mlir::OpBuilder &b);
mlir::FailureOr<mlir::TilingResult> tiledImplementation(mlir::Operation *op,
                                                        const TilePlan &plan,
                                                        mlir::OpBuilder &b,
                                                        OffsetsOrSizes offsets,
                                                        OffsetsOrSizes sizes);
void resultTilePosition(mlir::Operation *op, const TilePlan &plan,
                        mlir::OpBuilder &b, unsigned result,
                        OffsetsOrSizes offsets, OffsetsOrSizes sizes,
                        mlir::SmallVector<mlir::OpFoldResult> &resultOffsets,
                        mlir::SmallVector<mlir::OpFoldResult> &resultSizes);
mlir::FailureOr<mlir::TilingResult>
resultTileValue(mlir::Operation *op, const TilePlan &plan, mlir::OpBuilder &b,
                unsigned result, OffsetsOrSizes offsets, OffsetsOrSizes sizes);
} // namespace detail

/// TilingInterface of `Op`, from its plan.
template <typename Op, TilePlan (*plan)(Op)>
struct TilingModel
    : mlir::TilingInterface::ExternalModel<TilingModel<Op, plan>, Op> {
  using Sizes = detail::OffsetsOrSizes;

  static TilePlan planOf(mlir::Operation *op) {
    return plan(mlir::cast<Op>(op));
  }

  mlir::SmallVector<mlir::utils::IteratorType>
  getLoopIteratorTypes(mlir::Operation *op) const {
    return mlir::SmallVector<mlir::utils::IteratorType>(
        planOf(op).loops.size(), mlir::utils::IteratorType::parallel);
  }
  mlir::SmallVector<mlir::Range> getIterationDomain(mlir::Operation *op,
                                                    mlir::OpBuilder &b) const {
    return detail::iterationDomain(planOf(op), b);
  }
  mlir::FailureOr<mlir::TilingResult>
  getTiledImplementation(mlir::Operation *op, mlir::OpBuilder &b, Sizes offsets,
                         Sizes sizes) const {
    return detail::tiledImplementation(op, planOf(op), b, offsets, sizes);
  }
  mlir::LogicalResult getResultTilePosition(
      mlir::Operation *op, mlir::OpBuilder &b, unsigned result, Sizes offsets,
      Sizes sizes, mlir::SmallVector<mlir::OpFoldResult> &resultOffsets,
      mlir::SmallVector<mlir::OpFoldResult> &resultSizes) const {
    detail::resultTilePosition(op, planOf(op), b, result, offsets, sizes,
                               resultOffsets, resultSizes);
    return mlir::success();
  }
  mlir::FailureOr<mlir::TilingResult>
  generateResultTileValue(mlir::Operation *op, mlir::OpBuilder &b,
                          unsigned result, Sizes offsets, Sizes sizes) const {
    return detail::resultTileValue(op, planOf(op), b, result, offsets, sizes);
  }
};

} // namespace headrace

#endif // HEADRACE_DIALECTS_INTERFACES_TILING_H
