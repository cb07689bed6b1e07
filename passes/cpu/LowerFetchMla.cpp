//===- LowerFetchMla.cpp - latents of a cache as f32 ----------------------===//

#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/CacheTokens.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERFETCHMLA
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qattn;

namespace {

constexpr int64_t kLanes = kAttentionLanes;

/// One token.
class FetchMlaKernel {
public:
  FetchMlaKernel(VectorBuilder &v, FetchMlaOp op, Value bytes)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes) {}

  void emit() {
    fetchToken(
        v, cache, op.getTable(), op.getStart(),
        [&](Value token, Value slot) { read(token, slot); },
        [&](Value token) {
          clear(cache.getContent(), op.getContent(), token);
          clear(cache.getRope(), op.getRope(), token);
        });
  }

private:
  void read(Value token, Value slot) {
    Value scale;
    if (cache.hasScales())
      scale = v.broadcast(
          v.loadScalarAs(bytes, latentScaleAt(v, cache, slot), 4, v.f32()),
          kLanes);
    readPart(contentAt(v, cache, slot), scale, op.getContent(), token);
    readPart(ropeAt(v, cache, slot), scale, op.getRope(), token);
  }

  void readPart(LatentPart part, Value scale, Value to, Value token) {
    forEachVector(part.count, [&](int64_t col, int64_t count) {
      Value values =
          loadNumbers(v, bytes, v.add(part.at, col * numberBytes(part.dtype)),
                      part.dtype, count);
      v.storeFirst(scale ? v.mulf(values, scale) : values, to,
                   {token, v.index(col)}, count);
    });
  }

  void clear(int64_t size, Value to, Value token) {
    forEachVector(size, [&](int64_t col, int64_t count) {
      v.storeFirst(v.splat(v.vec(kLanes, v.f32()), 0), to,
                   {token, v.index(col)}, count);
    });
  }

  VectorBuilder &v;
  FetchMlaOp op;
  MlaCacheType cache;
  Value bytes;
};

struct CpuLowerFetchMla
    : headrace::cpu::impl::CpuLowerFetchMlaBase<CpuLowerFetchMla> {
  void runOnOperation() override {
    if (failed(lowerWithCache<FetchMlaOp, FetchMlaKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
