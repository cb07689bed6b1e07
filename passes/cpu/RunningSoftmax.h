//===- RunningSoftmax.h - softmax along blocks of tokens --------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_RUNNINGSOFTMAX_H
#define HEADRACE_PASSES_CPU_RUNNINGSOFTMAX_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// A softmax of each head that runs along the blocks, of scores times log2(e).
///
/// Heads are added in tiles of 1, 2, 4, ... heads, always the same ones. Lanes
/// of their scores are the heads of the tile in turn. Weights are powers of two
/// of what scores have more than a base, which is raised only where a score has
/// far more: then, which is seldom, earlier sums are rescaled.
class RunningSoftmax {
public:
  using Value = mlir::Value;

  /// The weights that are stored are at most two to the power of this.
  static constexpr double kMostMore = 8;

  RunningSoftmax(VectorBuilder &v, mlir::Operation *op, int64_t heads);

  void start(Value head);

  /// Makes weights of the scores of a block and of the tile at `head`, which
  /// are minus infinity where nothing is seen. `rescale` gets what earlier sums
  /// are multiplied with, a lane for each head as in scores.
  void add(Value head, int64_t heads, llvm::MutableArrayRef<Value> scores,
           llvm::function_ref<void(Value)> rescale);

  /// Of head `lane` of the tile at `head`: one over the sum of the weights, or
  /// 0 where nothing was seen, and the logarithm of the sum of exponentials.
  std::pair<Value, Value> finish(Value head, int64_t heads, int64_t lane);

private:
  VectorBuilder &v;
  Value base;  // [first head of a tile][lane]
  Value total; // [first head of a tile][lane], parts of the sum of weights
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_RUNNINGSOFTMAX_H
