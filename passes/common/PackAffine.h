//===- PackAffine.h - affine weights from their parts -----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_COMMON_PACKAFFINE_H
#define HEADRACE_PASSES_COMMON_PACKAFFINE_H

#include "dialects/QLinear/QLinear.h"
#include "passes/common/ElementTracer.h"

namespace headrace::common {

/// How codes of `bits` bits lie in bytes, and what they mean. A code, unsigned,
/// counts from `zero` (integer zero points are added to it).
struct CodeBytes {
  int64_t bits = 8;
  /// Flips the sign bits of codes that are signed.
  uint8_t flip = 0;
  /// Whether the first column is in the highest bits.
  bool reversed = false;
  int64_t zero = 0;
};

/// A matrix as codes, scales and zero points, in the terms of
/// `#qlinear.affine`.
struct AffineParts {
  CodeBytes code;
  Arrangement codes;                 // [rows, cols * bits / 8] of i8
  std::optional<Arrangement> scales; // [rows, groups], of a float
  double scale = 1;                  // of all, where there are no scales
  std::optional<Arrangement> zeros;  // [rows, groups], i8 or as the scales
  uint8_t flipZero = 0;
  int64_t groups = 1;
  qlinear::AffineFormatAttr format;
};

/// The packed matrix: its bytes are computed from the parts by tensor
/// operations, which fold for constants and can be hoisted for arguments.
mlir::Value packAffine(mlir::OpBuilder &b, mlir::Location loc,
                       const AffineParts &parts, int64_t rows, int64_t cols);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_PACKAFFINE_H
