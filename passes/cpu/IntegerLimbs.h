//===- IntegerLimbs.h - f32 as limbs of 8 bits ------------------*- C++ -*-===//
//
// Queries and weights are split into three limbs of 8 bits, which hold their
// floats with an error of 2^-24 of the largest of a row, so that instructions
// for 8-bit products multiply them with keys and values as they are stored.
// Sums of limbs are exact.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_INTEGERLIMBS_H
#define HEADRACE_PASSES_CPU_INTEGERLIMBS_H

#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/HeadTile.h"

namespace headrace::cpu {

/// Most columns whose sums of limbs are exact as f32.
inline constexpr int64_t kMostIntegerColumns = 1024;
inline constexpr int64_t kLimbs = 3;
/// Columns of a line.
inline constexpr int64_t kLineColumns = 64;
/// Numbers of 8 bits in a 32-bit lane.
inline constexpr int64_t kWord = 4;
/// Factors of what is smaller could be infinite, and sums of what is larger.
inline constexpr double kLeast = 1e-30, kMost = 1e30;

/// Four bytes from the place in all lanes, as bytes.
inline mlir::Value wordEverywhere(VectorBuilder &v, mlir::Value memref,
                                  mlir::ValueRange at) {
  mlir::Value word =
      v.extract(v.cast(v.load(memref, at, kWord), 1, v.i32()), 0);
  return v.cast(v.broadcast(word, kAttentionLanes), kLineColumns, v.i8());
}

/// Sums of limbs, the highest first, as f32.
inline mlir::Value joinLimbs(VectorBuilder &v,
                             llvm::ArrayRef<mlir::Value> limbs) {
  auto factor = [&](double value) {
    return v.splat(v.vec(kAttentionLanes, v.f32()), value);
  };
  mlir::Value sum = v.toFloat(limbs[2]);
  sum = v.fma(v.toFloat(limbs[1]), factor(0x1p8), sum);
  return v.fma(v.toFloat(limbs[0]), factor(0x1p16), sum);
}

inline mlir::Value compareF(VectorBuilder &v,
                            mlir::arith::CmpFPredicate predicate,
                            mlir::Value lhs, mlir::Value rhs) {
  return mlir::arith::CmpFOp::create(v.b, v.loc, predicate, lhs, rhs);
}

/// 16 lanes of f32 as i32, rounded towards zero.
inline mlir::Value toInteger(VectorBuilder &v, mlir::Value values) {
  return mlir::arith::FPToSIOp::create(v.b, v.loc,
                                       v.vec(kAttentionLanes, v.i32()), values);
}

/// Whether limbs hold the floats of all heads: whether each has a unit.
inline mlir::Value allHaveUnits(VectorBuilder &v, const HeadTile &tile,
                                mlir::Value units) {
  mlir::Value fit;
  for (int64_t i = 0; i < tile.heads; ++i) {
    mlir::Value unit = loadScalar(v, units, v.add(tile.head, i));
    mlir::Value one =
        compareF(v, mlir::arith::CmpFPredicate::OGT, unit, v.constF(0.0));
    fit = fit ? v.andI(fit, one) : one;
  }
  return fit;
}

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_INTEGERLIMBS_H
