//===- CoreFunctions.h - what cores of an array compute ---------*- C++ -*-===//
//
// Functions on vectors of the width that cores have. Products are of bf16, as
// cores multiply; sums are f32, as cores accumulate. A value that is to be
// multiplied with more precision goes through as two bf16, whose sum it is.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_AIE_COREFUNCTIONS_H
#define HEADRACE_PASSES_AIE_COREFUNCTIONS_H

#include "dialects/QLinear/QLinear.h"
#include "passes/common/VectorBuilder.h"

namespace headrace::aie {

/// Lanes of a vector of sums.
constexpr int64_t kLanes = 16;
/// The bits of bf16 128: with a code of 4 bits, or an integer of less than 128,
/// in the low ones, it is 128 more than that.
constexpr int64_t k128 = 0x4300;

/// f32 of bf16 lanes, and bf16 of f32 lanes, rounded to the nearest.
mlir::Value widen(common::VectorBuilder &v, mlir::Value x);
mlir::Value narrow(common::VectorBuilder &v, mlir::Value x);
/// `acc + a * b` for lanes of bf16 and f32 sums.
mlir::Value multiplyAdd(common::VectorBuilder &v, mlir::Value a, mlir::Value b,
                        mlir::Value acc);
/// bf16 of bytes of less than 128.
mlir::Value integersToBf16(common::VectorBuilder &v, mlir::Value bytes);
/// f32 lanes as two of bf16: the nearest, and the nearest to what is left.
std::pair<mlir::Value, mlir::Value> split(common::VectorBuilder &v,
                                          mlir::Value x);

/// `y = 0`.
void buildZero(common::VectorBuilder &v, mlir::ValueRange arguments);
/// Bytes that are copied at a time.
constexpr int64_t kCopied = 64;
/// `to = from`.
void buildCopy(common::VectorBuilder &v, mlir::ValueRange arguments);
/// Puts piece `number` of the activations, whose bytes came as weights do, to
/// the others, x. Of each 32 of them
/// the sum: times what codes of `format` have too much, negative, to `bias`; as
/// two bf16 to `parts` (all first ones, then all second).
void buildTake(common::VectorBuilder &v, llvm::StringRef format,
               mlir::ValueRange arguments);
/// Adds the product of block `number` of 16 rows with its `columns` columns of
/// x to y.
void buildAccumulate(common::VectorBuilder &v, llvm::StringRef format,
                     int64_t columns, mlir::ValueRange arguments);
/// `y = act(gate) * y`.
void buildGate(common::VectorBuilder &v, qlinear::Activation activation,
               mlir::ValueRange arguments);

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_COREFUNCTIONS_H
