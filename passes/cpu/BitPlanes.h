//===- BitPlanes.h - bits of codes that lie apart ---------------*- C++ -*-===//
//
// What the decoders of K-quants share.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_BITPLANES_H
#define HEADRACE_PASSES_CPU_BITPLANES_H

#include "passes/cpu/BlockDecoder.h"

namespace headrace::cpu {

/// The 32 bytes at `at` twice: each half of the result serves a group of 32.
mlir::Value loadTwice(VectorBuilder &v, const Piece &piece, int64_t at);

/// 16 bytes at `at` as i32.
mlir::Value loadAtom(VectorBuilder &v, const Piece &piece, int64_t at);

/// An f16 of the block as f32.
mlir::Value half(VectorBuilder &v, const Piece &piece, int64_t at);

mlir::Value vectorI32(VectorBuilder &v, llvm::ArrayRef<int32_t> values);

/// Bit g of byte i of 32 belongs to column 32 g + i: the bits of a step (two
/// groups), moved to bit `target`, which is even.
mlir::Value bitPlane(VectorBuilder &v, const Piece &piece, int64_t at,
                     int64_t step, int64_t target);

/// The same bits of an atom.
mlir::Value bitPlaneAtom(VectorBuilder &v, const Piece &piece, int64_t at,
                         int64_t atom, int64_t target);

/// Bits 2p and 2p + 1 of byte 32 h + i belong to column 128 h + 32 p + i: those
/// of a step, moved to bit `target`, which is 0 or 4.
mlir::Value pairPlane(VectorBuilder &v, const Piece &piece, int64_t at,
                      int64_t step, int64_t target);

mlir::Value pairPlaneAtom(VectorBuilder &v, const Piece &piece, int64_t at,
                          int64_t atom, int64_t target);

/// `q` (i8 x 64) with each 32 bits rotated to the right; to the left by
/// negative amounts. Bits of a neighbour come in.
mlir::Value rotate(VectorBuilder &v, mlir::Value q,
                   llvm::ArrayRef<int32_t> amounts);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_BITPLANES_H
