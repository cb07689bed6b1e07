//===- LowerFetch.cpp - keys and values of some tokens as f32 -------------===//

#include "passes/simt/CacheNumbers.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERFETCH
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KVPart;
using headrace::common::Slot;

namespace {

/// A token by a workgroup, which reads nothing of one without a slot.
void emitFetch(SimtBuilder &v, FetchKVOp op, Value bytes, int64_t threads) {
  KVCacheType cache = op.getCache().getType();
  CacheNumbers numbers(v, cache, bytes);
  Value token = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
  Value thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
  Value start = v.loadOne(op.getStart(), v.index(0));
  Slot slot = slotFrom(v, cache, op.getTable(), start, token);
  v.named(slot.index, "slot");
  v.loop(thread, v.index(cache.getHeads() * cache.getDim()), threads, {},
         [&](Value number, ValueRange) -> SmallVector<Value> {
           Value head = v.named(v.div(number, cache.getDim()), "head");
           Value column = v.named(v.rem(number, cache.getDim()), "column");
           for (auto [part, to] : {std::pair(KVPart::Key, op.getK()),
                                   std::pair(KVPart::Value, op.getV())}) {
             auto branch = scf::IfOp::create(v.b, v.loc, v.f32(), slot.valid,
                                             /*withElseRegion=*/true);
             {
               OpBuilder::InsertionGuard guard(v.b);
               v.b.setInsertionPointToStart(branch.thenBlock());
               Value place = numbers.place(part, slot.index, head);
               Value read = numbers.load(v.add(place, column));
               if (cache.hasScales())
                 read = v.mulf(read, numbers.loadScale(part, slot.index, head));
               scf::YieldOp::create(v.b, v.loc, read);
               v.b.setInsertionPointToStart(branch.elseBlock());
               scf::YieldOp::create(v.b, v.loc, v.constF(0));
             }
             memref::StoreOp::create(v.b, v.loc, branch.getResult(0), to,
                                     ValueRange{token, head, column});
           }
           return {};
         });
}

LogicalResult lower(FetchKVOp op, int64_t width) {
  Value bytes = CacheNumbers::bytesOf(op, op.getCache());
  if (!bytes)
    return failure();
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  emitFetch(v, op, bytes, *subgroups * width);
  op->erase();
  return success();
}

struct SimtLowerFetch
    : headrace::simt::impl::SimtLowerFetchBase<SimtLowerFetch> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(lowerEach<FetchKVOp>(getOperation(), [&](FetchKVOp op) {
          return lower(op, subgroupWidth);
        })))
      signalPassFailure();
  }
};

} // namespace
