//===- LowerAppendMla.cpp - new latents in a cache as vectors -------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/CacheTokens.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERAPPENDMLA
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;
using namespace headrace::qattn;

namespace {

constexpr int64_t kLanes = kAttentionLanes;

/// Tokens of the slots that the workgroup has.
class AppendMlaKernel {
public:
  AppendMlaKernel(VectorBuilder &v, AppendMlaOp op, Value bytes)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes) {}

  void emit() {
    int64_t tokens = cast<MemRefType>(op.getContent().getType()).getDimSize(0);
    forEachNewToken(v, cache, op.getTable(), op.getPosition(), tokens,
                    appendWorkgroups(tokens),
                    [&](Value token, Value slot) { store(token, slot); });
  }

private:
  void store(Value token, Value slot) {
    Value scale;
    if (cache.hasScales()) {
      scale = latentScale(
          v.b, v.loc,
          largestMagnitude(v, op.getContent(), token, cache.getContent()),
          largestMagnitude(v, op.getRope(), token, cache.getRope()));
      v.store(v.cast(v.broadcast(scale, 1), 4, v.i8()), bytes,
              latentScaleAt(v, cache, slot));
      scale = v.broadcast(scale, kLanes);
    }
    storePart(op.getContent(), token, contentAt(v, cache, slot), scale);
    storePart(op.getRope(), token, ropeAt(v, cache, slot), scale);
  }

  void storePart(Value from, Value token, LatentPart part, Value scale) {
    forEachVector(part.count, [&](int64_t col, int64_t count) {
      Value values = v.loadFirst(from, {token, v.index(col)}, kLanes, count);
      if (scale)
        values = v.divf(values, scale);
      storeNumbers(v, values, bytes,
                   v.add(part.at, col * numberBytes(part.dtype)), part.dtype,
                   count);
    });
  }

  VectorBuilder &v;
  AppendMlaOp op;
  MlaCacheType cache;
  Value bytes;
};

struct CpuLowerAppendMla
    : headrace::cpu::impl::CpuLowerAppendMlaBase<CpuLowerAppendMla> {
  void runOnOperation() override {
    if (failed(lowerWithCache<AppendMlaOp, AppendMlaKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
