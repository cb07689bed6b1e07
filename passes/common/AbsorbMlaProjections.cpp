//===- AbsorbMlaProjections.cpp - latent attention without keys -----------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/IR/PatternMatch.h"

namespace headrace::common {
#define GEN_PASS_DEF_ABSORBMLAPROJECTIONS
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

void absorb(MlaAttentionOp op) {
  IRRewriter b(op);
  Location loc = op.getLoc();
  int64_t heads = shapeOf(op.getQ())[0];
  int64_t values = shapeOf(op.getWV())[1];
  int64_t content = op.getCache().getType().getContent();
  Type f32 = b.getF32Type();
  // Each head is a batch: q[h] w_k[h], and w_v[h] of its content.
  Value q =
      linalg::BatchVecmatOp::create(b, loc, ValueRange{op.getQ(), op.getWK()},
                                    ValueRange{zeros(b, loc, {heads, content})})
          .getResult(0);
  Value init = empty(b, loc, {heads, content}, f32);
  Value lse = empty(b, loc, {heads}, f32);
  auto decode = MlaDecodeOp::create(
      b, loc, TypeRange{init.getType(), lse.getType()}, q, op.getQRope(),
      op.getCache(), op.getLength(), /*q_scale=*/Value(), op.getTable(), init,
      lse, op.getScaleAttr(), /*splits=*/IntegerAttr());
  decode->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  Value result = linalg::BatchMatvecOp::create(
                     b, loc, ValueRange{op.getWV(), decode.getResult(0)},
                     ValueRange{zeros(b, loc, {heads, values})})
                     .getResult(0);
  b.replaceOp(op, result);
}

struct AbsorbMlaProjections
    : headrace::common::impl::AbsorbMlaProjectionsBase<AbsorbMlaProjections> {
  void runOnOperation() override {
    SmallVector<MlaAttentionOp> found;
    getOperation()->walk([&](MlaAttentionOp op) {
      if (!op.getResults().empty())
        found.push_back(op);
    });
    for (MlaAttentionOp op : found)
      absorb(op);
  }
};

} // namespace
