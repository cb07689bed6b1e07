//===- LowerMlaDecode.cpp - latent attention of one query as vectors ------===//
//
// A softmax runs along the blocks of tokens, with a lane for each head. With
// `q_scale` it is SnapMLA's recurrence (arXiv 2602.10718), of which the letters
// are. Exponentials are to the base 2, of scores times log2(e).
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/AttentionBlocks.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Exp2.h"
#include "passes/cpu/KernelInfo.h"
#include "passes/cpu/MlaTiles.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERMLADECODE
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;
using namespace headrace::qattn;

namespace {

constexpr int64_t kLanes = kAttentionLanes;
/// Tokens of a block: the pages of the recurrence.
constexpr int64_t kBlock = kRecurrencePage;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

class MlaDecodeKernel {
public:
  MlaDecodeKernel(VectorBuilder &v, MlaDecodeOp op, Value bytes,
                  int64_t vectorBits)
      : v(v), op(op), cache(op.getCache().getType()), bytes(bytes),
        heads(headsOfWorkgroup(op)), vectorBits(vectorBits) {}

  void emit() {
    // A workgroup has a part of the tokens, if there are parts, and some heads.
    int64_t groups =
        cast<MemRefType>(op.getQ().getType()).getDimSize(0) / heads;
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    Value number = arith::DivUIOp::create(v.b, v.loc, id, v.index(groups));
    firstHead = v.mul(v.sub(id, v.mul(number, groups)), heads);
    if (op.getSplits())
      part = {number};
    MlaTiles tiles(v, op, bytes, firstHead, heads, kBlock, vectorBits);
    vectors = tiles.vectors();
    allocate(tiles.tokens());
    SeenTokens seen =
        seenTokens(v.b, v.loc, op.getLength(), tokenBound(cache, op.getTable()),
                   cache.getLayout() == CacheLayout::Ring,
                   /*window=*/std::nullopt, op.getSplits().value_or(1));
    // The recurrence scales what is summed.
    tiles.loadQuery(op.getQScale() ? Value() : scale());
    start();
    TokenRange all = tokensOfPart(v, seen, op.getSplits() ? number : Value());
    Value end = v.add(all.first, all.count);
    forEachBlock(v, all, kBlock, [&](TokenRange tokens) {
      Value count = listSlots(v, cache, op.getTable(), tokens, slots);
      tiles.decode(slots, count, scales);
      Value scores = tiles.score(count);
      forEachVectorOfHeads([&](Value head) {
        if (scales)
          recur(scores, head, count);
        else
          weigh(scores, head, count);
      });
      tiles.addValues(op.getInit(), part, keep, count, nextBlock(tokens, end));
    });
    finish();
  }

private:
  /// The byte where the block behind `tokens` begins, as though what follows in
  /// memory were next; of the last one, where itself does.
  Value nextBlock(TokenRange tokens, Value end) {
    int64_t size = cache.getSlotBytes();
    Value more = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                       v.add(tokens.first, kBlock), end);
    Value ahead = v.select(more, v.index(kBlock * size), v.index(0));
    Value slot = loadScalar(v, slots, v.index(0));
    return v.add(v.mul(slot, size), ahead);
  }

  void allocate(int64_t tokens) {
    auto buffer = [&](ArrayRef<int64_t> shape, Type type) {
      return kernelBuffer(v, op, shape, type);
    };
    slots = buffer({tokens}, v.b.getIndexType());
    largest = buffer({vectors * kLanes}, v.f32());
    total = buffer({vectors * kLanes}, v.f32());
    keep = buffer({vectors * kLanes}, v.f32());
    if (!op.getQScale())
      return;
    scales = buffer({tokens}, v.f32());
    pageScale = buffer({vectors * kLanes}, v.f32());
    queryScale = buffer({vectors * kLanes}, v.f32());
  }

