//===- BitMatrix.h - bytes times matrices of bits ---------------*- C++ -*-===//
//
// GFNI multiplies each byte by a matrix of 8 x 8 bits, which moves all its bits
// at once: what puts codes together whose bits lie in different places.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_BITMATRIX_H
#define HEADRACE_PASSES_CPU_BITMATRIX_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Bytes (i8 x 64) times the matrices in the 64-bit lanes of `matrix`: bit i of
/// a byte is the parity of what it has in common with byte 7 - i of its matrix.
mlir::Value timesBits(VectorBuilder &v, mlir::Value bytes, mlir::Value matrix);

/// The same bits at other places of each byte: bit i is bit `from[i]`. Others
/// are 0, as are those from a negative one.
mlir::Value moveBits(VectorBuilder &v, mlir::Value bytes,
                     llvm::ArrayRef<int64_t> from);
/// That with places of their own for each of eight 64-bit lanes.
mlir::Value
moveBits(VectorBuilder &v, mlir::Value bytes,
         llvm::function_ref<llvm::SmallVector<int64_t>(int64_t)> from);

/// The bits of `yes` where the mask of each byte has them, else those of `no`.
mlir::Value blendBits(VectorBuilder &v, int64_t mask, mlir::Value yes,
                      mlir::Value no);

/// Codes of nibbles and of what lies in the other half of bytes. Of the low
/// nibble, whose upper bits are in place in `upper` and alone there; of the
/// high nibble, whose upper bits are those at `places` of `upper`, below 4.
mlir::Value lowCodes(VectorBuilder &v, mlir::Value nibbles, mlir::Value upper);
mlir::Value highCodes(VectorBuilder &v, mlir::Value nibbles, mlir::Value upper,
                      llvm::ArrayRef<int64_t> places);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_BITMATRIX_H
