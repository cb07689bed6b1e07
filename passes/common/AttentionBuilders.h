//===- AttentionBuilders.h - softmax and the tokens seen -------*- C++ -*-===//
//
// What the decompositions of attention share, on f32 tensors of static shape.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_ATTENTIONBUILDERS_H
#define HEADRACE_PASSES_COMMON_ATTENTIONBUILDERS_H

#include "dialects/QAttn/QAttn.h"

#include "mlir/IR/AffineMap.h"
#include "mlir/IR/Builders.h"

#include <optional>

namespace headrace::common {

/// exp(score - largest score) of each row, and what is made of their sum. A row
/// of minus infinities only has weights and a sum of zero. `lse` is the
/// logarithm of the sum of exponentials of the scores.
struct Softmax {
  mlir::Value weights, sum, lse;
};

/// Softmax over the last dimension of a domain (rows..., token); `map` goes
/// from it to `scores`, of which `weights` have the shape. Rows are `shape`.
/// `init`, if there, takes `lse`.
Softmax softmax(mlir::OpBuilder &b, mlir::Location loc, mlir::Value scores,
                mlir::AffineMap map, llvm::ArrayRef<int64_t> shape,
                mlir::Value init = {});

/// sum over tokens of weights * values, over `softmax.sum`: [shape..., size],
/// and zeros for a row whose sum is zero. Maps are from (rows..., token, e);
/// what `mask` (i1) does not see is not multiplied, as 0 * NaN would be NaN.
/// `init`, if there, takes the result.
mlir::Value weightedMean(mlir::OpBuilder &b, mlir::Location loc,
                         const Softmax &softmax, mlir::AffineMap weightsMap,
                         mlir::Value mask, mlir::AffineMap maskMap,
                         mlir::Value values, mlir::AffineMap valuesMap,
                         llvm::ArrayRef<int64_t> shape, int64_t size,
                         mlir::Value init = {});

struct AttentionOptions {
  llvm::APFloat scale;
  std::optional<llvm::APFloat> softcap;
};

/// Attention and the logarithm of the sum of exponentials: [X, G, R, E] and
/// [X, G, R].
struct Attention {
  mlir::Value result, lse;
};

/// Attention of R heads to each of G heads of keys and values. q is [X, G, R,
/// D] or [G, R, D] for all X; keys and values are [T, G, D], [T, G, E] or [X,
/// T, G, D], [X, T, G, E]. `mask` (i1, [X, T]) says what is seen: anything else
/// never reaches the result, be it NaN.
Attention attend(mlir::OpBuilder &b, mlir::Location loc, mlir::Value q,
                 mlir::Value keys, mlir::Value values, mlir::Value mask,
                 const AttentionOptions &options);

/// The parts of `attend`: products of each query with each key, [X, G, R, T],
/// scores (minus infinity where `mask` does not see), and weighted means of
/// values, [X, G, R, E].
mlir::Value headProducts(mlir::OpBuilder &b, mlir::Location loc, mlir::Value q,
                         mlir::Value keys, mlir::Value mask);
mlir::Value maskedScores(mlir::OpBuilder &b, mlir::Location loc,
                         mlir::Value products, mlir::Value mask,
                         const AttentionOptions &options);
mlir::Value headMeans(mlir::OpBuilder &b, mlir::Location loc,
                      const Softmax &softmax, mlir::Value mask,
                      mlir::Value values);

/// [G * R, ...rest] as [G, R, ...rest] at dimension `at`, and back.
mlir::Value splitHeads(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                       int64_t at, int64_t groups);
mlir::Value joinHeads(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x,
                      int64_t at);
/// Drops the first dimension, which is 1.
mlir::Value dropFirst(mlir::OpBuilder &b, mlir::Location loc, mlir::Value x);

/// The tokens a decoding query sees: `count` of them from `begin` on, in
/// `parts` parts of `perPart`, which is at most `bound`.
struct SeenTokens {
  mlir::Value begin, count, perPart;
  int64_t parts, bound;

  /// (token, seen) for number `i` of part `part`. A token that is not seen may
  /// be any number.
  std::pair<mlir::Value, mlir::Value> token(mlir::OpBuilder &b,
                                            mlir::Location loc,
                                            mlir::Value part,
                                            mlir::Value i) const;
};

/// How many tokens a cache can keep: its slots, or what the pages of `table`
/// (null without one) have room for.
int64_t tokenBound(mlir::Type cache, mlir::Value table);

/// What a query that is the last of `length` (i32, [1]) tokens sees of a cache
/// that keeps `bound` tokens: the first ones, or in a ring the last.
SeenTokens seenTokens(mlir::OpBuilder &b, mlir::Location loc,
                      mlir::Value length, int64_t bound, bool ring,
                      std::optional<int64_t> window, int64_t parts);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_ATTENTIONBUILDERS_H
