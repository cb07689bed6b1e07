//===- RowValues.cpp - rows that threads compute column by column ---------===//

#include "passes/simt/RowValues.h"

#include "passes/common/GateFunction.h"

using namespace mlir;
using namespace headrace;
using namespace headrace::simt;
using namespace headrace::qlinear;

bool RowValues::computes(Operation *op) {
  return isa<RmsNormOp, GatedActivationOp>(op);
}

RowValues::RowValues(SimtBuilder &v, Operation *op, const Threads &threads,
                     Value row)
    : v(v), op(op), row(row) {
  auto norm = dyn_cast<RmsNormOp>(op);
  if (!norm)
    return;
  auto type = cast<MemRefType>(norm.getX().getType());
  auto count = static_cast<double>(type.getShape().back());
  Value mean = v.scale(squares(threads, norm.getX()), 1 / count);
  Value eps = arith::ConstantOp::create(
      v.b, v.loc, v.b.getFloatAttr(v.f32(), norm.getEps()));
  Value root = math::SqrtOp::create(v.b, v.loc, v.addf(mean, eps));
  inverse = v.named(v.divf(v.constF(1), root), "inverse");
}

Value RowValues::load(Value memref, Value column) {
  bool isVector = cast<MemRefType>(memref.getType()).getRank() == 1;
  return memref::LoadOp::create(v.b, v.loc, memref,
                                isVector ? ValueRange{column}
                                         : ValueRange{row, column});
}

/// The sum of all squares, in all threads.
Value RowValues::squares(const Threads &threads, Value x) {
  int64_t columns = cast<MemRefType>(x.getType()).getShape().back();
  Value shared = sharedMemory(v, {threads.subgroups}, v.f32());
  v.named(shared, "squares");
  Value own =
      v.loop(threads.thread, v.index(columns), threads.count(), v.constF(0),
             [&](Value column, ValueRange carried) -> SmallVector<Value> {
               Value one = load(x, column);
               return {v.fma(one, one, carried[0])};
             })[0];
  auto sum = gpu::AllReduceOperation::ADD;
  Value ofLanes = reduceLanes(v, own, sum);
  auto compare = [&](arith::CmpIPredicate predicate, int64_t to) {
    return arith::CmpIOp::create(v.b, v.loc, predicate, threads.lane,
                                 v.index(to));
  };
  when(v, compare(arith::CmpIPredicate::eq, 0), [&] {
    memref::StoreOp::create(v.b, v.loc, ofLanes, shared, threads.subgroup);
  });
  gpu::BarrierOp::create(v.b, v.loc);
  // Each lane has the sum of one subgroup.
  Value one =
      v.loadOne(shared, v.min(threads.lane, v.index(threads.subgroups - 1)));
  Value isOne = compare(arith::CmpIPredicate::ult, threads.subgroups);
  return reduceLanes(v, v.select(isOne, one, v.constF(0)), sum);
}

Value RowValues::write(Value column) {
  Value value;
  if (auto norm = dyn_cast<RmsNormOp>(op)) {
    Value factor = v.loadOne(norm.getWeight(), column);
    if (norm.getAddUnit())
      factor = v.addf(factor, v.constF(1));
    value = v.mulf(v.mulf(load(norm.getX(), column), inverse), factor);
  } else {
    auto gated = cast<GatedActivationOp>(op);
    Value gate = common::activate(v, gated.getActivation(),
                                  load(gated.getGate(), column));
    value = v.mulf(gate, load(gated.getUp(), column));
  }
  Value init = cast<DestinationStyleOpInterface>(op).getDpsInits()[0];
  bool isVector = cast<MemRefType>(init.getType()).getRank() == 1;
  memref::StoreOp::create(v.b, v.loc, value, init,
                          isVector ? ValueRange{column}
                                   : ValueRange{row, column});
  return value;
}
