//===- AttentionBlocks.cpp - tokens of decoding kernels, in blocks --------===//

#include "passes/cpu/AttentionBlocks.h"

#include "passes/common/DecomposeQAttn.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/Transpose.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

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
                               Value slots, Value head, int64_t heads,
                               Value scales) {
  // Columns of a slot's row of scales: keys, then values. All of them are one
  // run.
  SmallVector<std::pair<Value, int64_t>> tiles;
  int64_t all = heads == cache.getHeads() ? 2 * heads : heads;
  for (int64_t first = 0; first < 2 * heads; first += all)
    for (int64_t col = 0; col < all; col += kAttentionLanes) {
      Value column = v.add(head, first / heads * cache.getHeads() + col);
      tiles.push_back({column, std::min(kAttentionLanes, all - col)});
    }
  int64_t size = cast<MemRefType>(slots.getType()).getDimSize(0);
  v.loop(v.index(0), v.index(size), kAttentionLanes, {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> places;
           for (int64_t i = 0; i < kAttentionLanes; ++i)
             places.push_back(scaleAt(v, cache, KVPart::Key,
                                      loadScalar(v, slots, v.add(token, i)),
                                      v.index(0)));
           for (auto [column, count] : tiles) {
             SmallVector<Value> rows;
             for (Value place : places)
               rows.push_back(loadNumbers(v, bytes,
                                          v.add(place, v.mul(column, 4)),
                                          CacheDtype::F32, count));
             transpose16(v, rows);
             for (int64_t i = 0; i < count; ++i)
               v.store(rows[i], scales, {v.add(column, i), token});
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
