//===- IntegerKeys.h - 8-bit keys as integers -------------------*- C++ -*-===//
//
// 16 tokens are lanes. A tile of keys is transposed, four columns of a token in
// a lane, so that limbs of a query's columns are broadcast and nothing is added
// up across lanes.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_INTEGERKEYS_H
#define HEADRACE_PASSES_CPU_INTEGERKEYS_H

#include "passes/cpu/HeadTile.h"

namespace headrace::cpu {

class IntegerKeys {
public:
  using Value = mlir::Value;

  /// For `heads` queries, in the kernel of `op`.
  IntegerKeys(VectorBuilder &v, mlir::Operation *op, const BlockCache &block,
              const Scores &scores, int64_t heads);

  /// Splits the query [head][column], f32 with zeros up to whole lines.
  void splitQuery(Value query, Value head);

  /// Whether the queries of the tile could be split. What is not finite cannot,
  /// nor what is so small that a factor would not be finite.
  Value queriesFit(const HeadTile &tile);

  /// Products of queries and the keys of `count` tokens.
  void score(const HeadTile &tile, Value count);

private:
  void transpose(const HeadTile &tile, llvm::ArrayRef<Value> places,
                 Value token, Value col, int64_t size);
  llvm::SmallVector<Value> addWords(const HeadTile &tile, Value token,
                                    Value place);
  void fetchTile(Value place, Value col);

  VectorBuilder &v;
  const BlockCache &block;
  const Scores &scores;
  int64_t dim, columns;

  Value query;   // [head][limb][column], signed
  Value offsets; // [head][limb], what unsigned keys add
  Value units;   // [head], what an integer of it stands for; 0: not split
  Value keys;    // bytes [four columns][token][column], unsigned
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_INTEGERKEYS_H
