//===- AttentionBlocks.cpp - tokens of decoding kernels, in blocks --------===//

#include "passes/cpu/AttentionBlocks.h"

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Exp2.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;
using namespace headrace::qattn;

Value headrace::cpu::kernelBuffer(VectorBuilder &v, Operation *op,
                                  ArrayRef<int64_t> shape, Type type) {
  OpBuilder::InsertionGuard guard(v.b);
  Block &entry = op->getParentOfType<func::FuncOp>().getBody().front();
  v.b.setInsertionPointToStart(&entry);
  return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, type),
                                  v.b.getI64IntegerAttr(64));
}

void headrace::cpu::storeScalar(VectorBuilder &v, Value value, Value memref,
                                ValueRange at) {
  memref::StoreOp::create(v.b, v.loc, value, memref, at);
}

Value headrace::cpu::loadScalar(VectorBuilder &v, Value memref, ValueRange at) {
  return memref::LoadOp::create(v.b, v.loc, memref, at);
}

TokenRange headrace::cpu::tokensOfPart(VectorBuilder &v, const SeenTokens &seen,
                                       Value part) {
  if (!part)
    return {seen.begin, seen.count};
  Value skipped = v.min(v.mul(part, seen.perPart), seen.count);
  Value left = v.min(v.sub(seen.count, skipped), seen.perPart);
  return {v.add(seen.begin, skipped), left};
}

void headrace::cpu::forEachBlock(VectorBuilder &v, TokenRange tokens,
                                 int64_t size,
                                 llvm::function_ref<void(TokenRange)> body) {
  v.loop(v.index(0), tokens.count, size, {},
         [&](Value done, ValueRange) -> SmallVector<Value> {
           Value count = v.min(v.sub(tokens.count, done), v.index(size));
           body({v.add(tokens.first, done), count});
           return {};
         });
}

Value headrace::cpu::listSlots(VectorBuilder &v, Type cache, Value table,
                               TokenRange tokens, Value slots) {
  int64_t size = cast<MemRefType>(slots.getType()).getDimSize(0);
  SmallVector<Value> state =
      v.loop(v.index(0), tokens.count, 1, {v.index(0), v.index(0)},
             [&](Value i, ValueRange carried) -> SmallVector<Value> {
               Slot slot =
                   slotOf(v.b, v.loc, cache, table, v.add(tokens.first, i));
               storeScalar(v, slot.index, slots, carried[0]);
               // Only pages may be missing: all else that is seen has a slot.
               if (geometryOf(cache).layout != CacheLayout::Paged)
                 return {v.add(carried[0], 1), slot.index};
               Value one = v.select(slot.valid, v.index(1), v.index(0));
               return {v.add(carried[0], one),
                       v.select(slot.valid, slot.index, carried[1])};
             });
  v.loop(state[0], v.index(size), 1, {},
         [&](Value i, ValueRange) -> SmallVector<Value> {
           storeScalar(v, state[1], slots, i);
           return {};
         });
  return state[0];
}

void headrace::cpu::listScales(VectorBuilder &v, KVCacheType cache, Value bytes,
                               Value slots, Value head, Value scales) {
  int64_t size = cast<MemRefType>(slots.getType()).getDimSize(0);
  v.loop(v.index(0), v.index(size), 1, {},
         [&](Value i, ValueRange) -> SmallVector<Value> {
           Value slot = loadScalar(v, slots, i);
           for (KVPart part : {KVPart::Key, KVPart::Value}) {
             Value at = scaleAt(v, cache, part, slot, head);
             Value row = v.index(part == KVPart::Key ? 0 : 1);
             storeScalar(v, v.loadScalarAs(bytes, at, 4, v.f32()), scales,
                         {row, i});
           }
           return {};
         });
}

void headrace::cpu::forEachRun(VectorBuilder &v, int64_t count, int64_t size,
                               llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = count / size * size;
  v.loop(v.index(0), v.index(whole), size, {},
         [&](Value first, ValueRange) -> SmallVector<Value> {
           body(first, size);
           return {};
         });
  int64_t first = whole;
  for (size /= 2; size > 0; size /= 2)
    for (; first + size <= count; first += size)
      body(v.index(first), size);
}

