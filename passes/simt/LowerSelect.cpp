//===- LowerSelect.cpp - the list of large activations by one workgroup ---===//

#include "dialects/QLinear/QLinear.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERSELECT
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using headrace::qlinear::SelectColumnsOp;
using Reduction = gpu::AllReduceOperation;

namespace {

/// Each subgroup has columns that follow each other. It counts its large ones;
/// once all have, it knows where its part of the list starts and writes it.
class SelectKernel {
public:
  SelectKernel(SimtBuilder &v, SelectColumnsOp op, int64_t subgroups,
               int64_t width)
      : v(v), op(op), subgroups(subgroups), width(width),
        size(cast<MemRefType>(op.getX().getType()).getDimSize(0)) {}

  void emit() {
    Value counts = v.named(sharedMemory(v, {subgroups}, v.i32()), "counts");
    subgroup = gpu::SubgroupIdOp::create(v.b, v.loc, IntegerAttr());
    lane = gpu::LaneIdOp::create(v.b, v.loc, IntegerAttr());
    int64_t columns =
        llvm::divideCeil(llvm::divideCeil(size, width), subgroups) * width;
    first = v.named(v.mul(subgroup, columns), "first");
    last = v.named(v.min(v.add(first, columns), v.index(size)), "last");

    Value found = reduceLanes(v, countLarge(), Reduction::ADD);
    when(v, equal(lane, 0),
         [&] { memref::StoreOp::create(v.b, v.loc, found, counts, subgroup); });
    gpu::BarrierOp::create(v.b, v.loc);
    // Each lane has the count of one subgroup.
    Value known = v.loadOne(counts, v.min(lane, v.index(subgroups - 1)));
    auto sumOf = [&](Value lanes) {
      return reduceLanes(v, v.select(lanes, known, v.constI32(0)),
                         Reduction::ADD);
    };
    Value before = v.named(sumOf(less(lane, subgroup)), "before");
    Value total = v.named(sumOf(less(lane, v.index(subgroups))), "total_count");
    writeLarge(before);
    writeRest(total);
  }

private:
  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(v.b, v.loc, predicate, lhs, rhs);
  }
  Value less(Value lhs, Value rhs) {
    return compare(arith::CmpIPredicate::ult, lhs, rhs);
  }
  Value equal(Value lhs, int64_t rhs) {
    return compare(arith::CmpIPredicate::eq, lhs, v.index(rhs));
  }
  Value toI32(Value value) {
    return value.getType().isIndex()
               ? arith::IndexCastUIOp::create(v.b, v.loc, v.i32(), value)
                     .getResult()
               : arith::ExtUIOp::create(v.b, v.loc, v.i32(), value).getResult();
  }
  Value toIndex(Value value) {
    return arith::IndexCastUIOp::create(v.b, v.loc, v.b.getIndexType(), value);
  }

  /// Whether the activation of a column is large, as i1. As bits: a NaN is
  /// above every number, and numbers that devices take for zero keep their
  /// order.
  Value isLarge(Value column) {
    bool partial = size % width != 0;
    Value at = partial ? v.min(column, v.index(size - 1)) : column;
    Value x = v.loadOne(op.getX(), at);
    Value bits;
    if (x.getType().isBF16()) {
      Value half = arith::BitcastOp::create(v.b, v.loc, v.i16(), x);
      bits = v.shl(toI32(half), 16);
    } else {
      bits = arith::BitcastOp::create(v.b, v.loc, v.i32(), x);
    }
    llvm::APInt threshold = op.getThreshold().bitcastToAPInt();
    threshold.clearSignBit();
    Value large =
        compare(arith::CmpIPredicate::ugt, v.andI(bits, 0x7FFFFFFF),
                v.constI32(static_cast<int64_t>(threshold.getZExtValue())));
    return partial ? v.andI(large, less(column, last)) : large;
  }

  /// How many of a lane's columns are large.
  Value countLarge() {
    return v.loop(first, last, width, v.constI32(0),
                  [&](Value start, ValueRange carried) -> SmallVector<Value> {
                    Value large = isLarge(v.add(start, lane));
                    return {v.add(carried[0], toI32(large))};
                  })[0];
  }

  /// The large columns of a subgroup, from `before` on.
  void writeLarge(Value before) {
    Value bit = v.shl(v.constI32(1), toI32(lane));
    Value lower = v.sub(bit, v.constI32(1));
    v.loop(first, last, width, before,
           [&](Value start, ValueRange carried) -> SmallVector<Value> {
             Value column = v.add(start, lane);
             Value large = isLarge(column);
             Value mine = v.select(large, bit, v.constI32(0));
             Value all = v.named(reduceLanes(v, mine, Reduction::OR), "large");
             auto count = [&](Value bits) -> Value {
               return math::CtPopOp::create(v.b, v.loc, bits);
             };
             Value at = v.add(carried[0], count(v.andI(all, lower)));
             when(v, large, [&] {
               memref::StoreOp::create(v.b, v.loc, toI32(column),
                                       op.getIndices(), toIndex(at));
             });
             return {v.add(carried[0], count(all))};
           });
  }

  /// The count, and zeros behind the list.
  void writeRest(Value total) {
    Value thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
    v.loop(v.add(toIndex(total), thread), v.index(size), subgroups * width, {},
           [&](Value at, ValueRange) -> SmallVector<Value> {
             memref::StoreOp::create(v.b, v.loc, v.constI32(0), op.getIndices(),
                                     at);
             return {};
           });
    when(v, equal(thread, 0), [&] {
      memref::StoreOp::create(v.b, v.loc, total, op.getCount(), v.index(0));
    });
  }

  SimtBuilder &v;
  SelectColumnsOp op;
  int64_t subgroups, width, size;
  Value subgroup, lane, first, last; // of the columns of a subgroup
};

LogicalResult lower(SelectColumnsOp op, int64_t width) {
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  if (width > 32 || *subgroups > width)
    return op->emitOpError()
           << "expected subgroups of at most 32 lanes, and no more subgroups "
              "than lanes, but got "
           << *subgroups << " of " << width;
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  SelectKernel(v, op, *subgroups, width).emit();
  op->erase();
  return success();
}

struct SimtLowerSelect
    : headrace::simt::impl::SimtLowerSelectBase<SimtLowerSelect> {
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](SelectColumnsOp op) {
      // On tensors there is nothing to store to yet.
      if (op->getNumResults() > 0)
        return WalkResult::advance();
      return failed(lower(op, subgroupWidth)) ? WalkResult::interrupt()
                                              : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
