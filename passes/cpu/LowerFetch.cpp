//===- LowerFetch.cpp - keys and values of a cache as f32 -----------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
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
    token = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    Value first = scalarIndex(v.b, v.loc, op.getStart());
    slot = slotOf(v.b, v.loc, cache, op.getTable(), v.add(first, token));
    // Nothing of a slot that does not exist is read.
    auto branch = scf::IfOp::create(v.b, v.loc, slot.valid,
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    forEachHead([&](KVPart part, Value head, Value to) {
      Value at = numbersAt(v, cache, part, slot.index, head), scale;
      if (cache.hasScales())
        scale = v.broadcast(
            v.loadScalarAs(bytes, scaleAt(v, cache, part, slot.index, head), 4,
                           v.f32()),
            kLanes);
      CacheDtype dtype = cache.getDtype();
      forEachVector(cache.getDim(), [&](int64_t col, int64_t count) {
        Value values = loadNumbers(
            v, bytes, v.add(at, col * numberBytes(dtype)), dtype, count);
        store(scale ? v.mulf(values, scale) : values, to, head, col, count);
      });
    });
    v.b.setInsertionPointToStart(branch.elseBlock());
    forEachHead([&](KVPart, Value head, Value to) {
      forEachVector(cache.getDim(), [&](int64_t col, int64_t count) {
        store(v.splat(v.vec(kLanes, v.f32()), 0), to, head, col, count);
      });
    });
  }

private:
  void forEachHead(llvm::function_ref<void(KVPart, Value, Value)> body) {
    v.loop(v.index(0), v.index(cache.getHeads()), 1, {},
           [&](Value head, ValueRange) -> SmallVector<Value> {
             body(KVPart::Key, head, op.getK());
             body(KVPart::Value, head, op.getV());
             return {};
           });
  }

  void store(Value values, Value to, Value head, int64_t col, int64_t count) {
    v.storeFirst(values, to, {token, head, v.index(col)}, count);
  }

  VectorBuilder &v;
  FetchKVOp op;
  KVCacheType cache;
  Value bytes, token;
  Slot slot;
};

struct CpuLowerFetch : headrace::cpu::impl::CpuLowerFetchBase<CpuLowerFetch> {
  void runOnOperation() override {
    if (failed(lowerWithCache<FetchKVOp, FetchKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
