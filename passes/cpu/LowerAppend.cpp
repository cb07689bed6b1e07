//===- LowerAppend.cpp - new keys and values in a cache as vectors --------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/CacheTokens.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERAPPEND
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;
using namespace headrace::qattn;

namespace {

constexpr int64_t kLanes = kAttentionLanes;

/// One head of keys and values, token by token: in a ring the last one stays.
class AppendKernel {
public:
  AppendKernel(VectorBuilder &v, AppendKVOp op, Value bytes)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes) {}

  void emit() {
    int64_t tokens = cast<MemRefType>(op.getK().getType()).getDimSize(0);
    head = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    forEachNewToken(v, cache, op.getTable(), op.getPosition(), tokens,
                    /*workgroups=*/1, [&](Value token, Value slot) {
                      store(op.getK(), token, slot, KVPart::Key);
                      store(op.getV(), token, slot, KVPart::Value);
                    });
  }

private:
  void store(Value from, Value token, Value slot, KVPart part) {
    Value at = numbersAt(v, cache, part, slot, head), scale;
    if (cache.hasScales()) {
      scale = scaleOfHead(from, token);
      v.store(v.cast(v.broadcast(scale, 1), 4, v.i8()), bytes,
              {scaleAt(v, cache, part, slot, head)});
      scale = v.broadcast(scale, kLanes);
    }
    CacheDtype dtype = cache.getDtype();
    forEachVector(cache.getDim(), [&](int64_t col, int64_t count) {
      Value values = load(from, token, col, count);
      if (scale)
        values = v.divf(values, scale);
      storeNumbers(v, values, bytes, v.add(at, col * numberBytes(dtype)), dtype,
                   count);
    });
  }

  Value scaleOfHead(Value from, Value token) {
    Value most = largestMagnitude(v, from, {token, head}, cache.getDim());
    bool fp8 = cache.getDtype() == CacheDtype::FP8E4M3;
    return scaleOf(v.b, v.loc, most, fp8 ? 448.0 : 127.0);
  }

  Value load(Value from, Value token, int64_t col, int64_t count) {
    return v.loadFirst(from, {token, head, v.index(col)}, kLanes, count);
  }

  VectorBuilder &v;
  AppendKVOp op;
  KVCacheType cache;
  Value bytes, head;
};

struct CpuLowerAppend
    : headrace::cpu::impl::CpuLowerAppendBase<CpuLowerAppend> {
  void runOnOperation() override {
    if (failed(lowerWithCache<AppendKVOp, AppendKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
