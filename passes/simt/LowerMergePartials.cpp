//===- LowerMergePartials.cpp - one attention from parts, by threads ------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERMERGEPARTIALS
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using headrace::qattn::MergePartialsOp;

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// A row, which is a head of a token, by one workgroup; a column a thread.
class MergeKernel {
public:
  MergeKernel(SimtBuilder &v, MergePartialsOp op, int64_t threads)
      : v(v), op(op), threads(threads),
        shape(cast<MemRefType>(op.getPartials().getType()).getShape()) {}

  void emit() {
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    Value thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
    row = {id};
    if (shape.size() == 4)
      row = {v.div(id, shape[2]), v.rem(id, shape[2])};
    Value most = overParts(v.constF(kMinusInfinity), [&](Value lse, Value old) {
      // Keeps a NaN.
      Value isNotMore = arith::CmpFOp::create(
          v.b, v.loc, arith::CmpFPredicate::OLE, lse, old);
      return v.select(isNotMore, old, lse);
    });
    // Where nothing was seen, minus infinity minus itself would be NaN.
    base = v.named(v.select(isNothing(most), v.constF(0), most), "base");
    v.loop(thread, v.index(shape.back()), threads, {},
           [&](Value column, ValueRange) -> SmallVector<Value> {
             mergeColumn(column);
             return {};
           });
  }

private:
  Value compare(arith::CmpFPredicate predicate, Value lhs, double rhs) {
    return arith::CmpFOp::create(v.b, v.loc, predicate, lhs, v.constF(rhs));
  }
  Value isNothing(Value lse) {
    return compare(arith::CmpFPredicate::OEQ, lse, kMinusInfinity);
  }

  SmallVector<Value> inPart(Value part) {
    SmallVector<Value> indices{part};
    indices.append(row);
    return indices;
  }
  Value lseOf(Value part) {
    return memref::LoadOp::create(v.b, v.loc, op.getLses(), inPart(part));
  }

  Value overParts(Value init, llvm::function_ref<Value(Value, Value)> body) {
    return v.loop(v.index(0), v.index(shape[0]), 1, init,
                  [&](Value part, ValueRange carried) -> SmallVector<Value> {
                    return {body(lseOf(part), carried[0])};
                  })[0];
  }

  void mergeColumn(Value column) {
    SmallVector<Value> both = v.loop(
        v.index(0), v.index(shape[0]), 1, {v.constF(0), v.constF(0)},
        [&](Value part, ValueRange carried) -> SmallVector<Value> {
          Value lse = v.named(lseOf(part), "lse");
          SmallVector<Value> at = inPart(part);
          at.push_back(column);
          Value value =
              memref::LoadOp::create(v.b, v.loc, op.getPartials(), at);
          // What a part holds that saw nothing is not multiplied.
          value = v.select(isNothing(lse), v.constF(0), value);
          Value weight = v.named(
              math::ExpOp::create(v.b, v.loc, v.subf(lse, base)), "weight");
          return {v.addf(carried[0], weight), v.fma(weight, value, carried[1])};
        });
    v.named(both[0], "part");
    Value total = both[0];
    Value nothing = compare(arith::CmpFPredicate::OEQ, total, 0);
    v.named(nothing, "nothing");
    Value result = v.select(nothing, v.constF(0), v.divf(both[1], total));
    SmallVector<Value> at(row);
    Value isFirst = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::eq,
                                          column, v.index(0));
    when(v, isFirst, [&] {
      Value lse = v.addf(base, math::LogOp::create(v.b, v.loc, total));
      lse = v.select(nothing, v.constF(kMinusInfinity), lse);
      memref::StoreOp::create(v.b, v.loc, lse, op.getLse(), row);
    });
    at.push_back(column);
    memref::StoreOp::create(v.b, v.loc, result, op.getInit(), at);
  }

  SimtBuilder &v;
  MergePartialsOp op;
  int64_t threads;
  ArrayRef<int64_t> shape; // parts, rows, columns
  SmallVector<Value> row;
  Value base; // the largest logarithm
};

LogicalResult lower(MergePartialsOp op, int64_t width) {
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  MergeKernel(v, op, *subgroups * width).emit();
  op->erase();
  return success();
}

struct SimtLowerMergePartials
    : headrace::simt::impl::SimtLowerMergePartialsBase<SimtLowerMergePartials> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(
            lowerEach<MergePartialsOp>(getOperation(), [&](MergePartialsOp op) {
              return lower(op, subgroupWidth);
            })))
      signalPassFailure();
  }
};

} // namespace
