//===- CacheTokens.cpp - tokens that caches get and give ------------------===//

#include "passes/cpu/CacheTokens.h"

#include "passes/common/DecomposeQAttn.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::cpu;

int64_t headrace::cpu::appendWorkgroups(int64_t tokens) {
  // Each workgroup looks at all tokens: few, but more than most machines need.
  constexpr int64_t most = 16;
  return std::min(tokens, most);
}

static Value workgroup(VectorBuilder &v) {
  return gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
}

void headrace::cpu::forEachNewToken(
    VectorBuilder &v, Type cache, Value table, Value position, int64_t tokens,
    int64_t workgroups, llvm::function_ref<void(Value, Value)> body) {
  Value first = scalarIndex(v.b, v.loc, position);
  Value id = workgroups > 1 ? workgroup(v) : Value();
  v.loop(v.index(0), v.index(tokens), 1, {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           Slot slot = slotOf(v.b, v.loc, cache, table, v.add(first, token));
           Value taken = slot.valid;
           if (id) {
             Value owner = arith::RemUIOp::create(v.b, v.loc, slot.index,
                                                  v.index(workgroups));
             taken = v.andI(
                 taken, arith::CmpIOp::create(
                            v.b, v.loc, arith::CmpIPredicate::eq, owner, id));
           }
           auto branch =
               scf::IfOp::create(v.b, v.loc, taken, /*withElseRegion=*/false);
           OpBuilder::InsertionGuard guard(v.b);
           v.b.setInsertionPointToStart(branch.thenBlock());
           body(token, slot.index);
           return {};
         });
}

void headrace::cpu::fetchToken(VectorBuilder &v, Type cache, Value table,
                               Value start,
                               llvm::function_ref<void(Value, Value)> read,
                               llvm::function_ref<void(Value)> clear) {
  Value token = workgroup(v);
  Value first = scalarIndex(v.b, v.loc, start);
  Slot slot = slotOf(v.b, v.loc, cache, table, v.add(first, token));
  // Nothing of a slot that does not exist is read.
  auto branch =
      scf::IfOp::create(v.b, v.loc, slot.valid, /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(v.b);
  v.b.setInsertionPointToStart(branch.thenBlock());
  read(token, slot.index);
  v.b.setInsertionPointToStart(branch.elseBlock());
  clear(token);
}
