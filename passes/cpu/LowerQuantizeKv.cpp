//===- LowerQuantizeKv.cpp - latents to fp8 as vectors --------------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERQUANTIZEKV
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;
using namespace headrace::qattn;

namespace {

constexpr int64_t kLanes = kAttentionLanes;

/// One row: its scale, then codes and rotated part over it.
void quantizeRow(VectorBuilder &v, QuantizeKVOp op) {
  int64_t content = cast<MemRefType>(op.getContent().getType()).getDimSize(1);
  int64_t rope = cast<MemRefType>(op.getRope().getType()).getDimSize(1);
  Value row = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
  Value scale = latentScale(v.b, v.loc,
                            largestMagnitude(v, op.getContent(), row, content),
                            largestMagnitude(v, op.getRope(), row, rope));
  memref::StoreOp::create(v.b, v.loc, scale, op.getScale(), row);
  scale = v.broadcast(scale, kLanes);
  auto load = [&](Value from, int64_t col, int64_t count) {
    Value values = v.loadFirst(from, {row, v.index(col)}, kLanes, count);
    return v.divf(values, scale);
  };
  forEachVector(content, [&](int64_t col, int64_t count) {
    storeNumbers(v, load(op.getContent(), col, count), op.getCodes(),
                 {row, v.index(col)}, CacheDtype::FP8E4M3, count);
  });
  forEachVector(rope, [&](int64_t col, int64_t count) {
    v.storeFirst(roundToBF16(v, load(op.getRope(), col, count)),
                 op.getScaledRope(), {row, v.index(col)}, count);
  });
}

struct CpuLowerQuantizeKv
    : headrace::cpu::impl::CpuLowerQuantizeKvBase<CpuLowerQuantizeKv> {
  void runOnOperation() override {
    getOperation()->walk([](QuantizeKVOp op) {
      OpBuilder builder(op);
      VectorBuilder v{builder, op->getLoc()};
      quantizeRow(v, op);
      op->erase();
    });
  }
};

} // namespace
