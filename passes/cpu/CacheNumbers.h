//===- CacheNumbers.h - numbers of a cache as vectors -----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_CACHENUMBERS_H
#define HEADRACE_PASSES_CPU_CACHENUMBERS_H

#include "dialects/QAttn/QAttn.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Lanes of the f32 vectors that attention works with.
inline constexpr int64_t kAttentionLanes = 16;

/// `count` numbers of `dtype` from byte `at` of `bytes` as 16 lanes of f32,
/// zeros behind them; without a scale.
mlir::Value loadNumbers(VectorBuilder &v, mlir::Value bytes, mlir::Value at,
                        qattn::CacheDtype dtype, int64_t count);

/// Stores the first `count` of 16 f32 `values` as numbers of `dtype`, rounded
/// to nearest, ties to even; fp8 saturates at 448, i8 at 127.
void storeNumbers(VectorBuilder &v, mlir::Value values, mlir::Value bytes,
                  mlir::Value at, qattn::CacheDtype dtype, int64_t count);

/// First byte of the keys or values of a head and slot.
mlir::Value numbersAt(VectorBuilder &v, qattn::KVCacheType cache,
                      common::KVPart part, mlir::Value slot, mlir::Value head);

/// First byte of their scale, in a cache with scales.
mlir::Value scaleAt(VectorBuilder &v, qattn::KVCacheType cache,
                    common::KVPart part, mlir::Value slot, mlir::Value head);

/// Bytes of one number.
int64_t numberBytes(qattn::CacheDtype dtype);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_CACHENUMBERS_H
