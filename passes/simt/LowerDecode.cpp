//===- LowerDecode.cpp - attention of one query by lanes ------------------===//
//
// Each lane has a softmax of its own, which runs along the tokens that it sees.
// They are merged at the end: those of a subgroup by exchange, those of a
// workgroup in shared memory.
//
//===----------------------------------------------------------------------===//

#include "passes/simt/DecodeTokens.h"
#include "passes/simt/Passes.h"
#include "passes/simt/SharedSoftmax.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "llvm/Support/MathExtras.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERDECODE
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KVPart;
using Token = DecodeTokens::Token;

namespace {

/// Tokens of a lane in one step: what was summed before is rescaled once.
constexpr int64_t kStep = 2;

class DecodeKernel {
public:
  DecodeKernel(SimtBuilder &v, DecodeOp op, Value bytes, const DecodeTile &tile,
               int64_t width)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes), tile(tile),
        width(width), groups(cache.getHeads()), dim(cache.getDim()),
        shared(cast<MemRefType>(op.getQ().getType()).getDimSize(0) / groups) {}

  void emit() {
    placeLane();
    SharedSoftmax all(v, tile, dim);
    columns.emplace(v, cache, bytes, tile, group, columnLane);
    loadQueries();
    tokens.emplace(v, op, part);
    SmallVector<LaneSoftmax> heads = addTokens();
    for (LaneSoftmax &head : heads)
      head.mergeLanes(v, tile.columnLanes * tile.headLanes, width);
    when(v, equal(tokenLane, 0), [&] {
      for (auto [i, softmax] : llvm::enumerate(heads))
        all.store(softmax, subgroup, v.add(laneHead, static_cast<int64_t>(i)),
                  columnLane, *columns);
    });
    gpu::BarrierOp::create(v.b, v.loc);
    writeResults(all);
  }

private:
  Value equal(Value lhs, int64_t rhs) {
    return arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::eq, lhs,
                                 v.index(rhs));
  }

  void placeLane() {
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    subgroup = gpu::SubgroupIdOp::create(v.b, v.loc, IntegerAttr());
    Value lane = gpu::LaneIdOp::create(v.b, v.loc, IntegerAttr());
    Value own = v.rem(id, groups * tile.tiles);
    part = v.named(v.div(id, groups * tile.tiles), "part");
    group = v.named(v.div(own, tile.tiles), "group");
    tileHead = v.mul(v.rem(own, tile.tiles), tile.heads());
    columnLane = v.named(v.rem(lane, tile.columnLanes), "column_lane");
    Value rest = v.div(lane, tile.columnLanes);
    laneHead = v.mul(v.rem(rest, tile.headLanes), tile.laneHeads);
    v.named(laneHead, "lane_head");
    tokenLane = v.named(v.div(rest, tile.headLanes), "token_lane");
  }

  /// The query, times what makes powers of two of scores.
  void loadQueries() {
    double scale = op.getScale().convertToDouble() *
                   (op.getSoftcap() ? 1.0 : llvm::numbers::log2e);
    for (int64_t i = 0; i < tile.laneHeads; ++i) {
      // There are queries behind the last one, too: that one.
      Value head =
          v.min(v.add(v.add(tileHead, laneHead), i), v.index(shared - 1));
      head = v.add(v.mul(group, shared), head);
      SmallVector<Value> &query = queries.emplace_back();
      for (int64_t number = 0; number < columns->vectors(); ++number) {
        auto type = v.vec(columns->width(), v.f32());
        Value q = vector::LoadOp::create(
            v.b, v.loc, type, op.getQ(),
            ValueRange{head, columns->column(number)}, /*nontemporal=*/false,
            llvm::MaybeAlign(4 * columns->width()));
        query.push_back(v.named(v.scale(q, scale), "q"));
      }
    }
  }

  //===-- Tokens ----------------------------------------------------------===//

  SmallVector<LaneSoftmax> addTokens() {
    SmallVector<LaneSoftmax> nothing(
        tile.laneHeads,
        LaneSoftmax::ofNothing(v, columns->vectors(), columns->width()));
    SmallVector<Value> state = valuesOf(nothing);
    // Whole steps of a subgroup, then the rest of the last one, of which each
    // subgroup has some tokens.
    int64_t step = kStep * tile.tokenLanes;
    Value count = tokens->count();
    Value whole = v.named(v.mul(v.div(count, step), step), "whole");
    state = v.loop(v.mul(subgroup, step), whole, step * tile.subgroups, state,
                   [&](Value first, ValueRange carried) {
                     return addStep(first, kStep, /*isPartial=*/false, carried);
                   });
    v.named(state[0], "token");
    state = v.loop(v.add(whole, v.mul(subgroup, tile.tokenLanes)), count,
                   tile.tokenLanes * tile.subgroups, state,
                   [&](Value first, ValueRange carried) {
                     return addStep(first, 1, /*isPartial=*/true, carried);
                   });
    v.named(state[0], "token");
    return softmaxesOf(state);
  }

  static SmallVector<Value> valuesOf(ArrayRef<LaneSoftmax> heads) {
    SmallVector<Value> values;
    for (const LaneSoftmax &head : heads)
      values.append(head.values());
    return values;
  }

  SmallVector<LaneSoftmax> softmaxesOf(ValueRange values) {
    size_t size = values.size() / tile.laneHeads;
    SmallVector<LaneSoftmax> heads;
    for (int64_t i = 0; i < tile.laneHeads; ++i)
      heads.push_back(LaneSoftmax::carried(v, values.slice(i * size, size)));
    return heads;
  }

  SmallVector<Value> addStep(Value first, int64_t count, bool isPartial,
                             ValueRange carried) {
    SmallVector<Token> step;
    SmallVector<Value> seen; // or empty
    SmallVector<SmallVector<Value>> products(tile.laneHeads);
    for (int64_t i = 0; i < count; ++i) {
      Value number = v.add(v.add(first, tokenLane), i * tile.tokenLanes);
      Token token = tokens->at(number, isPartial);
      SmallVector<Value> key =
          columns->load(KVPart::Key, token.slot, token.seen);
      for (auto [head, query] : llvm::enumerate(queries))
        products[head].push_back(dot(query, key));
      if (token.seen)
        seen.push_back(token.seen);
      step.push_back(token);
    }
    SmallVector<LaneSoftmax> heads = softmaxesOf(carried);
    Value keyScales = scalesOf(KVPart::Key, step);
    SmallVector<Value> weights;
    for (auto [head, softmax] : llvm::enumerate(heads))
      weights.push_back(
          softmax.weigh(v, score(products[head], keyScales), seen));
    if (Value valueScales = scalesOf(KVPart::Value, step))
      for (Value &weight : weights)
        weight = v.mulf(weight, valueScales);
    for (auto [i, token] : llvm::enumerate(step)) {
      SmallVector<Value> values =
          columns->load(KVPart::Value, token.slot, token.seen);
      for (auto [weight, softmax] : llvm::zip_equal(weights, heads))
        softmax.add(v, v.extract(weight, static_cast<int64_t>(i)), values);
    }
    return valuesOf(heads);
  }

  /// This lane's part of the product of a query and a key.
  Value dot(ArrayRef<Value> query, ArrayRef<Value> key) {
    Value sum = v.mulf(query[0], key[0]);
    for (auto [q, k] : llvm::drop_begin(llvm::zip_equal(query, key)))
      sum = v.fma(q, k, sum);
    v.named(sum, "products");
    return vector::ReductionOp::create(v.b, v.loc, vector::CombiningKind::ADD,
                                       sum);
  }

  /// The scales of a lane's tokens, zeros where nothing is seen; null in a
  /// cache without.
  Value scalesOf(KVPart kind, ArrayRef<Token> step) {
    if (!cache.hasScales())
      return {};
    SmallVector<Value> scales;
    for (const Token &token : step) {
      Value scale = columns->loadScale(kind, token.slot);
      if (token.seen)
        scale = v.select(token.seen, scale, v.constF(0));
      scales.push_back(scale);
    }
    return v.fromElements(scales);
  }

  /// Scores of a query times log2(e), from the products of a lane.
  Value score(ArrayRef<Value> products, Value scales) {
    Value scores = v.fromElements(products);
    for (int64_t span = 1; span < tile.columnLanes; span *= 2)
      scores = v.addf(scores, fromLane(v, scores, span, width));
    auto type = cast<VectorType>(scores.getType());
    if (scales)
      scores = v.mulf(scores, scales);
    if (auto cap = op.getSoftcap()) {
      double bound = cap->convertToDouble();
      Value ratio = v.divf(scores, v.splat(type, bound));
      scores = v.mulf(math::TanhOp::create(v.b, v.loc, ratio),
                      v.splat(type, bound * llvm::numbers::log2e));
    }
    return v.named(scores, "scores");
  }

  //===-- Results ---------------------------------------------------------===//

  /// A column of a query for each thread.
  void writeResults(SharedSoftmax &all) {
    Value thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
    v.loop(thread, v.index(tile.heads() * dim), tile.subgroups * width, {},
           [&](Value place, ValueRange) -> SmallVector<Value> {
             Value local = v.div(place, dim), column = v.rem(place, dim);
             Value head = v.named(v.add(tileHead, local), "head");
             auto write = [&] { writeColumn(all, local, head, column); };
             if (shared % tile.heads() == 0) {
               write();
             } else {
               Value exists =
                   arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                         head, v.index(shared));
               when(v, exists, write);
             }
             return {};
           });
  }

  void writeColumn(SharedSoftmax &all, Value local, Value head, Value column) {
    SharedSoftmax::Merged merged = all.merge(local, column);
    SmallVector<Value> at;
    if (op.getSplits())
      at.push_back(part);
    at.push_back(v.add(v.mul(group, shared), head));
    when(v, equal(column, 0), [&] {
      memref::StoreOp::create(v.b, v.loc, all.logarithm(merged), op.getLse(),
                              at);
    });
    at.push_back(column);
    memref::StoreOp::create(v.b, v.loc, merged.mean, op.getInit(), at);
  }

  SimtBuilder &v;
  DecodeOp op;
  KVCacheType cache;
  Value bytes;
  DecodeTile tile;
  int64_t width, groups, dim;
  int64_t shared; // queries of a head of keys
  std::optional<CacheColumns> columns;
  std::optional<DecodeTokens> tokens;
  SmallVector<SmallVector<Value>> queries; // [query of the lane][vector]
  Value part, group, tileHead;             // of the workgroup
  Value subgroup, columnLane, laneHead, tokenLane;
};

LogicalResult lower(DecodeOp op, int64_t width) {
  Value bytes = CacheNumbers::bytesOf(op, op.getCache());
  if (!bytes)
    return failure();
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  DecodeTile tile = tileDecode(op, width);
  if (tile.subgroups != *subgroups)
    return op->emitOpError()
           << "expected " << tile.subgroups
           << " subgroups in a workgroup, but got " << *subgroups;
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  DecodeKernel(v, op, bytes, tile, width).emit();
  op->erase();
  return success();
}

struct SimtLowerDecode
    : headrace::simt::impl::SimtLowerDecodeBase<SimtLowerDecode> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(lowerEach<DecodeOp>(getOperation(), [&](DecodeOp op) {
          return lower(op, subgroupWidth);
        })))
      signalPassFailure();
  }
};

} // namespace
