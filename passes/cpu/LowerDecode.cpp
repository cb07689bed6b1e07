//===- LowerDecode.cpp - attention of one query as vectors ----------------===//
//
// Tokens are taken in blocks. The keys and values of a block are decoded once,
// in the order in which they lie, to rows of f32 that stay in the second-level
// cache and serve all heads of queries that share them. Softmax runs along:
// each block rescales what was summed before it.
//
//===----------------------------------------------------------------------===//

#include "passes/common/AttentionBuilders.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERDECODE
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;
using namespace headrace::qattn;

namespace {

constexpr int64_t kLanes = kAttentionLanes;
/// Tokens of a block: few enough for the hardware to follow as many pages.
constexpr int64_t kBlock = 32;
/// Vectors of sums that stay in registers.
constexpr int64_t kSums = 16;
/// Heads that are computed together, so that each key and value that is loaded
/// serves all of them.
constexpr int64_t kHeads = 4;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

class DecodeKernel {
public:
  DecodeKernel(VectorBuilder &v, DecodeOp op, Value bytes)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes),
        parts(op.getSplits().value_or(1)), groups(cache.getHeads()),
        shared(cast<MemRefType>(op.getQ().getType()).getDimSize(0) / groups),
        dim(cache.getDim()), chunks(llvm::divideCeil(dim, kLanes)) {}

  void emit() {
    allocate();
    SeenTokens seen =
        seenTokens(v.b, v.loc, op.getLength(), tokenBound(cache, op.getTable()),
                   cache.getLayout() == CacheLayout::Ring, window(), parts);
    // Without parts each workgroup has a head of keys, else a part of the
    // tokens and all heads: then it reads the cache from front to back.
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    Value firstGroup = v.index(0), lastGroup = v.index(groups);
    Value skipped = v.index(0);
    if (op.getSplits()) {
      part = id;
      skipped = v.min(v.mul(id, seen.perPart), seen.count);
    } else {
      firstGroup = id;
      lastGroup = v.add(id, 1);
    }
    Value left = v.min(v.sub(seen.count, skipped), seen.perPart);
    Value begin = v.add(seen.begin, skipped);
    forEachHead(firstGroup, lastGroup, [&](Value head) { start(head); });
    v.loop(v.index(0), left, kBlock, {},
           [&](Value first, ValueRange) -> SmallVector<Value> {
             Value count = v.min(v.sub(left, first), v.index(kBlock));
             addBlock(firstGroup, lastGroup, v.add(begin, first), count);
             return {};
           });
    forEachHead(firstGroup, lastGroup, [&](Value head) { finish(head); });
  }

private:
  std::optional<int64_t> window() {
    if (op.getWindow())
      return static_cast<int64_t>(*op.getWindow());
    return std::nullopt;
  }

