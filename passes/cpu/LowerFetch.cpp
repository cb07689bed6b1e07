//===- LowerFetch.cpp - keys and values of a cache as f32 -----------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/CacheTokens.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERFETCH
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;
using namespace headrace::qattn;

namespace {

constexpr int64_t kLanes = kAttentionLanes;

/// All heads of one token.
class FetchKernel {
public:
  FetchKernel(VectorBuilder &v, FetchKVOp op, Value bytes)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes) {}

  void emit() {
    fetchToken(
        v, cache, op.getTable(), op.getStart(),
        [&](Value token, Value slot) { read(token, slot); },
        [&](Value token) { clear(token); });
  }

private:
  void read(Value token, Value slot) {
    forEachHead([&](KVPart part, Value head, Value to) {
      Value at = numbersAt(v, cache, part, slot, head), scale;
      if (cache.hasScales())
        scale = v.broadcast(v.loadScalarAs(bytes,
                                           scaleAt(v, cache, part, slot, head),
                                           4, v.f32()),
                            kLanes);
      CacheDtype dtype = cache.getDtype();
      forEachVector(cache.getDim(), [&](int64_t col, int64_t count) {
        Value values = loadNumbers(
            v, bytes, v.add(at, col * numberBytes(dtype)), dtype, count);
        v.storeFirst(scale ? v.mulf(values, scale) : values, to,
                     {token, head, v.index(col)}, count);
      });
    });
  }

  void clear(Value token) {
    forEachHead([&](KVPart, Value head, Value to) {
      forEachVector(cache.getDim(), [&](int64_t col, int64_t count) {
        v.storeFirst(v.splat(v.vec(kLanes, v.f32()), 0), to,
                     {token, head, v.index(col)}, count);
      });
    });
  }

  void forEachHead(llvm::function_ref<void(KVPart, Value, Value)> body) {
    v.loop(v.index(0), v.index(cache.getHeads()), 1, {},
           [&](Value head, ValueRange) -> SmallVector<Value> {
             body(KVPart::Key, head, op.getK());
             body(KVPart::Value, head, op.getV());
             return {};
           });
  }

  VectorBuilder &v;
  FetchKVOp op;
  KVCacheType cache;
  Value bytes;
};

struct CpuLowerFetch : headrace::cpu::impl::CpuLowerFetchBase<CpuLowerFetch> {
  void runOnOperation() override {
    if (failed(lowerWithCache<FetchKVOp, FetchKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
