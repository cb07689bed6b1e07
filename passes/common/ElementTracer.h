//===- ElementTracer.h - where an element of a tensor comes from -*- C++
//-*-===//
//
// Models arrive with the same arithmetic in many shapes: reshaped, transposed,
// broadcast, split over several linalg operations. Seen one element at a time
// they are alike. A tracer follows an element back through all of these, with
// its indices as affine functions of coordinates that the caller names.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_ELEMENTTRACER_H
#define HEADRACE_PASSES_COMMON_ELEMENTTRACER_H

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/IR/AffineMap.h"

namespace headrace::common {

/// The element at indices `at` of a tensor `value`. If `value` is no tensor, it
/// is a scalar, in the body of a linalg operation (`owner`) whose loops are
/// `at` or outside of any (`owner` is null).
struct Element {
  mlir::Value value;
  mlir::AffineMap at;
  mlir::linalg::LinalgOp owner;
};

/// How the elements of `source`, in order, make a tensor: reshaped to the
/// target's axes in the order `axes`.
struct Arrangement {
  mlir::Value source;
  llvm::SmallVector<int64_t> axes;
};

class ElementTracer {
public:
  /// Coordinate i runs from 0 to `extents[i]`.
  ElementTracer(mlir::MLIRContext *context, llvm::ArrayRef<int64_t> extents)
      : context(context), extents(extents) {}

  mlir::AffineExpr coordinate(unsigned i) const {
    return mlir::getAffineDimExpr(i, context);
  }
  mlir::AffineExpr number(int64_t value) const {
    return mlir::getAffineConstantExpr(value, context);
  }
  llvm::ArrayRef<int64_t> getExtents() const { return extents; }

  /// Element `indices` of `tensor`.
  Element element(mlir::Value tensor,
                  llvm::ArrayRef<mlir::AffineExpr> indices) const;

  /// The same element one move of data earlier (reshape, transposition,
  /// broadcast, slice, copy), if there is one.
  std::optional<Element> moved(const Element &element) const;
  /// Before all moves of data.
  Element source(const Element &element) const;
  /// What computes it: an operation on scalars. Or a constant, or a tensor
  /// whose elements are not computed one by one.
  Element computed(const Element &element) const;
  /// Operand `i` of the operation that `computed` found.
  Element operand(const Element &element, unsigned i) const;
  /// The element of a tensor that it is, if `element` is an argument of a body.
  Element argument(const Element &element) const;
  /// The number that it is everywhere.
  std::optional<double> constant(const Element &element) const;

  /// How the tensor [shape] with element `coordinates` at these coordinates is
  /// made of what `element` comes from: of the earliest that has just these
  /// elements.
  std::optional<Arrangement>
  arrange(const Element &element, llvm::ArrayRef<mlir::AffineExpr> coordinates,
          llvm::ArrayRef<int64_t> shape) const;

  mlir::AffineExpr simplify(mlir::AffineExpr expr) const;
  bool equal(mlir::AffineExpr lhs, mlir::AffineExpr rhs) const;
  /// Whether two elements are the same one everywhere, moves of data aside.
  bool same(const Element &lhs, const Element &rhs) const;

private:
  mlir::AffineMap map(llvm::ArrayRef<mlir::AffineExpr> results) const;
  /// Upper bound of an expression without negative terms.
  std::optional<int64_t> largest(mlir::AffineExpr expr) const;
  /// Expressions for axes of `shape` from that of a row-major index, or back.
  void split(mlir::AffineExpr linear, llvm::ArrayRef<int64_t> shape,
             llvm::SmallVectorImpl<mlir::AffineExpr> &out) const;
  mlir::AffineExpr join(llvm::ArrayRef<mlir::AffineExpr> indices,
                        llvm::ArrayRef<int64_t> shape) const;

  mlir::MLIRContext *context;
  llvm::SmallVector<int64_t> extents;
};

/// The operation on scalars that computes an element, if it is an `Op`.
template <typename Op> Op computedBy(const Element &element) {
  if (mlir::isa<mlir::RankedTensorType>(element.value.getType()))
    return nullptr;
  return element.value.getDefiningOp<Op>();
}

/// The tensor [shape] of an arrangement.
mlir::Value arranged(mlir::OpBuilder &b, mlir::Location loc,
                     const Arrangement &arrangement,
                     llvm::ArrayRef<int64_t> shape);

/// The same elements, row by row, in another shape.
mlir::Value reshaped(mlir::OpBuilder &b, mlir::Location loc, mlir::Value tensor,
                     llvm::ArrayRef<int64_t> shape);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_ELEMENTTRACER_H
