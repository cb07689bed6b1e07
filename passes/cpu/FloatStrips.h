//===- FloatStrips.h - strips of 16 rows of bf16 ----------------*- C++ -*-===//
//
// A line has two columns of 16 rows: a 32-bit lane for each row, in whose lower
// half the first column is.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_FLOATSTRIPS_H
#define HEADRACE_PASSES_CPU_FLOATSTRIPS_H

#include "dialects/QLinear/StripLayout.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

using qlinear::kStripRows;
constexpr int64_t kLineBytes = 4 * kStripRows;

/// Whether a weight is bf16 in strips, of whole pieces.
inline bool isFloatStrips(qlinear::PackedType weight) {
  auto repacked =
      mlir::dyn_cast<qlinear::RepackedFormatAttr>(weight.getFormat());
  return repacked && repacked.getStrips() &&
         mlir::isa<qlinear::PlainFormatAttr>(repacked.getFormat()) &&
         weight.getCols() == weight.getPaddedCols();
}

/// The line at byte `at`, bf16 x 32.
inline mlir::Value loadPairs(VectorBuilder &v, mlir::Value bytes,
                             mlir::Value at) {
  return v.loadAs(bytes, at, kLineBytes, 2 * kStripRows, v.b.getBF16Type());
}

/// Pairs of bf16 as f32: the first and the second of each.
inline void splitPairs(VectorBuilder &v, mlir::Value pairs,
                       mlir::Value (&halves)[2]) {
  // bf16 is the upper half of an f32.
  mlir::Value both = v.cast(pairs, kStripRows, v.i32());
  halves[0] = v.cast(v.shl(both, 16), kStripRows, v.f32());
  halves[1] = v.cast(v.andI(both, -65536), kStripRows, v.f32());
}

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_FLOATSTRIPS_H
