//===- FloatAttention.h - keys and values as f32 ----------------*- C++ -*-===//
//
// What is loaded and decoded of a key or value serves all heads of a tile,
// whose sums stay in registers.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_FLOATATTENTION_H
#define HEADRACE_PASSES_CPU_FLOATATTENTION_H

#include "passes/cpu/HeadTile.h"

namespace headrace::cpu {

class FloatAttention {
public:
  using Value = mlir::Value;

  /// `query` and `sums` are f32 [head][column] of whole vectors; up to
  /// `mostSums` vectors of sums are computed at a time.
  FloatAttention(VectorBuilder &v, const BlockCache &block, Value query,
                 Value sums, const Scores &scores, int64_t mostSums)
      : v(v), block(block), query(query), sums(sums), scores(scores),
        mostSums(mostSums), dim(block.type.getDim()),
        width(block.numberBytes()) {}

  /// Products of queries and the keys of `count` tokens.
  void score(const HeadTile &tile, Value count);

  /// Adds weights times the values of `count` tokens to the sums.
  void addValues(const HeadTile &tile, Value count);

private:
  using Values = llvm::SmallVector<Value>;

  Values addColumns(llvm::ArrayRef<Value> places, const HeadTile &tile,
                    Value first, int64_t columns, mlir::ValueRange sums);
  void storeScores(const HeadTile &tile, Value token,
                   llvm::ArrayRef<Value> dots);
  void addChunks(const HeadTile &tile, int64_t first, int64_t wide,
                 Value count);
  void fetchKeys(Value group, Value token, llvm::ArrayRef<Value> places,
                 Value col, int64_t step);
  void fetchValues(Value group, Value token, Value place, int64_t first,
                   int64_t wide);

  VectorBuilder &v;
  const BlockCache &block;
  Value query, sums;
  const Scores &scores;
  int64_t mostSums, dim, width;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_FLOATATTENTION_H
