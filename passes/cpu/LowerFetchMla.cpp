//===- LowerFetchMla.cpp - latents of a cache as f32 ----------------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERFETCHMLA
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::common;
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
    token = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    Value first = scalarIndex(v.b, v.loc, op.getStart());
    Slot slot = slotOf(v.b, v.loc, cache, op.getTable(), v.add(first, token));
    // Nothing of a slot that does not exist is read.
    auto branch = scf::IfOp::create(v.b, v.loc, slot.valid,
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    Value scale;
    if (cache.hasScales())
      scale =
          v.broadcast(v.loadScalarAs(bytes, latentScaleAt(v, cache, slot.index),
                                     4, v.f32()),
                      kLanes);
    fetch(contentAt(v, cache, slot.index), scale, op.getContent());
    fetch(ropeAt(v, cache, slot.index), scale, op.getRope());
    v.b.setInsertionPointToStart(branch.elseBlock());
    clear(cache.getContent(), op.getContent());
    clear(cache.getRope(), op.getRope());
  }

private:
  void fetch(LatentPart part, Value scale, Value to) {
    forEachVector(part.count, [&](int64_t col, int64_t count) {
      Value values =
          loadNumbers(v, bytes, v.add(part.at, col * numberBytes(part.dtype)),
                      part.dtype, count);
      store(scale ? v.mulf(values, scale) : values, to, col, count);
    });
  }

  void clear(int64_t size, Value to) {
    forEachVector(size, [&](int64_t col, int64_t count) {
      store(v.splat(v.vec(kLanes, v.f32()), 0), to, col, count);
    });
  }

  void store(Value values, Value to, int64_t col, int64_t count) {
    v.storeFirst(values, to, {token, v.index(col)}, count);
  }

  VectorBuilder &v;
  FetchMlaOp op;
  MlaCacheType cache;
  Value bytes, token;
};

struct CpuLowerFetchMla
    : headrace::cpu::impl::CpuLowerFetchMlaBase<CpuLowerFetchMla> {
  void runOnOperation() override {
    if (failed(lowerWithCache<FetchMlaOp, FetchMlaKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
