//===- OpVerification.h - what operations of qlinear share -------*- C++
//-*-===//

#ifndef HEADRACE_DIALECTS_QLINEAR_OPVERIFICATION_H
#define HEADRACE_DIALECTS_QLINEAR_OPVERIFICATION_H

#include "dialects/QLinear/QLinear.h"

namespace headrace::qlinear {

inline mlir::ShapedType shaped(mlir::Value value) {
  return mlir::dyn_cast<mlir::ShapedType>(value.getType());
}

/// Columns of a vector ([K]) or of rows ([N, K]).
inline int64_t lastDim(mlir::Value value) {
  mlir::ShapedType type = shaped(value);
  return type.getDimSize(type.getRank() - 1);
}

/// Whether sizes are known and positive, and bytes fit an int64_t.
bool isCountable(mlir::ShapedType type);

/// `op expected WHAT of N (WHY), but got M`.
mlir::LogicalResult expectSize(mlir::Operation *op, llvm::StringRef what,
                               int64_t want, int64_t got,
                               const llvm::Twine &why);

/// `op expected WHAT of the shape of X (SHAPE), but got SHAPE`; the shape of
/// `like` must be static.
mlir::LogicalResult expectShapeOf(mlir::Operation *op, llvm::StringRef what,
                                  mlir::Value value, llvm::StringRef likeName,
                                  mlir::Value like);

mlir::LogicalResult expectWeight(mlir::Operation *op, PackedType type);

/// Checks the activations `x` (`rank` 1: K values, 2: N x K) of a product with
/// a weight of `cols` columns; `tokens` is N.
mlir::LogicalResult expectActivations(mlir::Operation *op, mlir::Value x,
                                      int64_t tokens, int64_t cols);

/// The shaped `inputs` and `inits` are all tensors, with a result for each
/// init, or all memrefs, with none.
mlir::LogicalResult expectOneWorld(mlir::Operation *op, mlir::ValueRange inits,
                                   mlir::ValueRange inputs, size_t results);

/// Effects of an operation that writes its destination: none on tensors.
void addDestinationStyleEffects(
    mlir::DestinationStyleOpInterface op,
    llvm::SmallVectorImpl<
        mlir::SideEffects::EffectInstance<mlir::MemoryEffects::Effect>>
        &effects);

} // namespace headrace::qlinear

#endif // HEADRACE_DIALECTS_QLINEAR_OPVERIFICATION_H
