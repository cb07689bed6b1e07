//===- AffineMatcher.h - the parts of a dequantized matrix ------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_AFFINEMATCHER_H
#define HEADRACE_PASSES_COMMON_AFFINEMATCHER_H

#include "passes/common/ElementFunction.h"
#include "passes/common/PackAffine.h"

namespace headrace::common {

/// Finds what a matrix of f32 is dequantized from, if `#qlinear.affine` says
/// just that.
class AffineMatcher {
public:
  AffineMatcher(mlir::MLIRContext *context, int64_t rows, int64_t cols)
      : context(context), rows(rows), cols(cols),
        tracer(context, {rows, cols}) {}

  /// The parts of `tensor`, [rows, cols] or, `transposed`, [cols, rows].
  std::optional<AffineParts> match(mlir::Value tensor, bool transposed);

private:
  bool matchProduct(const Element &element);
  bool matchScale(const Element &element);
  bool matchCodes(const Element &element);
  bool matchZero(const Element &element);
  /// A float for each group.
  std::optional<Arrangement> matchFloats(const Element &element,
                                         qlinear::ScaleKind &kind);
  /// Whether codes in bytes, less a number, are what `function` makes of bytes.
  bool matchBytes(const ElementFunction &function);
  bool choose(qlinear::ZeroPointKind zero);

  mlir::AffineExpr row() const { return tracer.coordinate(0); }
  mlir::AffineExpr col() const { return tracer.coordinate(1); }
  /// How one number for each of the groups is laid out.
  std::optional<Arrangement> perGroup(const Element &element) const;

  mlir::MLIRContext *context;
  int64_t rows, cols;
  ElementTracer tracer;
  AffineParts parts;
  qlinear::ScaleKind scaleKind = qlinear::ScaleKind::F32;
};

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_AFFINEMATCHER_H
