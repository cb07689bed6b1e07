//===- CacheNumbers.h - numbers of a cache as vectors of f32 -----*- C++
//-*-===//

#ifndef HEADRACE_PASSES_CPU_CACHENUMBERS_H
#define HEADRACE_PASSES_CPU_CACHENUMBERS_H

#include "dialects/QAttn/QAttn.h"
#include "passes/cpu/VectorBuilder.h"

namespace headrace::cpu {

/// Lanes of the f32 vectors that attention works with.
inline constexpr int64_t kAttentionLanes = 16;

/// `count` numbers of `dtype` from byte `at` of `bytes` as 16 lanes of f32,
/// zeros behind them; without a scale.
mlir::Value loadNumbers(VectorBuilder &v, mlir::Value bytes, mlir::Value at,
                        qattn::CacheDtype dtype, int64_t count);

/// Bytes of one number.
int64_t numberBytes(qattn::CacheDtype dtype);

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_CACHENUMBERS_H
