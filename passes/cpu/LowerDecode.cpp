//===- LowerDecode.cpp - attention of one query as vectors ----------------===//
//
// Softmax runs along blocks of tokens. What is loaded and decoded of a key or
// value serves four heads of queries that share it.
//
//===----------------------------------------------------------------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/AttentionBlocks.h"
#include "passes/cpu/BlockFetch.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/IntegerAttention.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
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
/// Tokens of a block; more of integers, whose sums cost more for each block.
constexpr int64_t kBlock = 32, kIntegerBlock = 64;
/// Vectors of sums that stay in registers, of AArch64 fewer.
constexpr int64_t kSums = 16;
/// Heads that are computed together, sharing what is loaded.
constexpr int64_t kHeads = 4;
constexpr int64_t kLineBytes = 64;
/// Tokens from which values are fetched into the first cache ahead.
constexpr int64_t kTokensAhead = 4;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

class DecodeKernel {
public:
  DecodeKernel(VectorBuilder &v, DecodeOp op, Value bytes, bool vnni, bool neon)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes),
        mostSums(neon ? 4 : kSums), mostHeads(neon ? 2 : kHeads),
        parts(op.getSplits().value_or(1)), groups(cache.getHeads()),
        shared(cast<MemRefType>(op.getQ().getType()).getDimSize(0) / groups),
        dim(cache.getDim()), chunks(llvm::divideCeil(dim, kLanes)),
        columns(chunks * kLanes), softmax(v, op, groups * shared) {
    bool exact = vnni && cache.getDtype() == CacheDtype::I8 &&
                 dim <= kMostIntegerColumns;
    if (exact) {
      block = kIntegerBlock;
      columns = static_cast<int64_t>(llvm::alignTo(dim, kLineColumns));
      integers.emplace(v, op, bytes, groups * shared, kHeads, dim, block);
    }
    ahead.emplace(v, cache, bytes, block, exact ? columns : dim,
                  op.getSplits().has_value());
  }

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
    TokenRange all = tokensOfPart(v, seen, number);
    Value end = v.add(all.first, all.count);
    forEachBlock(v, all, block, [&](TokenRange tokens) {
      addBlock(firstGroup, lastGroup, tokens, end);
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
    auto buffer = [&](ArrayRef<int64_t> shape, Type type) {
      return kernelBuffer(v, op, shape, type);
    };
    query = buffer({groups * shared, columns}, v.f32());
    sums = buffer({groups * shared, columns}, v.f32());
    scores = buffer({kHeads, block}, v.f32());
    slots = buffer({block}, v.b.getIndexType());
    if (cache.hasScales())
      scales = buffer({2, block}, v.f32());
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
    for (int64_t col = chunks * kLanes; col < columns; col += kLanes) {
      v.store(zero(), query, {head, v.index(col)});
      v.store(zero(), sums, {head, v.index(col)});
    }
    if (integers)
      integers->splitQuery(query, head);
    softmax.start(head);
  }

  /// Columns of a chunk that exist.
  int64_t inChunk(int64_t chunk) const {
    return std::min(kLanes, dim - chunk * kLanes);
  }

  void addBlock(Value firstGroup, Value lastGroup, TokenRange tokens,
                Value end) {
    Value count = listSlots(v, cache, op.getTable(), tokens, slots);
    ahead->start(tokens, loadScalar(v, slots, v.index(0)), end);
    v.loop(firstGroup, lastGroup, 1, {},
           [&](Value group, ValueRange) -> SmallVector<Value> {
             if (cache.hasScales())
               listScales(v, cache, bytes, slots, group, scales);
             Value head = v.mul(group, shared);
             forEachRun(v, shared, mostHeads, [&](Value i, int64_t heads) {
               addHeads(group, v.add(head, i), heads, count);
             });
             return {};
           });
  }

  /// The share of a block in the results of `heads` heads (1, 2 or 4).
  void addHeads(Value group, Value head, int64_t heads, Value count) {
    auto place = [&](KVPart kind) {
      return [this, group, kind](Value token) {
        return numbersAt(v, cache, kind, loadScalar(v, slots, token), group);
      };
    };
    auto fetch = [&](KVPart kind) {
      return [this, group, kind](Value offset, ArrayRef<Value> read,
                                 int64_t size) {
        if (kind == KVPart::Value)
          for (Value at : read)
            ahead->soon(at, kTokensAhead);
        ahead->next(kind, group, offset, read, size);
      };
    };
    choose(
        v, integers ? integers->queriesFit(head, heads) : Value(),
        [&] {
          integers->score(scores, head, heads, count, place(KVPart::Key),
                          fetch(KVPart::Key));
        },
        [&] { score(group, head, heads, count); });
    SmallVector<Value> keep;
    for (int64_t i = 0; i < heads; ++i)
      keep.push_back(weigh(v.add(head, i), i, count));
    choose(
        v,
        integers ? integers->splitWeights(scores, heads, fetch(KVPart::Value))
                 : Value(),
        [&] {
          integers->addValues(sums, head, keep, count, place(KVPart::Value),
                              fetch(KVPart::Value));
        },
        [&] {
          int64_t wide = mostSums / heads;
          for (int64_t chunk = 0; chunk < chunks; chunk += wide)
            addValues(group, head, chunk, std::min(wide, chunks - chunk), keep,
                      count);
        });
  }

  /// Scores of a block, mostSums of them at a time: each has a vector of sums,
  /// whose lanes are added at the end.
  void score(Value group, Value head, int64_t heads, Value count) {
    int64_t tokens = mostSums / heads;
    v.loop(v.index(0), count, tokens, {},
           [&](Value token, ValueRange) -> SmallVector<Value> {
             SmallVector<Value> places;
             for (int64_t t = 0; t < tokens; ++t)
               places.push_back(numbersAt(v, cache, KVPart::Key,
                                          loadScalar(v, slots, v.add(token, t)),
                                          group));
             SmallVector<Value> dots(mostSums, zero());
             // A line of each key at a time, then what is left.
             int64_t step = kLineBytes / width(), whole = dim / step * step;
             dots = v.loop(v.index(0), v.index(whole), step, dots,
                           [&](Value col, ValueRange carried) {
                             fetchKeys(group, token, places, col, step);
                             return addColumns(places, head, heads, col, step,
                                               carried);
                           });
             if (whole < dim)
               dots = addColumns(places, head, heads, v.index(whole),
                                 dim - whole, dots);
             int64_t half = tokens * dim * width() / 2;
             ahead->next(KVPart::Key, group,
                         v.add(v.mul(token, dim * width()), half), {}, half);
             dots.resize(kLanes, zero());
             Value all = addLanes(v, dots);
             for (int64_t i = 0; i < heads; ++i) {
               SmallVector<int64_t> lanes =
                   llvm::to_vector(llvm::seq(i * tokens, (i + 1) * tokens));
               v.store(v.shuffle(all, lanes), scores, {v.index(i), token});
             }
             return {};
           });
  }

  int64_t width() { return numberBytes(cache.getDtype()); }

  /// Fetches a line of each of the keys behind those in `places`, too. Half of
  /// the next block's are fetched while lanes are added.
  void fetchKeys(Value group, Value token, ArrayRef<Value> places, Value col,
                 int64_t step) {
    auto tokens = static_cast<int64_t>(places.size());
    SmallVector<Value> read;
    for (Value place : places) {
      read.push_back(v.add(place, v.mul(col, width())));
      ahead->soon(read.back(), tokens);
    }
    Value offset =
        v.add(v.mul(token, dim * width()), v.mul(col, tokens * width() / 2));
    ahead->next(KVPart::Key, group, offset, read, tokens * step * width() / 2);
  }

  SmallVector<Value> addColumns(ArrayRef<Value> places, Value head,
                                int64_t heads, Value first, int64_t columns,
                                ValueRange sums) {
    SmallVector<Value> dots(sums);
    forEachVector(columns, [&](int64_t column, int64_t count) {
      Value col = v.add(first, column);
      SmallVector<Value> keys;
      for (Value place : places)
        keys.push_back(loadNumbers(v, bytes, v.add(place, v.mul(col, width())),
                                   cache.getDtype(), count));
      auto *dot = dots.begin();
      for (int64_t i = 0; i < heads; ++i) {
        Value q = v.load(query, {v.add(head, i), col}, kLanes);
        for (Value key : keys) {
          *dot = v.fma(q, key, *dot);
          ++dot;
        }
      }
    });
    return dots;
  }

  /// Scores of a head of the tile to weights, zeros behind `count`; what
  /// earlier sums are multiplied with, in every lane.
  Value weigh(Value head, int64_t i, Value count) {
    SmallVector<Value> scored;
    for (int64_t token = 0; token < block; token += kLanes) {
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
          fetchValues(group, token, place, first, wide);
          SmallVector<Value> values, next;
          for (int64_t n = 0; n < wide; ++n) {
            Value at = v.add(place, column(n) * width());
            values.push_back(
                loadNumbers(v, bytes, at, dtype, inChunk(first + n)));
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

  /// Fetches lines of later values into the first cache, too.
  void fetchValues(Value group, Value token, Value place, int64_t first,
                   int64_t wide) {
    int64_t chunk = kLanes * width(), size = wide * chunk;
    SmallVector<Value> read;
    for (int64_t line = 0; line < size; line += kLineBytes) {
      read.push_back(v.add(place, first * chunk + line));
      ahead->soon(read.back(), kTokensAhead);
    }
    Value offset = v.add(v.mul(token, size), block * first * chunk);
    ahead->next(KVPart::Value, group, offset, read, size);
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
  int64_t mostSums, mostHeads;
  int64_t parts, groups, shared, dim, chunks, columns;
  int64_t block = kBlock;
  SmallVector<Value> part; // the index of the part, if there are parts
  RunningSoftmax softmax;
  std::optional<IntegerAttention> integers;
  std::optional<BlockFetch> ahead;

  Value query;  // [head][column], scaled
  Value sums;   // [head][column]
  Value scores; // [head of a tile][token], then weights
  Value slots;  // [token], where the tokens of a block are
  Value scales; // [keys, values][token], null without scales
};

struct CpuLowerDecode
    : headrace::cpu::impl::CpuLowerDecodeBase<CpuLowerDecode> {
  using Base::Base;
  void runOnOperation() override {
    bool neon = dot == "neon" || dot == "dotprod" || dot == "i8mm";
    if (failed(lowerWithCache<DecodeOp, DecodeKernel>(getOperation(),
                                                      dot == "vnni", neon)))
      signalPassFailure();
  }
};

} // namespace
