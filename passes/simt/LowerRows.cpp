//===- LowerRows.cpp - norms and gated activations by threads -------------===//

#include "passes/simt/Passes.h"
#include "passes/simt/RowValues.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERROWS
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;

namespace {

/// A workgroup has a row of a norm. What has no part in other columns is of as
/// many workgroups as there are threads for it.
LogicalResult lower(Operation *op, int64_t width) {
  Value init = cast<DestinationStyleOpInterface>(op).getDpsInits()[0];
  auto type = dyn_cast<MemRefType>(init.getType());
  if (!type)
    return op->emitOpError("expected memrefs; run simt-form-kernels first");
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  FailureOr<Threads> threads = Threads::of(v, op, width);
  if (failed(threads))
    return failure();
  int64_t columns = type.getShape().back();
  if (isa<headrace::qlinear::RmsNormOp>(op)) {
    RowValues values(v, op, *threads, threads->group);
    v.loop(threads->thread, v.index(columns), threads->count(), {},
           [&](Value column, ValueRange) -> SmallVector<Value> {
             values.write(column);
             return {};
           });
  } else {
    int64_t count = threads->count(), all = type.getNumElements();
    Value at = v.add(v.mul(threads->group, count), threads->thread);
    RowValues values(v, op, *threads, v.div(at, columns));
    auto write = [&] { values.write(v.rem(at, columns)); };
    if (all % count == 0)
      write();
    else
      when(v,
           arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult, at,
                                 v.index(all)),
           write);
  }
  op->erase();
  return success();
}

struct SimtLowerRows : headrace::simt::impl::SimtLowerRowsBase<SimtLowerRows> {
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](Operation *op) {
      if (!RowValues::computes(op))
        return WalkResult::advance();
      return failed(lower(op, subgroupWidth)) ? WalkResult::interrupt()
                                              : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
