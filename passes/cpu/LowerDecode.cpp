//===- LowerDecode.cpp - attention of one query as vectors ----------------===//
//
// Tokens are taken in blocks. What is loaded and decoded of a key or value
// serves four heads of queries that share it. Softmax runs along: each block
// rescales what was summed before it.
//
//===----------------------------------------------------------------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/AttentionBlocks.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Passes.h"

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
        dim(cache.getDim()), chunks(llvm::divideCeil(dim, kLanes)),
        softmax(v, op, groups * shared) {}

  void emit() {
    allocate();
    SeenTokens seen =
        seenTokens(v.b, v.loc, op.getLength(), tokenBound(cache, op.getTable()),
                   cache.getLayout() == CacheLayout::Ring, window(), parts);
    // Without parts each workgroup has a head of keys, else a part of the
    // tokens and all heads: then it reads the cache from front to back.
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    Value firstGroup = v.index(0), lastGroup = v.index(groups);
    Value number;
    if (op.getSplits()) {
      part = {number = id};
    } else {
      firstGroup = id;
      lastGroup = v.add(id, 1);
    }
    forEachHead(firstGroup, lastGroup, [&](Value head) { start(head); });
    forEachBlock(
        v, tokensOfPart(v, seen, number), kBlock,
        [&](TokenRange tokens) { addBlock(firstGroup, lastGroup, tokens); });
    forEachHead(firstGroup, lastGroup, [&](Value head) { finish(head); });
  }

private:
  std::optional<int64_t> window() {
    if (op.getWindow())
      return static_cast<int64_t>(*op.getWindow());
    return std::nullopt;
  }

  void allocate() {
    auto buffer = [&](ArrayRef<int64_t> shape, Type type) {
      return kernelBuffer(v, op, shape, type);
    };
    query = buffer({groups * shared, chunks * kLanes}, v.f32());
    sums = buffer({groups * shared, chunks * kLanes}, v.f32());
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

  /// The query, scaled once, and empty sums.
  void start(Value head) {
    Value scale = v.constF(queryScale(op.getScale(), op.getSoftcap()));
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      Value col = v.index(chunk * kLanes);
      Value q = v.loadFirst(op.getQ(), {head, col}, kLanes, inChunk(chunk));
      v.store(v.mulf(q, v.broadcast(scale, kLanes)), query, {head, col});
      v.store(zero(), sums, {head, col});
    }
    softmax.start(head);
  }

  /// Columns of a chunk that exist.
  int64_t inChunk(int64_t chunk) const {
    return std::min(kLanes, dim - chunk * kLanes);
  }

  void addBlock(Value firstGroup, Value lastGroup, TokenRange tokens) {
    Value count = listSlots(v, cache, op.getTable(), tokens, slots);
    v.loop(firstGroup, lastGroup, 1, {},
           [&](Value group, ValueRange) -> SmallVector<Value> {
             if (cache.hasScales())
               listScales(v, cache, bytes, slots, group, scales);
             Value head = v.mul(group, shared);
             forEachRun(v, shared, kHeads, [&](Value i, int64_t heads) {
               addHeads(group, v.add(head, i), heads, count);
             });
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
                                          loadScalar(v, slots, v.add(token, t)),
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
             Value all = addLanes(v, dots);
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

  /// Scores of a head of the tile to weights, zeros behind `count`; what
  /// earlier sums are multiplied with, in every lane.
  Value weigh(Value head, int64_t i, Value count) {
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
          v.select(listed, capped(v, score, op.getSoftcap()),
                   v.splat(v.vec(kLanes, v.f32()), kMinusInfinity)));
    }
    Value keep = softmax.add(head, scored);
    for (auto [number, weight] : llvm::enumerate(scored)) {
      Value token = v.index(static_cast<int64_t>(number) * kLanes);
      if (scales)
        weight = v.mulf(weight, v.load(scales, {v.index(1), token}, kLanes));
      v.store(weight, scores, {v.index(i), token});
    }
    return keep;
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
                                  loadScalar(v, slots, token), group);
          SmallVector<Value> values, next;
          for (int64_t n = 0; n < wide; ++n) {
            Value at = v.add(place, column(n) * numberBytes(dtype));
            values.push_back(
                loadNumbers(v, bytes, at, dtype, inChunk(first + n)));
            v.prefetch(bytes, v.add(at, kBlock * cache.getSlotBytes()));
          }
          for (int64_t i = 0; i < heads; ++i) {
            Value weight =
                v.broadcast(loadScalar(v, scores, {v.index(i), token}), kLanes);
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
    auto [inverse, lse] = softmax.finish(head);
    auto at = [&](ArrayRef<Value> rest) {
      SmallVector<Value> indices(part);
      indices.append(rest.begin(), rest.end());
      return indices;
    };
    for (int64_t chunk = 0; chunk < chunks; ++chunk) {
      Value col = v.index(chunk * kLanes);
      Value result = v.mulf(v.load(sums, {head, col}, kLanes),
                            v.broadcast(inverse, kLanes));
      v.storeFirst(result, op.getInit(), at({head, col}), inChunk(chunk));
    }
    storeScalar(v, lse, op.getLse(), at({head}));
  }

  VectorBuilder &v;
  DecodeOp op;
  KVCacheType cache;
  Value bytes;
  int64_t parts, groups, shared, dim, chunks;
  SmallVector<Value> part; // the index of the part, if there are parts
  RunningSoftmax softmax;

  Value query;  // [head][column], scaled
  Value sums;   // [head][column]
  Value scores; // [head of a tile][token], then weights
  Value slots;  // [token], where the tokens of a block are
  Value scales; // [keys, values][token], null without scales
};

struct CpuLowerDecode
    : headrace::cpu::impl::CpuLowerDecodeBase<CpuLowerDecode> {
  void runOnOperation() override {
    if (failed(lowerWithCache<DecodeOp, DecodeKernel>(getOperation())))
      signalPassFailure();
  }
};

} // namespace
