//===- LowerSelect.cpp - the list of large activations by one workgroup ---===//

#include "dialects/QLinear/QLinear.h"
#include "passes/simt/Passes.h"
#include "passes/simt/RowValues.h"

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
///
/// With `producer`, activations are computed where they are counted. A thread
/// looks at the same columns each time, so it only sees what it has written.
class SelectKernel {
public:
  SelectKernel(SimtBuilder &v, SelectColumnsOp op, const Threads &threads,
               RowValues *producer)
      : v(v), op(op), producer(producer), subgroups(threads.subgroups),
        width(threads.width), subgroup(threads.subgroup), lane(threads.lane),
        thread(threads.thread),
        size(cast<MemRefType>(op.getX().getType()).getDimSize(0)) {}

  void emit() {
    Value counts = v.named(sharedMemory(v, {subgroups}, v.i32()), "counts");
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

  using Activation = llvm::function_ref<Value(Value column)>;
  /// The activation of a column, zero for those behind the last.
  Value ifThere(Value column, Type type, Activation activation) {
    if (size % width == 0)
      return activation(column);
    auto branch = scf::IfOp::create(v.b, v.loc, type, less(column, last),
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    scf::YieldOp::create(v.b, v.loc, activation(column));
    v.b.setInsertionPointToStart(branch.elseBlock());
    Value zero =
        arith::ConstantOp::create(v.b, v.loc, v.b.getFloatAttr(type, 0));
    scf::YieldOp::create(v.b, v.loc, zero);
    return branch.getResult(0);
  }
  Value load(Value column) {
    auto type = cast<MemRefType>(op.getX().getType());
    return ifThere(column, type.getElementType(),
                   [&](Value at) { return v.loadOne(op.getX(), at); });
  }
  Value produce(Value column) {
    return ifThere(column, v.f32(),
                   [&](Value at) { return producer->write(at); });
  }

  /// Whether an activation is large, as i1. As bits: a NaN is above every
  /// number, and numbers that devices take for zero keep their order.
  Value isLarge(Value x) {
    Value bits;
    if (x.getType().isBF16()) {
      Value half = arith::BitcastOp::create(v.b, v.loc, v.i16(), x);
      bits = v.shl(toI32(half), 16);
    } else {
      bits = arith::BitcastOp::create(v.b, v.loc, v.i32(), x);
    }
    llvm::APInt threshold = op.getThreshold().bitcastToAPInt();
    threshold.clearSignBit();
    return compare(arith::CmpIPredicate::ugt, v.andI(bits, 0x7FFFFFFF),
                   v.constI32(static_cast<int64_t>(threshold.getZExtValue())));
  }

  /// How many of a lane's columns are large.
  Value countLarge() {
    return v.loop(first, last, width, v.constI32(0),
                  [&](Value start, ValueRange carried) -> SmallVector<Value> {
                    Value column = v.add(start, lane);
                    Value x = producer ? produce(column) : load(column);
                    return {v.add(carried[0], toI32(isLarge(x)))};
                  })[0];
  }

  /// The large columns of a subgroup, from `before` on.
  void writeLarge(Value before) {
    Value bit = v.shl(v.constI32(1), toI32(lane));
    Value lower = v.sub(bit, v.constI32(1));
    v.loop(first, last, width, before,
           [&](Value start, ValueRange carried) -> SmallVector<Value> {
             Value column = v.add(start, lane);
             Value large = isLarge(load(column));
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
  RowValues *producer;
  int64_t subgroups, width;
  Value subgroup, lane, thread;
  int64_t size;
  Value first, last; // of the columns of a subgroup
};

/// What computes the activations of `op` in the same kernel, null if nothing
/// does.
Operation *producerOf(SelectColumnsOp op) {
  for (Operation *user : op.getX().getUsers())
    if (user->getBlock() == op->getBlock() && RowValues::computes(user) &&
        cast<DestinationStyleOpInterface>(user).getDpsInits()[0] == op.getX())
      return user;
  return nullptr;
}

LogicalResult lower(SelectColumnsOp op, int64_t width) {
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  FailureOr<Threads> threads = Threads::of(v, op, width);
  if (failed(threads))
    return failure();
  if (width > 32 || threads->subgroups > width)
    return op->emitOpError()
           << "expected subgroups of at most 32 lanes, and no more subgroups "
              "than lanes, but got "
           << threads->subgroups << " of " << width;
  std::optional<RowValues> values;
  Operation *producer = producerOf(op);
  if (producer)
    values.emplace(v, producer, *threads, /*row=*/Value());
  SelectKernel(v, op, *threads, values ? &*values : nullptr).emit();
  op->erase();
  if (producer)
    producer->erase();
  return success();
}

struct SimtLowerSelect
    : headrace::simt::impl::SimtLowerSelectBase<SimtLowerSelect> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(
            lowerEach<SelectColumnsOp>(getOperation(), [&](SelectColumnsOp op) {
              return lower(op, subgroupWidth);
            })))
      signalPassFailure();
  }
};

} // namespace
