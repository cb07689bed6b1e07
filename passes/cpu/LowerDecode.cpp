//===- LowerDecode.cpp - attention of one query as vectors ----------------===//
//
// Softmax runs along blocks of tokens. What is loaded and decoded of a key or
// value serves four heads of queries that share it.
//
//===----------------------------------------------------------------------===//

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/AttentionBlocks.h"
#include "passes/cpu/FloatAttention.h"
#include "passes/cpu/IntegerKeys.h"
#include "passes/cpu/IntegerLimbs.h"
#include "passes/cpu/IntegerValues.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/RunningSoftmax.h"

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
constexpr int64_t kBlock = 32, kIntegerBlock = 128;
/// Vectors of sums that stay in registers, of AArch64 fewer.
constexpr int64_t kSums = 16;
/// Heads that are computed together, sharing what is loaded.
constexpr int64_t kHeads = 4;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

class DecodeKernel {
public:
  DecodeKernel(VectorBuilder &v, DecodeOp op, Value bytes, bool vnni, bool neon)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes),
        exact(vnni && cache.getDtype() == CacheDtype::I8 &&
              cache.getDim() <= kMostIntegerColumns),
        mostHeads(neon ? 2 : kHeads), parts(op.getSplits().value_or(1)),
        groups(cache.getHeads()),
        shared(cast<MemRefType>(op.getQ().getType()).getDimSize(0) / groups),
        dim(cache.getDim()), columns(static_cast<int64_t>(llvm::alignTo(
                                 dim, exact ? kLineColumns : kLanes))),
        tokens(exact ? kIntegerBlock : kBlock),
        ahead(v, cache, bytes, tokens, exact ? columns : dim,
              op.getSplits().has_value()),
        block{cache, bytes, buffer({tokens}, v.b.getIndexType()), ahead},
        scores{buffer({groups * shared * tokens}, v.f32()), tokens, exact},
        query(buffer({groups * shared, columns}, v.f32())),
        sums(buffer({groups * shared, columns}, v.f32())),
        softmax(v, op, groups * shared),
        floats(v, block, query, sums, scores, neon ? 4 : kSums) {
    if (cache.hasScales())
      scales = buffer({2 * groups, tokens}, v.f32());
    if (exact) {
      keys.emplace(v, op, block, scores, groups * shared);
      values.emplace(v, op, block, scores, sums);
    }
  }

  void emit() {
    SeenTokens seen =
        seenTokens(v.b, v.loc, op.getLength(), tokenBound(cache, op.getTable()),
                   cache.getLayout() == CacheLayout::Ring, window(), parts);
    // Without parts each workgroup has a head of keys, else a part of the
    // tokens and all heads: then it reads the cache from front to back.
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    firstGroup = v.index(0), lastGroup = v.index(groups);
    Value number;
    if (op.getSplits()) {
      part = {number = id};
    } else {
      firstGroup = id;
      lastGroup = v.add(id, 1);
    }
    v.loop(v.mul(firstGroup, shared), v.mul(lastGroup, shared), 1, {},
           [&](Value head, ValueRange) -> SmallVector<Value> {
             start(head);
             return {};
           });
    TokenRange all = tokensOfPart(v, seen, number);
    Value end = v.add(all.first, all.count);
    forEachBlock(v, all, tokens,
                 [&](TokenRange range) { addBlock(range, end); });
    forEachTile([&](const HeadTile &tile) { finish(tile); });
  }

