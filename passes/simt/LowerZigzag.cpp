//===- LowerZigzag.cpp - products with all columns of zigzag weights ------===//

#include "passes/common/GateFunction.h"
#include "passes/simt/Passes.h"
#include "passes/simt/SliceSums.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERZIGZAG
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace;
using namespace headrace::simt;
using namespace headrace::qlinear;

namespace {

bool isZigzag(TypedValue<PackedType> weight) {
  return isa<ZigzagFormatAttr>(weight.getType().getFormat());
}

/// Adds up all columns of each weight, one weight after the other, and writes
/// what `combine` makes of a row's sums.
LogicalResult
lower(Operation *op, ArrayRef<TypedValue<PackedType>> weights, Value x,
      Value init, int64_t width,
      llvm::function_ref<Value(SimtBuilder &, ArrayRef<Value>)> combine) {
  for (TypedValue<PackedType> weight : weights)
    if (failed(columnBytes(op, weight)))
      return failure();
  if (!isa<MemRefType>(x.getType()))
    return op->emitOpError("has no GPU kernel for packed activations; allowed: "
                           "f32, bf16");
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  FailureOr<Threads> threads = Threads::of(v, op, width);
  if (failed(threads))
    return failure();
  SmallVector<SliceSums> all;
  for (TypedValue<PackedType> weight : weights) {
    if (weight.getType() != weights[0].getType())
      return op->emitOpError() << "expected gate and up in one format, but got "
                               << weights[0].getType().getFormat() << " and "
                               << weight.getType().getFormat();
    FailureOr<SliceSums> sums = SliceSums::create(v, op, weight, *threads);
    if (failed(sums))
      return failure();
    all.push_back(std::move(*sums));
  }
  Value columns = v.index(weights[0].getType().getCols());
  for (SliceSums &sums : all) {
    auto [first, last] = sums.share(columns);
    sums.store(v.loop(first, last, 1, sums.zeros(),
                      [&](Value column, ValueRange carried) {
                        return sums.addColumn(x, column, carried);
                      }));
  }
  gpu::BarrierOp::create(v.b, v.loc);
  all[0].forEachRow([&](Value row, Value place) {
    SmallVector<Value> found;
    for (SliceSums &sums : all)
      found.push_back(sums.rowSum(row));
    memref::StoreOp::create(v.b, v.loc, combine(v, found), init, place);
  });
  op->erase();
  return success();
}

LogicalResult lower(MatvecOp op, int64_t width) {
  return lower(op, {op.getWeight()}, op.getX(), op.getInit(), width,
               [](SimtBuilder &, ArrayRef<Value> sums) { return sums[0]; });
}

LogicalResult lower(GatedMatvecOp op, int64_t width) {
  return lower(op, {op.getGate(), op.getUp()}, op.getX(), op.getInit(), width,
               [&](SimtBuilder &v, ArrayRef<Value> sums) {
                 return v.mulf(common::activate(v, op.getActivation(), sums[0]),
                               sums[1]);
               });
}

struct SimtLowerZigzag
    : headrace::simt::impl::SimtLowerZigzagBase<SimtLowerZigzag> {
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](Operation *op) {
      LogicalResult lowered = success();
      if (auto matvec = dyn_cast<MatvecOp>(op);
          matvec && isZigzag(matvec.getWeight()))
        lowered = lower(matvec, subgroupWidth);
      else if (auto gated = dyn_cast<GatedMatvecOp>(op);
               gated && isZigzag(gated.getGate()))
        lowered = lower(gated, subgroupWidth);
      return failed(lowered) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
