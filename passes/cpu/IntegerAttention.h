//===- IntegerAttention.h - 8-bit keys and values as integers ---*- C++ -*-===//
//
// Queries and weights are split into three limbs of 8 bits, which hold their
// floats with an error of 2^-24 of the largest of a row, so that instructions
// for 8-bit products multiply them with keys and values as they are stored.
// Sums of limbs are exact.
//
// Keys: 16 tokens are lanes. A tile of keys is transposed, four columns of a
// token in a lane, so that a query's columns are broadcast and nothing is added
// up across lanes. Values: columns are lanes, four tokens in one.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_INTEGERATTENTION_H
#define HEADRACE_PASSES_CPU_INTEGERATTENTION_H

#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Most columns whose sums of limbs are exact as f32.
inline constexpr int64_t kMostIntegerColumns = 1024;
/// Tokens that are scored together, and columns of a line.
inline constexpr int64_t kKeyTile = 16;
inline constexpr int64_t kLineColumns = 64;

class IntegerAttention {
public:
  using Value = mlir::Value;
  /// The first byte of the keys or values of a token of the block.
  using Place = llvm::function_ref<Value(Value token)>;
  /// Fetches what is needed later: `size` bytes, `offset` bytes into what the
  /// keys or values of a block take, or those that lie behind `read`.
  using Fetch = llvm::function_ref<void(
      Value offset, llvm::ArrayRef<Value> read, int64_t size)>;

  /// For `heads` queries of `dim` columns, of which up to `tile` are computed
  /// together, over blocks of `block` tokens of `bytes`, in the kernel of `op`.
  IntegerAttention(VectorBuilder &v, mlir::Operation *op, Value bytes,
                   int64_t heads, int64_t tile, int64_t dim, int64_t block);

  /// Splits the query [head][column], f32 with zeros up to whole lines.
  void splitQuery(Value query, Value head);

  /// Whether `heads` queries from `head` on could be split. What is not finite
  /// cannot, nor what is so small that a factor would not be finite.
  Value queriesFit(Value head, int64_t heads);

  /// Stores the scores of `count` tokens and `heads` queries from `head` on:
  /// [head of the tile][token].
  void score(Value scores, Value head, int64_t heads, Value count, Place place,
             Fetch fetch);

  /// Splits the weights of the tile [head][token], of a whole block; whether
  /// all could be.
  Value splitWeights(Value weights, int64_t heads, Fetch fetch);

  /// sums[head, column] = sums * keep[head of the tile] + the sum of split
  /// weights times values of `count` tokens.
  void addValues(Value sums, Value head, llvm::ArrayRef<Value> keep,
                 Value count, Place place, Fetch fetch);

private:
  void addLine(Value sums, Value head, llvm::ArrayRef<Value> keep, Value count,
               Value col, int64_t columns, Place place, Fetch fetch);
  llvm::SmallVector<Value> addHalfLine(bool high, int64_t heads, Value count,
                                       Value col, int64_t columns, Place place,
                                       Fetch fetch);
  /// Four bytes from the place in all lanes.
  Value everywhere(Value memref, mlir::ValueRange at);
  Value floats(double value);
  /// The limbs of a lane as f32.
  Value joined(llvm::ArrayRef<Value> limbs);
  Value scalarOf(Value memref, mlir::ValueRange at);

  VectorBuilder &v;
  Value bytes;
  int64_t dim, columns, block;

  Value query;      // [head][limb][column], signed
  Value offsets;    // [head][limb], what unsigned keys add
  Value queryUnit;  // [head], what an integer of it stands for; 0: not split
  Value keys;       // bytes [four columns][token][column], unsigned
  Value weights;    // [head of a tile][limb][token], unsigned
  Value weightUnit; // [head of a tile]
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_INTEGERATTENTION_H