void headrace::cpu::choose(VectorBuilder &v, Value condition,
                           llvm::function_ref<void()> yes,
                           llvm::function_ref<void()> no) {
  if (!condition)
    return no();
  auto branch = [&](llvm::function_ref<void()> body) {
    return [&v, body](OpBuilder &nested, Location loc) {
      OpBuilder::InsertionGuard guard(v.b);
      v.b.setInsertionPoint(nested.getInsertionBlock(),
                            nested.getInsertionPoint());
      body();
      scf::YieldOp::create(v.b, loc);
    };
  };
  scf::IfOp::create(v.b, v.loc, condition, branch(yes), branch(no));
}

double headrace::cpu::queryScale(const APFloat &scale,
                                 const std::optional<APFloat> &cap) {
  // A bound is of scores to the base e.
  return scale.convertToDouble() * (cap ? 1.0 : llvm::numbers::log2e);
}

Value headrace::cpu::capped(VectorBuilder &v, Value scores,
                            const std::optional<APFloat> &cap) {
  if (!cap)
    return scores;
  auto floats = cast<VectorType>(scores.getType());
  double bound = cap->convertToDouble();
  Value ratio = v.divf(scores, v.splat(floats, bound));
  return v.mulf(math::TanhOp::create(v.b, v.loc, ratio),
                v.splat(floats, bound * llvm::numbers::log2e));
}

Value headrace::cpu::addLanes(VectorBuilder &v, SmallVector<Value> vectors) {
  // Pairs of vectors are added crosswise until one is left.
  for (int64_t span = kAttentionLanes / 2; span > 0; span /= 2) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < span; ++i) {
      // In each run of 2 * span lanes, halves of one and of the other.
      SmallVector<int64_t> low, high;
      for (int64_t lane = 0; lane < kAttentionLanes; ++lane) {
        bool second = lane & span;
        int64_t base = (second ? kAttentionLanes : 0) + (lane & ~span);
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

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();

static Value equals(VectorBuilder &v, Value x, double value) {
  return arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ, x,
                               v.constF(value));
}

RunningSoftmax::RunningSoftmax(VectorBuilder &v, Operation *op, int64_t heads)
    : v(v), largest(kernelBuffer(v, op, {heads}, v.f32())),
      total(kernelBuffer(v, op, {heads}, v.f32())) {}

void RunningSoftmax::start(Value head) {
  storeScalar(v, v.constF(kMinusInfinity), largest, head);
  storeScalar(v, v.constF(0.0), total, head);
}

Value headrace::cpu::larger(VectorBuilder &v, Value lhs, Value rhs) {
  return v.select(v.lessF(lhs, rhs), rhs, lhs);
}

Value headrace::cpu::largestLane(VectorBuilder &v, Value lanes) {
  for (int64_t half = kAttentionLanes / 2; half > 0; half /= 2)
    lanes =
        larger(v, v.shuffle(lanes, llvm::to_vector(llvm::seq(half))),
               v.shuffle(lanes, llvm::to_vector(llvm::seq(half, 2 * half))));
  return v.extract(lanes, 0);
}

Value RunningSoftmax::add(Value head, MutableArrayRef<Value> scores) {
  Value before = loadScalar(v, largest, head), most = scores[0];
  for (Value score : scores.drop_front())
    most = larger(v, most, score);
  Value after = larger(v, before, largestLane(v, most));
  // Where nothing is seen yet, minus infinity minus itself would be NaN.
  Value base = v.select(equals(v, after, kMinusInfinity), v.constF(0.0), after);
  Value wide = v.broadcast(base, kAttentionLanes);
  Value added = v.splat(v.vec(kAttentionLanes, v.f32()), 0);
  for (Value &score : scores) {
    score = exp2(v, v.subf(score, wide));
    added = v.addf(added, score);
  }
  Value keep = exp2(v, v.broadcast(v.subf(before, base), kAttentionLanes));
  storeScalar(v, after, largest, head);
  Value sum = v.mulf(loadScalar(v, total, head), v.extract(keep, 0));
  storeScalar(v, v.addf(sum, v.sum(added)), total, head);
  return keep;
}

std::pair<Value, Value> RunningSoftmax::finish(Value head) {
  Value sum = loadScalar(v, total, head), none = equals(v, sum, 0.0);
  Value inverse = v.select(none, v.constF(0.0), v.divf(v.constF(1.0), sum));
  Value log = v.extract(
      math::LogOp::create(v.b, v.loc, v.broadcast(sum, kAttentionLanes)), 0);
  // Minus infinity where nothing is seen, and NaN stays.
  Value most =
      v.mulf(loadScalar(v, largest, head), v.constF(llvm::numbers::ln2));
  Value lse = v.select(none, v.constF(kMinusInfinity), v.addf(most, log));
  return {inverse, lse};
}
