//===- AttentionBlocks.h - tokens of decoding kernels, in blocks -*- C++
//-*-===//
//
// What kernels of one query share: they take the tokens that are seen in
// blocks and list the slots of a block.
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

/// Lists in `scales` ([keys of all heads, values of all heads][slot] f32) those
/// of `heads` heads from `head` on, which is one of them or all, of the listed
/// slots, of which there are a multiple of 16.
void listScales(VectorBuilder &v, qattn::KVCacheType cache, mlir::Value bytes,
                mlir::Value slots, mlir::Value head, int64_t heads,
                mlir::Value scales);

/// Calls `body` for runs of `size` of `count` numbers, and of halves, quarters,
/// ... of it for what is left.
void forEachRun(VectorBuilder &v, int64_t count, int64_t size,
                llvm::function_ref<void(mlir::Value, int64_t)> body);

/// Emits `yes` where `condition` holds and `no` elsewhere; only `no` where it
/// is null.
void choose(VectorBuilder &v, mlir::Value condition,
            llvm::function_ref<void()> yes, llvm::function_ref<void()> no);

/// What a query is multiplied with, so that `capped` makes scores to the
/// base 2.
double queryScale(const llvm::APFloat &scale,
                  const std::optional<llvm::APFloat> &cap);

/// Products of a query times `queryScale` and keys, bounded by `cap` if there
/// is one, times log2(e).
mlir::Value capped(VectorBuilder &v, mlir::Value scores,
                   const std::optional<llvm::APFloat> &cap);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ATTENTIONBLOCKS_H