  void allocate() {
    OpBuilder::InsertionGuard guard(v.b);
    Block &entry = op->getParentOfType<func::FuncOp>().getBody().front();
    v.b.setInsertionPointToStart(&entry);
    auto buffer = [&](ArrayRef<int64_t> shape, Type type) -> Value {
      return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, type),
                                      v.b.getI64IntegerAttr(64));
    };
    query = buffer({groups * shared, chunks * kLanes}, v.f32());
    sums = buffer({groups * shared, chunks * kLanes}, v.f32());
    largest = buffer({groups * shared}, v.f32());
    total = buffer({groups * shared}, v.f32());
    scores = buffer({kHeads, kBlock}, v.f32());
    slots = buffer({kBlock}, v.b.getIndexType());
    if (cache.hasScales())
      scales = buffer({2, kBlock}, v.f32());
  }

  void forEachHead(Value firstGroup, Value lastGroup,
                   llvm::function_ref<void(Value)> body) {
    v.loop(v.mul(firstGroup, shared), v.mul(lastGroup, shared), 1, {},
           [&](Value head, ValueRange) -> SmallVector<Value> {
             body(head);
             return {};
           });
  }

  Value zero() { return v.splat(v.vec(kLanes, v.f32()), 0); }

  void storeScalar(Value value, Value memref, ValueRange at) {
    memref::StoreOp::create(v.b, v.loc, value, memref, at);
  }
  Value loadScalar(Value memref, ValueRange at) {
    return memref::LoadOp::create(v.b, v.loc, memref, at);
  }

  /// The query, scaled once, and empty sums.
  void start(Value head) {
    Value scale = arith::ConstantOp::create(
        v.b, v.loc, v.b.getFloatAttr(v.f32(), op.getScale()));
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      Value col = v.index(chunk * kLanes);
      Value q = v.loadFirst(op.getQ(), {head, col}, kLanes, inChunk(chunk));
      v.store(v.mulf(q, v.broadcast(scale, kLanes)), query, {head, col});
      v.store(zero(), sums, {head, col});
    }
    storeScalar(v.constF(kMinusInfinity), largest, head);
    storeScalar(v.constF(0.0), total, head);
  }

  /// Columns of a chunk that exist.
  int64_t inChunk(int64_t chunk) const {
    return std::min(kLanes, dim - chunk * kLanes);
  }

  void addBlock(Value firstGroup, Value lastGroup, Value first, Value count) {
    count = listSlots(first, count);
    v.loop(firstGroup, lastGroup, 1, {},
           [&](Value group, ValueRange) -> SmallVector<Value> {
             if (cache.hasScales())
               listScales(group, count);
             Value head = v.mul(group, shared);
             int64_t whole = shared / kHeads * kHeads;
             v.loop(v.index(0), v.index(whole), kHeads, {},
                    [&](Value i, ValueRange) -> SmallVector<Value> {
                      addHeads(group, v.add(head, i), kHeads, count);
                      return {};
                    });
             int64_t i = whole;
             for (int64_t size = kHeads / 2; size > 0; size /= 2)
               for (; i + size <= shared; i += size)
                 addHeads(group, v.add(head, i), size, count);
             return {};
           });
  }

  /// Lists the slots of the tokens of a block that have one, repeats the last
  /// of them to the end of the list, and returns how many there are. Nothing
  /// of other slots is read.
  Value listSlots(Value first, Value count) {
    SmallVector<Value> state =
        v.loop(v.index(0), count, 1, {v.index(0), v.index(0)},
               [&](Value i, ValueRange carried) -> SmallVector<Value> {
                 Slot slot =
                     slotOf(v.b, v.loc, cache, op.getTable(), v.add(first, i));
                 storeScalar(slot.index, slots, carried[0]);
                 // Only pages may be missing: all else that is seen has a slot.
                 if (cache.getLayout() != CacheLayout::Paged)
                   return {v.add(carried[0], 1), slot.index};
                 Value one = v.select(slot.valid, v.index(1), v.index(0));
                 return {v.add(carried[0], one),
                         v.select(slot.valid, slot.index, carried[1])};
               });
    v.loop(state[0], v.index(kBlock), 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             storeScalar(state[1], slots, i);
             return {};
           });
    return state[0];
  }

  /// Scales of the keys, then of the values, of the listed slots.
  void listScales(Value group, Value count) {
    v.loop(v.index(0), v.index(kBlock), 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             Value slot = loadScalar(slots, i);
             for (KVPart which : {KVPart::Key, KVPart::Value}) {
               Value at = scaleAt(v, cache, which, slot, group);
               Value row = v.index(which == KVPart::Key ? 0 : 1);
               storeScalar(v.loadScalarAs(bytes, at, 4, v.f32()), scales,
                           {row, i});
             }
             return {};
           });
  }

  /// The share of a block in the results of `heads` heads (1, 2 or 4).
  void addHeads(Value group, Value head, int64_t heads, Value count) {
    score(group, head, heads, count);
    SmallVector<Value> keep;
    for (int64_t i = 0; i < heads; ++i)
      keep.push_back(weigh(v.add(head, i), i, count));
    int64_t wide = kSums / heads;
    for (int64_t chunk = 0; chunk < chunks; chunk += wide)
      addValues(group, head, chunk, std::min(wide, chunks - chunk), keep,
                count);
  }

  /// Scores of a block, kSums of them at a time: each has a vector of sums,
  /// whose lanes are added at the end.
  void score(Value group, Value head, int64_t heads, Value count) {
    int64_t tokens = kSums / heads;
    v.loop(v.index(0), count, tokens, {},
           [&](Value token, ValueRange) -> SmallVector<Value> {
             SmallVector<Value> places;
             for (int64_t t = 0; t < tokens; ++t)
               places.push_back(numbersAt(v, cache, KVPart::Key,
                                          loadScalar(slots, v.add(token, t)),
                                          group));
             SmallVector<Value> dots(kSums, zero());
             int64_t whole = dim / kLanes * kLanes;
             dots = v.loop(v.index(0), v.index(whole), kLanes, dots,
                           [&](Value col, ValueRange carried) {
                             return addColumns(places, head, heads, col, kLanes,
                                               carried);
                           });
             if (whole < dim)
               dots = addColumns(places, head, heads, v.index(whole),
                                 dim - whole, dots);
             Value all = addLanes(dots);
             for (int64_t i = 0; i < heads; ++i) {
               SmallVector<int64_t> lanes =
                   llvm::to_vector(llvm::seq(i * tokens, (i + 1) * tokens));
               v.store(v.shuffle(all, lanes), scores, {v.index(i), token});
             }
             return {};
           });
  }

  SmallVector<Value> addColumns(ArrayRef<Value> places, Value head,
                                int64_t heads, Value col, int64_t count,
                                ValueRange sums) {
    CacheDtype dtype = cache.getDtype();
    SmallVector<Value> keys, next;
    for (Value place : places) {
      Value at = v.add(place, v.mul(col, numberBytes(dtype)));
      keys.push_back(loadNumbers(v, bytes, at, dtype, count));
      v.prefetch(bytes, v.add(at, kBlock * cache.getSlotBytes()));
    }
    for (int64_t i = 0; i < heads; ++i) {
      Value q = v.load(query, {v.add(head, i), col}, kLanes);
      for (Value key : keys)
        next.push_back(v.fma(q, key, sums[next.size()]));
    }
    return next;
  }

  /// Lane l of the result is the sum of the lanes of `vectors[l]`: pairs of
  /// vectors are added crosswise until one is left.
  Value addLanes(SmallVector<Value> vectors) {
    for (int64_t span = kLanes / 2; span > 0; span /= 2) {
      SmallVector<Value> next;
      for (int64_t i = 0; i < span; ++i) {
        // In each run of 2 * span lanes, halves of one and of the other.
        SmallVector<int64_t> low, high;
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          bool second = lane & span;
          int64_t base = (second ? kLanes : 0) + (lane & ~span);
          low.push_back(base);
          high.push_back(base + span);
        }
        next.push_back(v.addf(v.shuffle(vectors[i], vectors[i + span], low),
                              v.shuffle(vectors[i], vectors[i + span], high)));
      }
      vectors = std::move(next);
    }
    return vectors.front();
  }

  /// Scores of a head of the tile to weights, zeros behind `count`; what
  /// earlier sums are multiplied with, in every lane.
  Value weigh(Value head, int64_t i, Value count) {
    Value before = loadScalar(largest, head);
    SmallVector<Value> scored;
    for (int64_t token = 0; token < kBlock; token += kLanes) {
      Value score = v.load(scores, {v.index(i), v.index(token)}, kLanes);
      if (scales)
        score =
            v.mulf(score, v.load(scales, {v.index(0), v.index(token)}, kLanes));
      Value listed = vector::CreateMaskOp::create(
          v.b, v.loc, v.vec(kLanes, v.b.getI1Type()),
          v.sub(count, v.index(token)));
      scored.push_back(
          v.select(listed, capped(score),
                   v.splat(v.vec(kLanes, v.f32()), kMinusInfinity)));
    }
    Value most = scored[0];
    for (Value score : llvm::drop_begin(scored))
      most = arith::MaximumFOp::create(v.b, v.loc, most, score);
    Value after = arith::MaximumFOp::create(
        v.b, v.loc, before,
        vector::ReductionOp::create(v.b, v.loc, vector::CombiningKind::MAXIMUMF,
                                    most));
    // Where nothing is seen yet, minus infinity minus itself would be NaN.
    Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                       after, v.constF(kMinusInfinity));
    Value base = v.select(none, v.constF(0.0), after);
    Value wide = v.broadcast(base, kLanes);
    Value added = zero();
    for (auto [number, score] : llvm::enumerate(scored)) {
      Value weight = math::ExpOp::create(v.b, v.loc, v.subf(score, wide));
      added = v.addf(added, weight);
      Value token = v.index(static_cast<int64_t>(number) * kLanes);
      if (scales)
        weight = v.mulf(weight, v.load(scales, {v.index(1), token}, kLanes));
      v.store(weight, scores, {v.index(i), token});
    }
    Value keep = math::ExpOp::create(v.b, v.loc,
                                     v.broadcast(v.subf(before, base), kLanes));
    storeScalar(after, largest, head);
    Value sum = v.mulf(loadScalar(total, head), v.extract(keep, 0));
    storeScalar(v.addf(sum, v.sum(added)), total, head);
    return keep;
  }

  Value capped(Value score) {
    if (!op.getSoftcap())
      return score;
    Value cap = v.broadcast(
        arith::ConstantOp::create(v.b, v.loc,
                                  v.b.getFloatAttr(v.f32(), *op.getSoftcap())),
        kLanes);
    return v.mulf(math::TanhOp::create(v.b, v.loc, v.divf(score, cap)), cap);
  }

  /// Adds weights times values to `wide` chunks of columns of some heads. Not
  /// a token more than is listed: a zero weight times infinity would be NaN.
  void addValues(Value group, Value head, int64_t first, int64_t wide,
                 ArrayRef<Value> keep, Value count) {
    CacheDtype dtype = cache.getDtype();
    auto heads = static_cast<int64_t>(keep.size());
    auto column = [&](int64_t n) { return (first + n) * kLanes; };
    SmallVector<Value> state;
    for (int64_t i = 0; i < heads; ++i)
      for (int64_t n = 0; n < wide; ++n)
        state.push_back(
            v.mulf(v.load(sums, {v.add(head, i), v.index(column(n))}, kLanes),
                   keep[i]));
    state = v.loop(
        v.index(0), count, 1, state, [&](Value token, ValueRange carried) {
          Value place = numbersAt(v, cache, KVPart::Value,
                                  loadScalar(slots, token), group);
          SmallVector<Value> values, next;
          for (int64_t n = 0; n < wide; ++n) {
            Value at = v.add(place, column(n) * numberBytes(dtype));
            values.push_back(
                loadNumbers(v, bytes, at, dtype, inChunk(first + n)));
            v.prefetch(bytes, v.add(at, kBlock * cache.getSlotBytes()));
          }
          for (int64_t i = 0; i < heads; ++i) {
            Value weight =
                v.broadcast(loadScalar(scores, {v.index(i), token}), kLanes);
            for (Value value : values)
              next.push_back(v.fma(weight, value, carried[next.size()]));
          }
          return next;
        });
    for (int64_t i = 0; i < heads; ++i)
      for (int64_t n = 0; n < wide; ++n)
        v.store(state[i * wide + n], sums,
                {v.add(head, i), v.index(column(n))});
  }

  void finish(Value head) {
    Value sum = loadScalar(total, head);
    Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                       sum, v.constF(0.0));
    Value inverse = v.select(none, v.constF(0.0), v.divf(v.constF(1.0), sum));
    auto at = [&](ArrayRef<Value> rest) {
      SmallVector<Value> indices;
      if (part)
        indices.push_back(part);
      indices.append(rest.begin(), rest.end());
      return indices;
    };
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      Value col = v.index(chunk * kLanes);
      Value result = v.mulf(v.load(sums, {head, col}, kLanes),
                            v.broadcast(inverse, kLanes));
      v.storeFirst(result, op.getInit(), at({head, col}), inChunk(chunk));
    }
    Value log =
        v.extract(math::LogOp::create(v.b, v.loc, v.broadcast(sum, kLanes)), 0);
    // Minus infinity where nothing is seen, and NaN stays.
    Value lse = v.select(none, v.constF(kMinusInfinity),
                         v.addf(loadScalar(largest, head), log));
    storeScalar(lse, op.getLse(), at({head}));
  }

  VectorBuilder &v;
  DecodeOp op;
  KVCacheType cache;
  Value bytes;
  int64_t parts, groups, shared, dim, chunks;
  Value part; // null without parts

  Value query;   // [head][column], scaled
  Value sums;    // [head][column]
  Value largest; // [head], the largest score so far
  Value total;   // [head], sum of exponentials
  Value scores;  // [head of a tile][token], then weights
  Value slots;   // [token], where the tokens of a block are
  Value scales;  // [keys, values][token], null without scales
};

struct CpuLowerDecode
    : headrace::cpu::impl::CpuLowerDecodeBase<CpuLowerDecode> {
  void runOnOperation() override {
    if (failed(lowerWithCache<DecodeOp, DecodeKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
