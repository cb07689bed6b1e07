//===- LowerDecode.cpp - attention of one query by lanes ------------------===//
//
// Each lane has a softmax of its own, which runs along the tokens that it sees.
// They are merged at the end: those of a subgroup by exchange, those of a
// workgroup in shared memory.
//
//===----------------------------------------------------------------------===//

#include "passes/common/AttentionBuilders.h"
#include "passes/simt/CacheColumns.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERDECODE
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::common;
using namespace headrace::simt;
using namespace headrace::qattn;

namespace {

/// Tokens of a lane in one step: what was summed before is rescaled once.
constexpr int64_t kStep = 2;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
/// Below each score: a base that nothing has raised yet. Not minus infinity,
/// which minus itself would be NaN.
constexpr double kNoBase = -std::numeric_limits<float>::max();

/// A query of a lane: what its scores are relative to, the sum of weights, and
/// the weighted sum of values.
struct Running {
  Value base, total;
  SmallVector<Value> sums;
};

class DecodeKernel {
public:
  DecodeKernel(SimtBuilder &v, DecodeOp op, Value bytes, const DecodeTile &tile,
               int64_t width)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes), tile(tile),
        width(width), groups(cache.getHeads()), dim(cache.getDim()),
        shared(cast<MemRefType>(op.getQ().getType()).getDimSize(0) / groups) {}

