//===- IntegerValues.h - 8-bit values as integers ---------------*- C++ -*-===//
//
// Columns are lanes, four tokens in one, which limbs of weights of four tokens
// are broadcast to.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_INTEGERVALUES_H
#define HEADRACE_PASSES_CPU_INTEGERVALUES_H

#include "passes/cpu/HeadTile.h"

namespace headrace::cpu {

class IntegerValues {
public:
  using Value = mlir::Value;

  /// Adds to `sums`, f32 [head][column] of whole lines, in the kernel of `op`.
  IntegerValues(VectorBuilder &v, mlir::Operation *op, const BlockCache &block,
                const Scores &weights, Value sums);

  /// Splits the weights of a block and head.
  void splitWeights(Value head);

  /// Whether all weights of the tile could be split.
  Value weightsFit(const HeadTile &tile);

  /// Adds split weights times the values of `count` tokens to the sums.
  void addValues(const HeadTile &tile, Value count);

private:
  void splitLanes(Value head, llvm::ArrayRef<Value> lanes, Value most);
  void addLine(const HeadTile &tile, Value count, Value col, int64_t size);
  llvm::SmallVector<Value> addHalfLine(const HeadTile &tile, bool high,
                                       Value count, Value col, int64_t size);

  VectorBuilder &v;
  const BlockCache &block;
  const Scores &weights;
  Value sums;
  int64_t dim, columns;

  Value limbs; // bytes [head][four tokens][limb or nothing][token], unsigned
  Value units; // [head], what an integer stands for; 0: not split
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_INTEGERVALUES_H
