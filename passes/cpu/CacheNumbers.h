//===- CacheNumbers.h - numbers of a cache as vectors -----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_CPU_CACHENUMBERS_H
#define HEADRACE_PASSES_CPU_CACHENUMBERS_H

#include "dialects/QAttn/QAttn.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/VectorBuilder.h"

#include "mlir/IR/BuiltinOps.h"

namespace headrace::cpu {

/// Lanes of the f32 vectors that attention works with.
inline constexpr int64_t kAttentionLanes = 16;

/// `count` numbers of `dtype` from byte `at` of `bytes` as 16 lanes of f32,
/// zeros behind them; without a scale.
mlir::Value loadNumbers(VectorBuilder &v, mlir::Value bytes,
                        mlir::ValueRange at, qattn::CacheDtype dtype,
                        int64_t count);

/// Stores the first `count` of 16 f32 `values` as numbers of `dtype`, rounded
/// to nearest, ties to even; fp8 saturates at 448, i8 at 127.
void storeNumbers(VectorBuilder &v, mlir::Value values, mlir::Value bytes,
                  mlir::ValueRange at, qattn::CacheDtype dtype, int64_t count);

/// 16 f32 `values` rounded to bf16.
mlir::Value roundToBF16(VectorBuilder &v, mlir::Value values);

/// 16 f32 from 0 to 448 rounded to what e4m3 has; NaN stays.
mlir::Value roundToE4M3(VectorBuilder &v, mlir::Value values);

/// First byte of the keys or values of a head and slot.
mlir::Value numbersAt(VectorBuilder &v, qattn::KVCacheType cache,
                      common::KVPart part, mlir::Value slot, mlir::Value head);

/// First byte of their scale, in a cache with scales.
mlir::Value scaleAt(VectorBuilder &v, qattn::KVCacheType cache,
                    common::KVPart part, mlir::Value slot, mlir::Value head);

/// What is kept of a token's latent: where, and as what numbers.
struct LatentPart {
  mlir::Value at;
  qattn::CacheDtype dtype;
  int64_t count;
};
LatentPart contentAt(VectorBuilder &v, qattn::MlaCacheType cache,
                     mlir::Value slot);
LatentPart ropeAt(VectorBuilder &v, qattn::MlaCacheType cache,
                  mlir::Value slot);

/// First byte of a token's scale, in a cache of latents with scales.
mlir::Value latentScaleAt(VectorBuilder &v, qattn::MlaCacheType cache,
                          mlir::Value slot);

/// Calls `body` with the first column of each vector of `count` and how many of
/// its lanes there are.
void forEachVector(int64_t count,
                   llvm::function_ref<void(int64_t, int64_t)> body);

/// The same as a loop, and then the rest.
void loopVectors(VectorBuilder &v, int64_t count,
                 llvm::function_ref<void(mlir::Value, int64_t)> body);

/// The largest magnitude of `count` f32 of `memref` from `row` on, NaN if there
/// is one.
mlir::Value largestMagnitude(VectorBuilder &v, mlir::Value memref,
                             llvm::ArrayRef<mlir::Value> row, int64_t count);

/// Bytes of one number.
int64_t numberBytes(qattn::CacheDtype dtype);

/// The bytes that `cache` of `op` is a view of, in a kernel; null and an error
/// if it is none.
mlir::Value bytesOfCache(mlir::Operation *op, mlir::Value cache);

/// Replaces each `Op` in `module` by what `Kernel(v, op, bytes of its cache,
/// options...)` emits.
template <typename Op, typename Kernel, typename... Options>
mlir::LogicalResult lowerWithCache(mlir::ModuleOp module, Options... options) {
  mlir::WalkResult result = module->walk([&](Op op) {
    mlir::Value bytes = bytesOfCache(op, op.getCache());
    if (!bytes)
      return mlir::WalkResult::interrupt();
    mlir::OpBuilder builder(op);
    VectorBuilder v{builder, op->getLoc()};
    Kernel(v, op, bytes, options...).emit();
    op->erase();
    return mlir::WalkResult::advance();
  });
  return mlir::failure(result.wasInterrupted());
}

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_CACHENUMBERS_H
