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

/// The scales of the keys of a head, then of its values, of the listed slots:
/// [2, slots] f32.
void listScales(VectorBuilder &v, qattn::KVCacheType cache, mlir::Value bytes,
                mlir::Value slots, mlir::Value head, mlir::Value scales);

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

/// Lane l of the result is the sum of the lanes of `vectors[l]`, of which there
/// are 16.
mlir::Value addLanes(VectorBuilder &v, llvm::SmallVector<mlir::Value> vectors);

/// The larger one; either where one is NaN.
mlir::Value larger(VectorBuilder &v, mlir::Value lhs, mlir::Value rhs);

/// The largest of 16 lanes; any of them where one is NaN.
mlir::Value largestLane(VectorBuilder &v, mlir::Value lanes);

/// A softmax of each head that runs along the blocks, of scores times log2(e).
class RunningSoftmax {
public:
  RunningSoftmax(VectorBuilder &v, mlir::Operation *op, int64_t heads);

  void start(mlir::Value head);

  /// Makes weights of the scores of a block, which are minus infinity where
  /// nothing is seen; what earlier sums are multiplied with, in every lane.
  mlir::Value add(mlir::Value head, llvm::MutableArrayRef<mlir::Value> scores);

  /// One over the sum of the weights, or 0 where nothing was seen, and the
  /// logarithm of the sum of exponentials.
  std::pair<mlir::Value, mlir::Value> finish(mlir::Value head);

private:
  VectorBuilder &v;
  mlir::Value largest; // [head], the largest score so far
  mlir::Value total;   // [head], sum of exponentials
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_ATTENTIONBLOCKS_H
