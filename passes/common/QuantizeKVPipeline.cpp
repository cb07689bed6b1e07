//===- QuantizeKVPipeline.cpp - queries for caches in 8-bit floats --------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/IR/PatternMatch.h"

namespace headrace::common {
#define GEN_PASS_DEF_QUANTIZEKVPIPELINE
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

void quantizeQuery(MlaDecodeOp op) {
  IRRewriter b(op);
  Location loc = op.getLoc();
  ArrayRef<int64_t> q = cast<ShapedType>(op.getQ().getType()).getShape();
  Value codes = empty(b, loc, q, b.getI8Type());
  Value scale = empty(b, loc, {q[0]}, b.getF32Type());
  Value rope =
      empty(b, loc, {q[0], op.getCache().getType().getRope()}, b.getF32Type());
  auto quantized = QuantizeKVOp::create(
      b, loc, TypeRange{codes.getType(), scale.getType(), rope.getType()},
      op.getQ(), op.getQRope(), codes, scale, rope);
  b.modifyOpInPlace(op, [&] {
    op.getQMutable().assign(quantized.getResult(0));
    op.getQScaleMutable().assign(quantized.getResult(1));
    op.getQRopeMutable().assign(quantized.getResult(2));
  });
}

struct QuantizeKVPipeline
    : headrace::common::impl::QuantizeKVPipelineBase<QuantizeKVPipeline> {
  void runOnOperation() override {
    getOperation()->walk([](MlaDecodeOp op) {
      if (!op.getResults().empty() && !op.getQScale() &&
          op.getCache().getType().hasScales())
        quantizeQuery(op);
    });
  }
};

} // namespace