  void emit() {
    placeLane();
    Value bases = v.named(
        sharedMemory(v, {tile.subgroups, tile.heads()}, v.f32()), "bases");
    Value totals = v.named(
        sharedMemory(v, {tile.subgroups, tile.heads()}, v.f32()), "totals");
    Value sums = v.named(
        sharedMemory(v, {tile.subgroups, tile.heads(), dim}, v.f32()), "sums");
    columns.emplace(v, cache, bytes, tile, group, columnLane);
    loadQueries();
    SmallVector<Running> heads = addTokens();
    for (Running &head : heads)
      mergeLanes(head);
    share(heads, bases, totals, sums);
    gpu::BarrierOp::create(v.b, v.loc);
    mergeSubgroups(bases, totals, sums);
  }

private:
  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(v.b, v.loc, predicate, lhs, rhs);
  }
  Value equal(Value lhs, int64_t rhs) {
    return compare(arith::CmpIPredicate::eq, lhs, v.index(rhs));
  }
  Value less(Value lhs, Value rhs) {
    return compare(arith::CmpIPredicate::ult, lhs, rhs);
  }
  Value larger(Value lhs, Value rhs) {
    return arith::MaxNumFOp::create(v.b, v.loc, lhs, rhs);
  }
  Value exp2(Value x) { return math::Exp2Op::create(v.b, v.loc, x); }
  Value splatLike(Value like, Value number) {
    return v.broadcast(number, SimtBuilder::lanes(like));
  }

  //===-- Places ----------------------------------------------------------===//

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

  std::optional<int64_t> window() {
    if (op.getWindow())
      return static_cast<int64_t>(*op.getWindow());
    return std::nullopt;
  }

  /// The slot of a token that is seen, by its number among those; and whether
  /// it has one, null if all do.
  Slot slotOfNumber(Value number) {
    if (cache.getLayout() == CacheLayout::Paged)
      return slotInPage(v.add(firstToken, number));
    Value slot = v.add(firstSlot, number);
    if (cache.getLayout() == CacheLayout::Ring) {
      Value slots = v.index(cache.getSlots());
      slot = v.select(less(slot, slots), slot, v.sub(slot, slots));
    }
    return {slot, {}};
  }

  /// Tokens that are seen have an entry in the table; its page may not exist,
  /// and be negative, which no index is.
  Slot slotInPage(Value token) {
    int64_t page = cache.getPage();
    Value entry = v.loadOne(op.getTable(), v.div(token, page));
    Value exists = compare(arith::CmpIPredicate::ult, entry,
                           v.constI32(cache.getSlots() / page));
    Value number = arith::IndexCastUIOp::create(
        v.b, v.loc, v.b.getIndexType(), v.select(exists, entry, v.constI32(0)));
    return {v.add(v.mul(number, page), v.rem(token, page)), exists};
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

  SmallVector<Running> addTokens() {
    bool isRing = cache.getLayout() == CacheLayout::Ring;
    SeenTokens seen = seenTokens(
        v.b, v.loc, op.getLength(), tokenBound(cache, op.getTable()), isRing,
        window(), static_cast<int64_t>(op.getSplits().value_or(1)));
    firstToken = seen.begin, count = seen.count;
    if (op.getSplits()) {
      Value skipped = v.min(v.mul(part, seen.perPart), seen.count);
      firstToken = v.add(seen.begin, skipped);
      count = v.min(v.sub(seen.count, skipped), seen.perPart);
    }
    v.named(count, "count");
    v.named(firstToken, "first_token");
    firstSlot = isRing
                    ? v.named(v.rem(firstToken, cache.getSlots()), "first_slot")
                    : firstToken;

    SmallVector<Value> state;
    for (int64_t i = 0; i < tile.laneHeads; ++i) {
      state.append({v.constF(kNoBase), v.constF(0)});
      state.append(columns->vectors(),
                   v.splat(v.vec(columns->width(), v.f32()), 0));
    }
    // Whole steps of a subgroup, then the rest of the last one, of which each
    // subgroup has some tokens.
    int64_t step = kStep * tile.tokenLanes;
    Value whole = v.named(v.mul(v.div(count, step), step), "whole");
    bool isPaged = cache.getLayout() == CacheLayout::Paged;
    state = v.loop(v.mul(subgroup, step), whole, step * tile.subgroups, state,
                   [&](Value first, ValueRange carried) {
                     return addStep(first, kStep, isPaged, carried);
                   });
    v.named(state[0], "token");
    state = v.loop(v.add(whole, v.mul(subgroup, tile.tokenLanes)), count,
                   tile.tokenLanes * tile.subgroups, state,
                   [&](Value first, ValueRange carried) {
                     return addStep(first, 1, /*isPartial=*/true, carried);
                   });
    v.named(state[0], "token");
    return runningOf(state);
  }

  SmallVector<Running> runningOf(ValueRange state) {
    SmallVector<Running> heads;
    for (int64_t i = 0; i < tile.laneHeads; ++i) {
      ValueRange own = state.take_front(2 + columns->vectors());
      heads.push_back({v.named(own[0], "base"), v.named(own[1], "total"), {}});
      for (Value sum : own.drop_front(2))
        heads.back().sums.push_back(v.named(sum, "sum"));
      state = state.drop_front(own.size());
    }
    return heads;
  }

  /// Where a lane's tokens of a step are, and whether they are seen: null if
  /// all are.
  struct Token {
    Value slot, seen;
  };

  Token tokenAt(Value number, bool isPartial) {
    if (!isPartial)
      return {slotOfNumber(number).index, {}};
    Value seen = less(number, count);
    Slot slot = slotOfNumber(v.min(number, v.sub(count, v.index(1))));
    return {slot.index, slot.valid ? v.andI(seen, slot.valid) : seen};
  }

  SmallVector<Value> addStep(Value first, int64_t tokens, bool isPartial,
                             ValueRange carried) {
    SmallVector<Token> step;
    SmallVector<SmallVector<Value>> products(tile.laneHeads);
    for (int64_t i = 0; i < tokens; ++i) {
      Value number = v.add(v.add(first, tokenLane), i * tile.tokenLanes);
      step.push_back(tokenAt(number, isPartial));
      SmallVector<Value> key =
          columns->load(KVPart::Key, step.back().slot, step.back().seen);
      for (auto [head, query] : llvm::enumerate(queries))
        products[head].push_back(dot(query, key));
    }
    SmallVector<Running> heads = runningOf(carried);
    Value keyScales = scalesOf(KVPart::Key, step);
    SmallVector<Value> weights;
    for (auto [head, running] : llvm::enumerate(heads)) {
      Value scores = score(products[head], keyScales, step);
      weights.push_back(weigh(running, scores));
    }
    if (Value valueScales = scalesOf(KVPart::Value, step))
      for (Value &weight : weights)
        weight = v.mulf(weight, valueScales);
    for (auto [i, token] : llvm::enumerate(step)) {
      SmallVector<Value> values =
          columns->load(KVPart::Value, token.slot, token.seen);
      for (auto [head, running] : llvm::enumerate(heads)) {
        Value weight = v.extract(weights[head], static_cast<int64_t>(i));
        for (auto [sum, value] : llvm::zip_equal(running.sums, values))
          sum = v.fma(splatLike(value, weight), value, sum);
      }
    }
    SmallVector<Value> next;
    for (Running &running : heads) {
      next.append({running.base, running.total});
      next.append(running.sums);
    }
    return next;
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
  Value scalesOf(KVPart kind, ArrayRef<Token> tokens) {
    if (!cache.hasScales())
      return {};
    SmallVector<Value> scales;
    for (const Token &token : tokens) {
      Value scale = columns->loadScale(kind, token.slot);
      if (token.seen)
        scale = v.select(token.seen, scale, v.constF(0));
      scales.push_back(scale);
    }
    return v.fromElements(scales);
  }

  /// Scores of a query times log2(e), minus infinity where nothing is seen.
  Value score(ArrayRef<Value> products, Value scales, ArrayRef<Token> tokens) {
    Value scores = v.fromElements(products);
    for (int64_t span = 1; span < tile.columnLanes; span *= 2)
      scores = v.addf(scores, fromLane(scores, span));
    auto type = cast<VectorType>(scores.getType());
    if (scales)
      scores = v.mulf(scores, scales);
    if (auto cap = op.getSoftcap()) {
      double bound = cap->convertToDouble();
      Value ratio = v.divf(scores, v.splat(type, bound));
      scores = v.mulf(math::TanhOp::create(v.b, v.loc, ratio),
                      v.splat(type, bound * llvm::numbers::log2e));
    }
    if (!tokens[0].seen)
      return v.named(scores, "scores");
    SmallVector<Value> seen;
    for (auto [i, token] : llvm::enumerate(tokens))
      seen.push_back(v.select(token.seen,
                              v.extract(scores, static_cast<int64_t>(i)),
                              v.constF(kMinusInfinity)));
    return v.named(v.fromElements(seen), "scores");
  }

  /// The weights of some more scores; raises the base to the largest.
  Value weigh(Running &running, Value scores) {
    Value base = running.base;
    for (int64_t i = 0; i < SimtBuilder::lanes(scores); ++i)
      base = larger(base, v.extract(scores, i));
    v.named(base, "largest");
    Value keep = v.named(exp2(v.subf(running.base, base)), "keep");
    Value weights =
        v.named(exp2(v.subf(scores, splatLike(scores, base))), "weights");
    Value more = vector::ReductionOp::create(
        v.b, v.loc, vector::CombiningKind::ADD, weights);
    rescale(running, base, keep);
    running.total = v.addf(running.total, more);
    return weights;
  }

  void rescale(Running &running, Value base, Value keep) {
    running.base = base;
    running.total = v.mulf(running.total, keep);
    for (Value &sum : running.sums)
      sum = v.mulf(sum, splatLike(sum, keep));
  }

  //===-- Merging ---------------------------------------------------------===//

  /// What the lane has whose number differs in the bit `span`.
  Value fromLane(Value value, int64_t span) {
    return gpu::ShuffleOp::create(v.b, v.loc, value, v.constI32(span),
                                  v.constI32(width), gpu::ShuffleMode::XOR)
        .getShuffleResult();
  }

  /// Lanes with other tokens of the same queries become one.
  void mergeLanes(Running &running) {
    int64_t first = tile.columnLanes * tile.headLanes;
    if (first == width)
      return;
    auto overLanes = [&](Value value,
                         llvm::function_ref<Value(Value, Value)> combine) {
      for (int64_t span = first; span < width; span *= 2)
        value = combine(value, fromLane(value, span));
      return value;
    };
    auto add = [&](Value lhs, Value rhs) { return v.addf(lhs, rhs); };
    Value base = overLanes(
        running.base, [&](Value lhs, Value rhs) { return larger(lhs, rhs); });
    rescale(running, base, exp2(v.subf(running.base, base)));
    running.total = overLanes(running.total, add);
    for (Value &sum : running.sums)
      sum = overLanes(sum, add);
  }

  /// Subgroups write what they have for each other.
  void share(ArrayRef<Running> heads, Value bases, Value totals, Value sums) {
    auto store = [&](Value value, Value memref, Value head) {
      memref::StoreOp::create(v.b, v.loc, value, memref,
                              ValueRange{subgroup, head});
    };
    when(v, equal(tokenLane, 0), [&] {
      for (int64_t i = 0; i < tile.laneHeads; ++i) {
        const Running &running = heads[i];
        Value head = v.add(laneHead, i);
        when(v, equal(columnLane, 0), [&] {
          store(running.base, bases, head);
          store(running.total, totals, head);
        });
        shareSums(running.sums, sums, head);
      }
    });
  }

  void shareSums(ArrayRef<Value> own, Value sums, Value head) {
    for (int64_t number = 0; number < columns->vectors(); ++number) {
      auto write = [&] {
        vector::StoreOp::create(
            v.b, v.loc, own[number], sums,
            ValueRange{subgroup, head, columns->column(number)},
            /*nontemporal=*/false, llvm::MaybeAlign(4 * columns->width()));
      };
      if (Value exists = columns->exists(number))
        when(v, exists, write);
      else
        write();
    }
  }

  /// A column of a query for each thread: what subgroups have, in their order.
  void mergeSubgroups(Value bases, Value totals, Value sums) {
    Value thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
    v.loop(thread, v.index(tile.heads() * dim), tile.subgroups * width, {},
           [&](Value place, ValueRange) -> SmallVector<Value> {
             Value local = v.div(place, dim), column = v.rem(place, dim);
             Value head = v.named(v.add(tileHead, local), "head");
             auto write = [&] {
               writeColumn(bases, totals, sums, local, head, column);
             };
             if (shared % tile.heads() == 0)
               write();
             else
               when(v, less(head, v.index(shared)), write);
             return {};
           });
  }

  void writeColumn(Value bases, Value totals, Value sums, Value local,
                   Value head, Value column) {
    auto load = [&](Value memref, ValueRange at) -> Value {
      return memref::LoadOp::create(v.b, v.loc, memref, at);
    };
    SmallVector<Value> own;
    Value base;
    for (int64_t i = 0; i < tile.subgroups; ++i) {
      own.push_back(load(bases, {v.index(i), local}));
      base = base ? larger(base, own.back()) : own.back();
    }
    v.named(base, "base");
    Value total = v.constF(0), sum = v.constF(0);
    for (int64_t i = 0; i < tile.subgroups; ++i) {
      Value keep = exp2(v.subf(own[i], base));
      Value one = v.index(i);
      total = v.fma(load(totals, {one, local}), keep, total);
      sum = v.fma(load(sums, {one, local, column}), keep, sum);
    }
    v.named(total, "total_weight");
    Value nothing =
        v.named(arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                      total, v.constF(0)),
                "nothing");
    Value result = v.select(nothing, v.constF(0), v.divf(sum, total));
    SmallVector<Value> at;
    if (op.getSplits())
      at.push_back(part);
    at.push_back(v.add(v.mul(group, shared), head));
    when(v, equal(column, 0), [&] {
      Value log = math::Log2Op::create(v.b, v.loc, total);
      Value lse = v.mulf(v.addf(base, log), v.constF(llvm::numbers::ln2));
      lse = v.select(nothing, v.constF(kMinusInfinity), lse);
      memref::StoreOp::create(v.b, v.loc, lse, op.getLse(), at);
    });
    at.push_back(column);
    memref::StoreOp::create(v.b, v.loc, result, op.getInit(), at);
  }

  SimtBuilder &v;
  DecodeOp op;
  KVCacheType cache;
  Value bytes;
  DecodeTile tile;
  int64_t width, groups, dim;
  int64_t shared; // queries of a head of keys
  std::optional<CacheColumns> columns;
  SmallVector<SmallVector<Value>> queries; // [query of the lane][vector]
  Value part, group, tileHead;             // of the workgroup
  Value subgroup, columnLane, laneHead, tokenLane;
  Value count, firstToken, firstSlot; // of the part
};

LogicalResult lower(DecodeOp op, int64_t width) {
  auto view = op.getCache().getDefiningOp<CacheFromBytesOp>();
  if (!view || !isa<MemRefType>(view.getBytes().getType()))
    return op->emitOpError("expected a cache from qattn.cache_from_bytes of a "
                           "memref; run simt-form-kernels first");
  CacheDtype dtype = op.getCache().getType().getDtype();
  if (!CacheColumns::supports(dtype))
    return op->emitOpError()
           << "has no GPU kernel for a cache of " << stringifyCacheDtype(dtype)
           << "; allowed: f32, bf16, f16, i8";
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
  DecodeKernel(v, op, view.getBytes(), tile, width).emit();
  op->erase();
  return success();
}

struct SimtLowerDecode
    : headrace::simt::impl::SimtLowerDecodeBase<SimtLowerDecode> {
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](DecodeOp op) {
      // On tensors there is nothing to store to yet.
      if (op->getNumResults() > 0)
        return WalkResult::advance();
      return failed(lower(op, subgroupWidth)) ? WalkResult::interrupt()
                                              : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
