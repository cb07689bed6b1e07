//===- LinalgBuilders.h - short names for linalg on f32 tensors -*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_LINALGBUILDERS_H
#define HEADRACE_PASSES_COMMON_LINALGBUILDERS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

namespace headrace::common {

using BodyBuilder = llvm::function_ref<mlir::Value(
    mlir::OpBuilder &, mlir::Location, mlir::ValueRange)>;
inline constexpr auto kParallel = mlir::utils::IteratorType::parallel;
inline constexpr auto kReduction = mlir::utils::IteratorType::reduction;

inline mlir::Value empty(mlir::OpBuilder &b, mlir::Location loc,
                         llvm::ArrayRef<int64_t> shape, mlir::Type type) {
  return mlir::tensor::EmptyOp::create(b, loc, shape, type);
}

inline mlir::Value constant(mlir::OpBuilder &b, mlir::Location loc,
                            double value) {
  return mlir::arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
}

inline mlir::Value zeros(mlir::OpBuilder &b, mlir::Location loc,
                         llvm::ArrayRef<int64_t> shape) {
  mlir::Value init = empty(b, loc, shape, b.getF32Type());
  return mlir::linalg::FillOp::create(b, loc, constant(b, loc, 0.0), init)
      .getResult(0);
}

inline mlir::Value generic(mlir::OpBuilder &b, mlir::Location loc,
                           mlir::ValueRange inputs, mlir::Value init,
                           llvm::ArrayRef<mlir::AffineMap> maps,
                           llvm::ArrayRef<mlir::utils::IteratorType> iterators,
                           BodyBuilder body) {
  return mlir::linalg::GenericOp::create(
             b, loc, init.getType(), inputs, init, maps, iterators,
             [&](mlir::OpBuilder &nested, mlir::Location at,
                 mlir::ValueRange args) {
               mlir::linalg::YieldOp::create(nested, at,
                                             body(nested, at, args));
             })
      .getResult(0);
}

/// The map to dimensions `dims` of a domain of `count`.
inline mlir::AffineMap dimensions(mlir::OpBuilder &b, int64_t count,
                                  llvm::ArrayRef<unsigned> dims) {
  llvm::SmallVector<mlir::AffineExpr> exprs;
  for (unsigned dim : dims)
    exprs.push_back(b.getAffineDimExpr(dim));
  return mlir::AffineMap::get(count, 0, exprs, b.getContext());
}

/// A map of equal shapes, element by element.
inline mlir::Value elementwise(mlir::OpBuilder &b, mlir::Location loc,
                               mlir::ValueRange inputs, mlir::Value init,
                               BodyBuilder body) {
  int64_t rank = mlir::cast<mlir::RankedTensorType>(init.getType()).getRank();
  llvm::SmallVector<mlir::AffineMap> maps(inputs.size() + 1,
                                          b.getMultiDimIdentityMap(rank));
  llvm::SmallVector<mlir::utils::IteratorType> iterators(rank, kParallel);
  return generic(b, loc, inputs, init, maps, iterators, body);
}

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_LINALGBUILDERS_H
