//===- Exp2.h - powers of two as vectors ------------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_EXP2_H
#define HEADRACE_PASSES_CPU_EXP2_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// 2 to the power of lanes of f32 that are below 127, with an error of two
/// units in the last place; 0 below 2^-126, and NaN stays.
inline mlir::Value exp2(VectorBuilder &v, mlir::Value x) {
  auto floats = mlir::cast<mlir::VectorType>(x.getType());
  int64_t lanes = floats.getNumElements();
  auto splat = [&](double value) { return v.splat(floats, value); };
  // The last bit of 1.5 * 2^23 is worth one: adding it rounds to an integer n,
  // which is in the low bits, here with the bias of an exponent.
  mlir::Value shifted = v.addf(x, splat(12582912.0 + 127));
  mlir::Value whole = v.subf(shifted, splat(12582912.0 + 127));
  mlir::Value rest = v.subf(x, whole); // from -1/2 to 1/2
  // The minimax polynomial of 2^rest with 1 as its value at 0.
  mlir::Value power = splat(0.001326472731307149);
  for (double coefficient : {0.009671512991189957, 0.05550733581185341,
                             0.24022242426872253, 0.6931470036506653, 1.0})
    power = v.fma(power, rest, splat(coefficient));
  mlir::Value scale =
      v.cast(v.shl(v.cast(shifted, lanes, v.i32()), 23), lanes, v.f32());
  mlir::Value tiny = v.lessF(x, splat(-126));
  return v.select(tiny, splat(0), v.mulf(power, scale));
}

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_EXP2_H
