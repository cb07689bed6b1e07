//===- AttentionBlocks.h - tokens of decoding kernels, in blocks -*- C++
//-*-===//
//
// What kernels of one query share: they take the tokens that are seen in
// blocks, list the slots of a block, and let softmax run along.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_ATTENTIONBLOCKS_H
#define HEADRACE_PASSES_CPU_ATTENTIONBLOCKS_H

#include "passes/common/AttentionBuilders.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Memory of the kernel that `op` is in, made once, at its entry.
mlir::Value kernelBuffer(VectorBuilder &v, mlir::Operation *op,
                         llvm::ArrayRef<int64_t> shape, mlir::Type type);

void storeScalar(VectorBuilder &v, mlir::Value value, mlir::Value memref,
                 mlir::ValueRange at);
mlir::Value loadScalar(VectorBuilder &v, mlir::Value memref,
                       mlir::ValueRange at);

/// Tokens from `first` on.
struct TokenRange {
  mlir::Value first, count;
};

/// The tokens of `part`; of all parts where it is null.
TokenRange tokensOfPart(VectorBuilder &v, const common::SeenTokens &seen,
                        mlir::Value part);

/// Calls `body` with `size` tokens of `tokens` after the other, and at the end
/// with those that are left.
void forEachBlock(VectorBuilder &v, TokenRange tokens, int64_t size,
                  llvm::function_ref<void(TokenRange)> body);

/// Lists in `slots` where those `tokens` are that have a slot, repeats the last
/// of them to the end of the list, and returns how many there are. Nothing of
/// other slots is read.
mlir::Value listSlots(VectorBuilder &v, mlir::Type cache, mlir::Value table,
                      TokenRange tokens, mlir::Value slots);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ATTENTIONBLOCKS_H
