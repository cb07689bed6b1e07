//===- QAttnTiling.cpp - tiling of qattn operations -----------------------===//
//
// Attention is cut along tokens and heads of the queries, heads in whole groups
// that share a key head. A cache is not cut: it is one piece of bytes, whose
// tokens lie where its layout says. So a `decode` from a cache of several key
// heads is one tile in its heads (its tokens are what pass `split-kv` divides),
// while heads that all read the same keys, as in latent attention, are cut one
// by one. Tokens of caches and of keys are a reduction, and are not cut here.
//
//===----------------------------------------------------------------------===//

#include "dialects/Interfaces/Tiling.h"
#include "dialects/QAttn/InterfaceModels.h"
#include "dialects/QAttn/Verification.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"

using namespace mlir;
using namespace headrace;
using namespace headrace::qattn;

namespace {

using Dims = SmallVector<TiledDim>;

TileLoop loopOver(StringRef name, int64_t count) {
  return {name, count, count};
}

/// The i32 number `base` (0 where it is null) plus `start`, as tensor<1xi32>.
Value plus(OpBuilder &b, Location loc, Value base, OpFoldResult start) {
  if (base && isConstantIntValue(start, 0))
    return base;
  Value zero = arith::ConstantIndexOp::create(b, loc, 0);
  Value sum = arith::IndexCastOp::create(
      b, loc, b.getI32Type(), getValueOrCreateConstantIndexOp(b, loc, start));
  if (base) {
    Value first = tensor::ExtractOp::create(b, loc, base, zero);
    sum = arith::AddIOp::create(b, loc, first, sum);
  }
  return tensor::FromElementsOp::create(b, loc, sum);
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// The queries of a tile begin `starts[0]` tokens later.
Operation *createPrefill(OpBuilder &b, Operation *op, TypeRange results,
                         SmallVector<Value> operands,
                         ArrayRef<OpFoldResult> starts) {
  auto prefill = cast<PrefillOp>(op);
  Location loc = op->getLoc();
  Value offset = prefill.getOffset();
  if (offset || !isConstantIntValue(starts[0], 0))
    offset = plus(b, loc, offset, starts[0]);
  ValueRange inits = ValueRange(operands).take_back(prefill.getInits().size());
  auto tile =
      PrefillOp::create(b, loc, results, prefill.getMaskAttr(), operands[0],
                        operands[1], operands[2], offset, inits,
                        prefill.getScaleAttr(), prefill.getWindowAttr(),
                        prefill.getSoftcapAttr(), prefill.getPrecisionAttr());
  tile->setDiscardableAttrs(op->getDiscardableAttrDictionary());
  return tile;
}

TilePlan planPrefill(PrefillOp op) {
  ArrayRef<int64_t> q = shaped(op.getQ()).getShape();
  int64_t group = q[1] / shaped(op.getK()).getDimSize(1);
  TileLoop heads = loopOver("heads", q[1]);
  heads.granule = group;
  heads.why = "those that share a key head";
  Dims keys = {kWholeDim, {1, group}, kWholeDim};
  TilePlan plan{{loopOver("tokens", q[0]), heads},
                {{{0}, {1}, kWholeDim}, keys, keys},
                nullptr,
                createPrefill};
  if (op.getOffset())
    plan.operands.push_back({});
  plan.operands.push_back({{0}, {1}, kWholeDim});
  if (op.getInits().size() == 2)
    plan.operands.push_back({{0}, {1}});
  return plan;
}

/// The outs of a decode: [H, D] and [H], behind the parts if there are any.
void addDecodeOuts(TilePlan &plan, bool splits) {
  Dims init = {{0}, kWholeDim}, lse = {{0}};
  if (splits) {
    init.insert(init.begin(), kWholeDim);
    lse.insert(lse.begin(), kWholeDim);
  }
  plan.operands.push_back(init);
  plan.operands.push_back(lse);
}

TilePlan planDecode(DecodeOp op) {
  TileLoop heads = loopOver("heads", shaped(op.getQ()).getDimSize(0));
  if (op.getCache().getType().getHeads() != 1) {
    heads.granule = heads.extent;
    heads.why = "a cache is not cut by its heads";
  }
  TilePlan plan{{heads}, {{{0}, kWholeDim}, {}, {}}};
  if (op.getTable())
    plan.operands.push_back({});
  addDecodeOuts(plan, op.getSplits().has_value());
  return plan;
}

TilePlan planMlaDecode(MlaDecodeOp op) {
  Dims rows = {{0}, kWholeDim};
  TilePlan plan{{loopOver("heads", shaped(op.getQ()).getDimSize(0))},
                {rows, rows, {}, {}}};
  if (op.getQScale())
    plan.operands.push_back({{0}});
  if (op.getTable())
    plan.operands.push_back({});
  addDecodeOuts(plan, op.getSplits().has_value());
  return plan;
}

TilePlan planMlaAttention(MlaAttentionOp op) {
  Dims rows = {{0}, kWholeDim}, weights = {{0}, kWholeDim, kWholeDim};
  TilePlan plan{{loopOver("heads", shaped(op.getQ()).getDimSize(0))},
                {rows, rows, weights, weights, {}, {}}};
  if (op.getTable())
    plan.operands.push_back({});
  plan.operands.push_back(rows);
  return plan;
}

TilePlan planMergePartials(MergePartialsOp op) {
  ArrayRef<int64_t> init = shaped(op.getInit()).getShape();
  TilePlan plan;
  Dims lse;
  for (auto [i, size] : llvm::enumerate(init.drop_back())) {
    bool tokens = init.size() == 3 && i == 0;
    plan.loops.push_back(loopOver(tokens ? "tokens" : "heads", size));
    lse.push_back({static_cast<int64_t>(i)});
  }
  Dims result = lse, lses = lse;
  result.push_back(kWholeDim);
  lses.insert(lses.begin(), kWholeDim);
  Dims partials = result;
  partials.insert(partials.begin(), kWholeDim);
  plan.operands = {partials, lses, result, lse};
  return plan;
}

//===----------------------------------------------------------------------===//
// Positions, rows, tokens of caches
//===----------------------------------------------------------------------===//

TilePlan planRope(RopeOp op) {
  ArrayRef<int64_t> x = shaped(op.getX()).getShape();
  Dims dims = {{0}, {1}, kWholeDim};
  return {{loopOver("tokens", x[0]), loopOver("heads", x[1])},
          {dims, {{0}}, {}, dims}};
}

TilePlan planQuantizeKV(QuantizeKVOp op) {
  Dims rows = {{0}, kWholeDim};
  return {{loopOver("rows", shaped(op.getContent()).getDimSize(0))},
          {rows, rows, rows, {{0}}, rows}};
}

/// The tokens of a tile begin `starts[0]` later. `start` is operand 1.
Operation *createFetch(OpBuilder &b, Operation *op, TypeRange results,
                       SmallVector<Value> operands,
                       ArrayRef<OpFoldResult> starts) {
  operands[1] = plus(b, op->getLoc(), operands[1], starts[0]);
  return clone(b, op, results, operands);
}

template <typename Op> TilePlan planFetch(Op op) {
  auto dest = cast<DestinationStyleOpInterface>(op.getOperation());
  auto inits = dest.getDpsInits();
  TilePlan plan{{loopOver("tokens", shaped(inits.front()).getDimSize(0))},
                {{}, {}},
                nullptr,
                createFetch};
  if (op.getTable())
    plan.operands.push_back({});
  for (Value init : inits) {
    Dims dims(shaped(init).getRank(), kWholeDim);
    dims.front() = {0};
    plan.operands.push_back(dims);
  }
  return plan;
}

template <typename Op, TilePlan (*plan)(Op)> void attach(MLIRContext *context) {
  Op::template attachInterface<TilingModel<Op, plan>>(*context);
}

} // namespace

void headrace::qattn::registerTilingModels(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect>();
  registry.addExtension(+[](MLIRContext *context, QAttnDialect *) {
    context->loadDialect<affine::AffineDialect>();
    attach<PrefillOp, planPrefill>(context);
    attach<DecodeOp, planDecode>(context);
    attach<MlaDecodeOp, planMlaDecode>(context);
    attach<MlaAttentionOp, planMlaAttention>(context);
    attach<MergePartialsOp, planMergePartials>(context);
    attach<RopeOp, planRope>(context);
    attach<QuantizeKVOp, planQuantizeKV>(context);
    attach<FetchKVOp, planFetch<FetchKVOp>>(context);
    attach<FetchMlaOp, planFetch<FetchMlaOp>>(context);
  });
}