  Value scale() {
    return v.constF(op.getScale().convertToDouble() * llvm::numbers::log2e);
  }
  Value splat(double value) { return v.splat(v.vec(kLanes, v.f32()), value); }
  Value load(Value memref, ValueRange at) { return v.load(memref, at, kLanes); }
  Value equals(Value x, double value) {
    return arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ, x,
                                 splat(value));
  }
  /// The larger one; `lhs` where `rhs` is NaN, which the sums then are too.
  Value larger(Value lhs, Value rhs) {
    return v.select(v.lessF(lhs, rhs), rhs, lhs);
  }

  void forEachVectorOfHeads(llvm::function_ref<void(Value)> body) {
    v.loop(v.index(0), v.index(vectors * kLanes), kLanes, {},
           [&](Value head, ValueRange) -> SmallVector<Value> {
             body(head);
             return {};
           });
  }

  SmallVector<Value> place(ValueRange rest) {
    SmallVector<Value> indices(part);
    indices.append(rest.begin(), rest.end());
    return indices;
  }

  /// Nothing is seen yet.
  void start() {
    forEachVectorOfHeads([&](Value head) {
      v.store(splat(kMinusInfinity), largest, head);
      v.store(splat(0.0), total, head);
      if (pageScale)
        v.store(splat(1.0), pageScale, head);
    });
    forEachHead([&](Value head) {
      if (queryScale)
        storeScalar(
            v,
            loadScalar(v, op.getQScale(), ValueRange{v.add(firstHead, head)}),
            queryScale, head);
      loopVectors(v, cache.getContent(), [&](Value col, int64_t count) {
        v.storeFirst(splat(0.0), op.getInit(),
                     place({v.add(firstHead, head), col}), count);
      });
    });
  }

  void forEachHead(llvm::function_ref<void(Value)> body) {
    v.loop(v.index(0), v.index(heads), 1, {},
           [&](Value head, ValueRange) -> SmallVector<Value> {
             body(head);
             return {};
           });
  }

  SmallVector<Value>
  overTokens(Value count, ValueRange init,
             llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
    return v.loop(v.index(0), count, 1, init, body);
  }

  /// Scores of 16 heads to weights.
  void weigh(Value scores, Value head, Value count) {
    Value before = load(largest, head);
    Value after = overTokens(count, before, [&](Value token, ValueRange most) {
      return SmallVector<Value>{larger(most[0], load(scores, {token, head}))};
    })[0];
    // Where nothing is seen yet, minus infinity minus itself would be NaN.
    Value base = v.select(equals(after, kMinusInfinity), splat(0.0), after);
    Value sum =
        overTokens(count, splat(0.0), [&](Value token, ValueRange carried) {
          Value weight = exp2(v, v.subf(load(scores, {token, head}), base));
          v.store(weight, scores, {token, head});
          return SmallVector<Value>{v.addf(carried[0], weight)};
        })[0];
    Value factor = exp2(v, v.subf(before, base));
    v.store(after, largest, head);
    v.store(v.fma(load(total, head), factor, sum), total, head);
    v.store(factor, keep, head);
  }

  /// Products of 16 heads to weights in e4m3, by a step of the recurrence.
  void recur(Value scores, Value head, Value count) {
    auto scaleOf = [&](Value token) {
      return v.broadcast(loadScalar(v, scales, token), kLanes);
    };
    Value factor = v.broadcast(scale(), kLanes),
          ofQuery = load(queryScale, head);
    Value before = load(largest, head);
    Value m = overTokens(count, before, [&](Value token, ValueRange most) {
      Value x = v.mulf(load(scores, {token, head}), ofQuery);
      x = v.mulf(v.mulf(x, scaleOf(token)), factor);
      v.store(x, scores, {token, head});
      return SmallVector<Value>{larger(most[0], x)};
    })[0];
    SmallVector<Value> sums = overTokens(
        count, {splat(0.0), splat(0.0)}, [&](Value token, ValueRange carried) {
          Value e = exp2(v, v.subf(load(scores, {token, head}), m));
          Value f = v.mulf(e, scaleOf(token));
          v.store(f, scores, {token, head});
          return SmallVector<Value>{v.addf(carried[0], e),
                                    larger(carried[1], f)};
        });
    Value s = v.divf(larger(splat(1e-26), sums[1]), splat(448.0));
    s = v.select(equals(sums[1], 0.0), splat(1.0), s);
    Value inverse = v.divf(splat(1.0), s);
    overTokens(count, {}, [&](Value token, ValueRange) -> SmallVector<Value> {
      Value p = v.mulf(load(scores, {token, head}), inverse);
      v.store(roundToE4M3(v, p), scores, {token, head});
      return {};
    });
    // Nothing was seen before; minus infinity minus itself would be NaN.
    Value power = v.select(equals(before, kMinusInfinity), splat(0.0),
                           exp2(v, v.subf(before, m)));
    Value beta = v.mulf(v.mulf(power, load(pageScale, head)), inverse);
    v.store(m, largest, head);
    v.store(s, pageScale, head);
    v.store(v.fma(load(total, head), beta, v.mulf(sums[0], inverse)), total,
            head);
    v.store(beta, keep, head);
  }

  /// Sums to means, and the logarithm of the sum of exponentials.
  void finish() {
    forEachVectorOfHeads([&](Value head) {
      Value sum = load(total, head), none = equals(sum, 0.0);
      Value inverse = v.select(none, splat(0.0), v.divf(splat(1.0), sum));
      v.store(inverse, keep, head);
      if (pageScale)
        sum = v.mulf(sum, load(pageScale, head));
      // Minus infinity where nothing is seen, and NaN stays.
      Value lse = v.fma(load(largest, head), splat(llvm::numbers::ln2),
                        math::LogOp::create(v.b, v.loc, sum));
      v.store(v.select(none, splat(kMinusInfinity), lse), total, head);
    });
    forEachHead([&](Value head) {
      Value row = v.add(firstHead, head);
      Value inverse = v.broadcast(loadScalar(v, keep, head), kLanes);
      loopVectors(v, cache.getContent(), [&](Value col, int64_t count) {
        SmallVector<Value> at = place({row, col});
        Value mean =
            v.mulf(v.loadFirst(op.getInit(), at, kLanes, count), inverse);
        v.storeFirst(mean, op.getInit(), at, count);
      });
      storeScalar(v, loadScalar(v, total, head), op.getLse(), place(row));
    });
  }

  VectorBuilder &v;
  MlaDecodeOp op;
  MlaCacheType cache;
  Value bytes;
  int64_t heads, vectorBits, vectors = 0;
  Value firstHead;
  SmallVector<Value> part; // the index of the part, if there are parts

  Value slots;      // [token], where the tokens of a block are
  Value largest;    // [head], m
  Value total;      // [head], l
  Value keep;       // [head], what earlier sums are multiplied with
  Value scales;     // [token], of a block; null without the recurrence
  Value pageScale;  // [head], s
  Value queryScale; // [head]
};

struct CpuLowerMlaDecode
    : headrace::cpu::impl::CpuLowerMlaDecodeBase<CpuLowerMlaDecode> {
  using Base::Base;
  void runOnOperation() override {
    if (failed(lowerWithCache<MlaDecodeOp, MlaDecodeKernel>(
            getOperation(), vectorBits.getValue())))
      signalPassFailure();
  }
};

} // namespace