private:
  std::optional<int64_t> window() {
    if (op.getWindow())
      return static_cast<int64_t>(*op.getWindow());
    return std::nullopt;
  }

  Value buffer(ArrayRef<int64_t> shape, Type type) {
    return kernelBuffer(v, op, shape, type);
  }

  /// The heads of a workgroup, up to four at a time that share keys.
  void forEachTile(llvm::function_ref<void(const HeadTile &)> body) {
    v.loop(firstGroup, lastGroup, 1, {},
           [&](Value group, ValueRange) -> SmallVector<Value> {
             forEachRun(v, shared, mostHeads, [&](Value i, int64_t heads) {
               body({group, v.add(v.mul(group, shared), i), heads});
             });
             return {};
           });
  }

  /// The query, scaled once, and empty sums.
  void start(Value head) {
    Value scale = v.constF(queryScale(op.getScale(), op.getSoftcap()));
    Value zero = v.splat(v.vec(kLanes, v.f32()), 0);
    for (int64_t first = 0; first < columns; first += kLanes) {
      Value col = v.index(first), q = zero;
      if (first < dim)
        q = v.mulf(v.loadFirst(op.getQ(), {head, col}, kLanes, inChunk(first)),
                   v.broadcast(scale, kLanes));
      v.store(q, query, {head, col});
      v.store(zero, sums, {head, col});
    }
    if (exact)
      keys->splitQuery(query, head);
    softmax.start(head);
  }

  /// Columns of the chunk at `first` that exist.
  int64_t inChunk(int64_t first) const { return std::min(kLanes, dim - first); }

  void addBlock(TokenRange range, Value end) {
    Value count = listSlots(v, cache, op.getTable(), range, block.slots);
    ahead.start(range, loadScalar(v, block.slots, v.index(0)), end);
    if (scales)
      listScales(v, cache, bytes, block.slots, firstGroup,
                 op.getSplits() ? groups : 1, scales);
    // Weights of one head are not waited for while others are computed.
    forEachTile([&](const HeadTile &tile) {
      choose(
          v, exact ? keys->queriesFit(tile) : Value(),
          [&] { keys->score(tile, count); },
          [&] { floats.score(tile, count); });
      weigh(tile, count);
    });
    forEachTile([&](const HeadTile &tile) {
      choose(
          v, exact ? values->weightsFit(tile) : Value(),
          [&] { values->addValues(tile, count); },
          [&] { floats.addValues(tile, count); });
    });
  }

  /// Scores of a block to weights, zeros behind `count`.
  void weigh(const HeadTile &tile, Value count) {
    if (!exact)
      return weighTogether(tile, count);
    v.loop(v.index(0), v.index(tile.heads), 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             Value head = v.add(tile.head, i);
             weighTogether({tile.group, head, 1}, count);
             values->splitWeights(head);
             return {};
           });
  }

  /// Of heads that are lanes of the same scores.
  void weighTogether(const HeadTile &tile, Value count) {
    int64_t inVector = kLanes / tile.heads;
    auto at = [&](int64_t token) {
      return scores.at(v, tile, 0, v.index(token));
    };
    auto scaled = [&](Value numbers, KVPart kind, int64_t token) {
      if (!scales)
        return numbers;
      Value row = v.add(tile.group, kind == KVPart::Key ? 0 : groups);
      Value some = v.load(scales, {row, v.index(token)}, inVector);
      return v.mulf(numbers, v.repeat(some, 0, inVector, tile.heads));
    };
    SmallVector<Value> scored;
    for (int64_t token = 0; token < tokens; token += inVector) {
      Value score = v.load(scores.memref, {at(token)}, kLanes);
      score = scaled(score, KVPart::Key, token);
      Value listed = vector::CreateMaskOp::create(
          v.b, v.loc, v.vec(kLanes, v.b.getI1Type()),
          v.mul(v.sub(count, v.index(token)), tile.heads));
      scored.push_back(
          v.select(listed, capped(v, score, op.getSoftcap()),
                   v.splat(v.vec(kLanes, v.f32()), kMinusInfinity)));
    }
    softmax.add(tile.head, tile.heads, scored,
                [&](Value keep) { rescale(tile, keep); });
    for (auto [number, weight] : llvm::enumerate(scored)) {
      int64_t token = static_cast<int64_t>(number) * inVector;
      v.store(scaled(weight, KVPart::Value, token), scores.memref, {at(token)});
    }
  }

  void rescale(const HeadTile &tile, Value keep) {
    for (int64_t i = 0; i < tile.heads; ++i) {
      Value factor = v.broadcast(v.extract(keep, i), kLanes);
      for (int64_t col = 0; col < columns; col += kLanes) {
        SmallVector<Value> at{v.add(tile.head, i), v.index(col)};
        v.store(v.mulf(v.load(sums, at, kLanes), factor), sums, at);
      }
    }
  }

  void finish(const HeadTile &tile) {
    for (int64_t i = 0; i < tile.heads; ++i) {
      Value head = v.add(tile.head, i);
      auto [inverse, lse] = exact ? softmax.finish(head, 1, 0)
                                  : softmax.finish(tile.head, tile.heads, i);
      auto at = [&](ArrayRef<Value> rest) {
        SmallVector<Value> indices(part);
        indices.append(rest.begin(), rest.end());
        return indices;
      };
      for (int64_t first = 0; first < dim; first += kLanes) {
        Value col = v.index(first);
        Value result = v.mulf(v.load(sums, {head, col}, kLanes),
                              v.broadcast(inverse, kLanes));
        v.storeFirst(result, op.getInit(), at({head, col}), inChunk(first));
      }
      storeScalar(v, lse, op.getLse(), at({head}));
    }
  }

  VectorBuilder &v;
  DecodeOp op;
  KVCacheType cache;
  Value bytes;
  bool exact; // whether 8-bit keys and values are multiplied as integers
  int64_t mostHeads, parts, groups, shared, dim, columns, tokens;
  BlockFetch ahead;
  BlockCache block;
  Scores scores;
  Value query; // [head][column], scaled
  Value sums;  // [head][column]
  RunningSoftmax softmax;
  FloatAttention floats;
  std::optional<IntegerKeys> keys;
  std::optional<IntegerValues> values;

  Value scales; // [keys, then values, of a head][token], null without scales
  Value firstGroup, lastGroup; // of the workgroup
  SmallVector<Value> part;     // the index of the part, if there are parts
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
