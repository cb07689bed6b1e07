//===- DecomposeQAttn.h - parts of pass decompose-qattn ---------*- C++ -*-===//
//
// The pass is one; its patterns are in a file for each kind of operation.
// Caches are tensors of bytes; CacheAccess.cpp reads and encodes them.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_DECOMPOSEQATTN_H
#define HEADRACE_PASSES_COMMON_DECOMPOSEQATTN_H

#include "dialects/QAttn/QAttn.h"

#include "mlir/Transforms/DialectConversion.h"

namespace headrace::common {

//===----------------------------------------------------------------------===//
// Places in a cache
//===----------------------------------------------------------------------===//

/// Where a token is kept.
struct Slot {
  /// Of index type, inside of the cache even where the token has no slot.
  mlir::Value index;
  /// Whether the token has a slot (i1).
  mlir::Value valid;
};

/// The slot of `token` (index, may be negative) in `cache`; `table` (a tensor
/// or memref of i32) is null where there are no pages. Whether a ring still
/// keeps the token is for the caller to say.
Slot slotOf(mlir::OpBuilder &b, mlir::Location loc, mlir::Type cache,
            mlir::Value table, mlir::Value token);

/// How many tokens from token 0 on can have a slot: the slots, those that the
/// table of pages has room for, or for a ring all (the largest index).
int64_t tokensOf(mlir::Type cache, mlir::Value table);

/// The number in a tensor or memref [1] of i32, as an index.
mlir::Value scalarIndex(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value one);

//===----------------------------------------------------------------------===//
// Values in a cache, f32; indices inside of it
//===----------------------------------------------------------------------===//

enum class KVPart { Key, Value };

mlir::Value decodeKV(mlir::OpBuilder &b, mlir::Location loc, mlir::Value bytes,
                     qattn::KVCacheType cache, KVPart part, mlir::Value slot,
                     mlir::Value head, mlir::Value dim);

/// Content or rotated part as stored: of fp8 the value of the code, or of the
/// rotated part over the scale.
mlir::Value storedContent(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value bytes, qattn::MlaCacheType cache,
                          mlir::Value slot, mlir::Value dim);
mlir::Value storedRope(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value bytes, qattn::MlaCacheType cache,
                       mlir::Value slot, mlir::Value dim);
/// The scale of a token; 1 where the cache has none.
mlir::Value mlaScale(mlir::OpBuilder &b, mlir::Location loc, mlir::Value bytes,
                     qattn::MlaCacheType cache, mlir::Value slot);
/// What is stored, times the scale.
mlir::Value decodeContent(mlir::OpBuilder &b, mlir::Location loc,
                          mlir::Value bytes, qattn::MlaCacheType cache,
                          mlir::Value slot, mlir::Value dim);
mlir::Value decodeRope(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value bytes, qattn::MlaCacheType cache,
                       mlir::Value slot, mlir::Value dim);

//===----------------------------------------------------------------------===//
// Encoding of f32 scalars
//===----------------------------------------------------------------------===//

/// The bits of `value` in `dtype`, i32, rounded to nearest, ties to even. fp8
/// saturates at 448; i8 at 127.
mlir::Value encode(mlir::OpBuilder &b, mlir::Location loc, mlir::Value value,
                   qattn::CacheDtype dtype);
/// The value of the low byte of `code` (i32) in e4m3.
mlir::Value decodeE4M3(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value code);
/// `value` rounded to bf16, as f32.
mlir::Value roundToBF16(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value value);
/// largest / `limit`; 1 where that is 0, NaN where `largest` is not finite.
mlir::Value scaleOf(mlir::OpBuilder &b, mlir::Location loc, mlir::Value largest,
                    double limit);
/// The scale of a latent whose content and rotated part have these largest
/// magnitudes; NaN where one of them is not finite.
mlir::Value latentScale(mlir::OpBuilder &b, mlir::Location loc,
                        mlir::Value content, mlir::Value rope);

//===----------------------------------------------------------------------===//
// Patterns
//===----------------------------------------------------------------------===//

/// Bytes, append and fetch, of both kinds of caches.
void populateDecomposeCachePatterns(mlir::RewritePatternSet &patterns,
                                    const mlir::TypeConverter &types);
void populateDecomposePrefillPatterns(mlir::RewritePatternSet &patterns,
                                      const mlir::TypeConverter &types);
/// decode, merge_partials.
void populateDecomposeAttentionPatterns(mlir::RewritePatternSet &patterns,
                                        const mlir::TypeConverter &types);
void populateDecomposeRopePatterns(mlir::RewritePatternSet &patterns,
                                   const mlir::TypeConverter &types);
/// quantize_kv, mla_attention, mla_decode without and with q_scale.
void populateDecomposeMlaPatterns(mlir::RewritePatternSet &patterns,
                                  const mlir::TypeConverter &types);
void populateDecomposeMlaRecurrencePatterns(mlir::RewritePatternSet &patterns,
                                            const mlir::TypeConverter &types);

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_DECOMPOSEQATTN_H
