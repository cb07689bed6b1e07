//===- AttentionBlocks.cpp - tokens of decoding kernels, in blocks --------===//

#include "passes/cpu/AttentionBlocks.h"

#include "passes/common/DecomposeQAttn.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

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
