//===- MlaTiles.h - products of latent attention in tiles -------*- C++ -*-===//
//
// All heads share one latent for each token, as key and as value: a block of
// tokens is decoded once, to rows of f32 that stay in the second-level cache.
// Scores have a lane for each head, so that a softmax is lane by lane; results
// have a lane for each column. Both products are of tiles of sums that stay in
// registers.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_MLATILES_H
#define HEADRACE_PASSES_CPU_MLATILES_H

#include "dialects/QAttn/QAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Vectors of heads and tokens of a tile of scores, heads and vectors of
/// columns of a tile of results.
struct MlaTileSizes {
  int64_t vectors, tokens, heads, chunks;
};

class MlaTiles {
public:
  /// For `heads` heads of the query of `op` from `firstHead` on, and blocks of
  /// at least `block` tokens, in the kernel of `op`, with registers of
  /// `vectorBits`.
  MlaTiles(VectorBuilder &v, qattn::MlaDecodeOp op, mlir::Value bytes,
           mlir::Value firstHead, int64_t heads, int64_t block,
           int64_t vectorBits);

  /// Vectors of heads, the last ones repeated where they fill none.
  int64_t vectors() const { return tiles * sizes.vectors; }

  /// Most tokens that are decoded, as tiles are whole.
  int64_t tokens() const { return block; }

  /// Transposes the query, times `factor` if there is one.
  void loadQuery(mlir::Value factor);

  /// Decodes the first `count` tokens that `slots` lists, times their scales if
  /// `scales` is null; else these are stored there.
  void decode(mlir::Value slots, mlir::Value count, mlir::Value scales);

  /// Scores of `count` tokens that were decoded: [token][head].
  mlir::Value score(mlir::Value count);

  /// output[at..., head, column] = output * keep[head] + the sum of weights
  /// ([token][head], where the scores were) times values. Meanwhile as many
  /// tokens from byte `next` of the cache on are fetched into the second cache.
  void addValues(mlir::Value output, llvm::ArrayRef<mlir::Value> at,
                 mlir::Value keep, mlir::Value count, mlir::Value next);

private:
  mlir::Value headOf(mlir::Value number);
  void transposeQuery(mlir::Value from, int64_t size, int64_t column,
                      mlir::Value factor);
  void decodePart(LatentPart part, mlir::Value row, int64_t column,
                  mlir::Value scale);
  void addTile(mlir::Value output, llvm::ArrayRef<mlir::Value> at,
               mlir::Value keep, mlir::Value count, mlir::Value next,
               mlir::Value head, int64_t heads, mlir::Value column,
               int64_t columns);
  void fetchColumns(mlir::Value next, mlir::Value token, mlir::Value column);

  VectorBuilder &v;
  qattn::MlaDecodeOp op;
  qattn::MlaCacheType cache;
  mlir::Value bytes, firstHead;
  int64_t heads;
  MlaTileSizes sizes;
  int64_t block, tiles, content, columns;

  mlir::Value query;  // [tile][column][lane]
  mlir::Value keys;   // [token][column], content first
  mlir::Value scores; // [token][head], then weights
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_MLATILES_H
