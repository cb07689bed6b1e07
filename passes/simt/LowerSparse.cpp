//===- LowerSparse.cpp - products with some columns by lanes --------------===//
//
// A list in order is shared out evenly among teams. Of another one, the
// columns are marked and those shared out: each column then counts once.
//
//===----------------------------------------------------------------------===//

#include "passes/simt/Passes.h"
#include "passes/simt/SliceSums.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERSPARSE
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qlinear;
using Predicate = arith::CmpIPredicate;

namespace {

/// Marks have a bit for each column, in shared memory.
constexpr int64_t kMostColumns = 1 << 16;
constexpr int64_t kWordBits = 32;

/// The rows of a slice by one workgroup, or a share of their columns.
class SparseKernel {
public:
  SparseKernel(SimtBuilder &v, SparseMatvecOp op, const Threads &threads,
               SliceSums &sums)
      : v(v), op(op), threads(threads), sums(sums),
        cols(op.getWeight().getType().getCols()),
        listSize(cast<MemRefType>(op.getIndices().getType()).getDimSize(0)) {}

  /// ascending: whether the list is known to be in order.
  void emit(bool ascending) {
    count = v.named(listLength(), "count");
    sums.store(ascending ? addListed() : addAny());
    gpu::BarrierOp::create(v.b, v.loc);
    sums.forEachRow([&](Value row, Value place) {
      memref::StoreOp::create(v.b, v.loc, sums.rowSum(row), op.getInit(),
                              place);
    });
  }

private:
  int64_t markWords() {
    return static_cast<int64_t>(llvm::divideCeil(cols, kWordBits));
  }
  Value compare(Predicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(v.b, v.loc, predicate, lhs, rhs);
  }
  Value toI32(Value index) {
    return arith::IndexCastUIOp::create(v.b, v.loc, v.i32(), index);
  }
  Value toIndex(Value value) {
    return arith::IndexCastUIOp::create(v.b, v.loc, v.b.getIndexType(), value);
  }

  //===-- The list --------------------------------------------------------===//

  /// Entries of the list that count, as an index.
  Value listLength() {
    Value length = v.loadOne(op.getCount(), v.index(0));
    length = arith::MaxSIOp::create(v.b, v.loc, length, v.constI32(0));
    length = arith::MinSIOp::create(v.b, v.loc, length, v.constI32(listSize));
    return toIndex(length);
  }

  /// Whether the list has columns only, each once and in order, as
  /// select_columns makes it. The same for all threads.
  Value isAscending() {
    Value flags =
        v.named(sharedMemory(v, {threads.subgroups}, v.i32()), "flags");
    Value most = v.index(listSize - 1);
    Value fine =
        v.loop(threads.thread, count, threads.count(), v.constI32(1),
               [&](Value at, ValueRange carried) -> SmallVector<Value> {
                 Value column = v.loadOne(op.getIndices(), at);
                 Value next = v.add(at, 1);
                 Value follower = v.loadOne(op.getIndices(), v.min(next, most));
                 Value isLast = compare(Predicate::uge, next, count);
                 Value rises = compare(Predicate::ult, column, follower);
                 Value inside =
                     compare(Predicate::ult, column, v.constI32(cols));
                 Value good = v.andI(inside, v.orI(isLast, rises));
                 Value bit = arith::ExtUIOp::create(v.b, v.loc, v.i32(), good);
                 return {v.andI(carried[0], bit)};
               })[0];
    Value together = reduceLanes(v, fine, gpu::AllReduceOperation::AND);
    when(v, compare(Predicate::eq, threads.lane, v.index(0)), [&] {
      memref::StoreOp::create(v.b, v.loc, together, flags, threads.subgroup);
    });
    gpu::BarrierOp::create(v.b, v.loc);
    Value one =
        v.loadOne(flags, v.min(threads.lane, v.index(threads.subgroups - 1)));
    Value all = reduceLanes(v, one, gpu::AllReduceOperation::AND);
    return v.named(compare(Predicate::ne, all, v.constI32(0)), "ascending");
  }

  /// Each thread has words of 32 columns and looks for them in the list.
  void mark(Value marks) {
    Value words = v.index(markWords());
    v.loop(threads.thread, words, threads.count(), {},
           [&](Value word, ValueRange) -> SmallVector<Value> {
             Value bits = v.loop(
                 v.index(0), count, 1, v.constI32(0),
                 [&](Value at, ValueRange carried) -> SmallVector<Value> {
                   Value column = v.loadOne(op.getIndices(), at);
                   Value isHere =
                       compare(Predicate::eq, v.shr(column, 5), toI32(word));
                   Value bit = v.shl(v.constI32(1), v.andI(column, 31));
                   Value mine = v.select(isHere, bit, v.constI32(0));
                   return {v.orI(carried[0], mine)};
                 })[0];
             memref::StoreOp::create(v.b, v.loc, bits, marks, word);
             return {};
           });
  }

  //===-- Columns ---------------------------------------------------------===//

  SmallVector<Value> addListed() {
    auto [first, last] = sums.share(count);
    return v.loop(first, last, 1, sums.zeros(),
                  [&](Value at, ValueRange carried) {
                    Value column = v.loadOne(op.getIndices(), at);
                    column = v.named(toIndex(column), "column");
                    return sums.addColumn(op.getX(), column, carried);
                  });
  }

  SmallVector<Value> addMarked(Value marks) {
    auto [first, last] = sums.share(v.index(cols));
    return v.loop(
        first, last, 1, sums.zeros(),
        [&](Value column, ValueRange carried) -> SmallVector<Value> {
          Value word = v.loadOne(marks, v.div(column, kWordBits));
          Value bit = v.shl(v.constI32(1), toI32(v.rem(column, kWordBits)));
          Value marked =
              compare(Predicate::ne, v.andI(word, bit), v.constI32(0));
          return choose(
              marked, carried.getTypes(),
              [&] { return sums.addColumn(op.getX(), column, carried); },
              [&] { return SmallVector<Value>(carried); });
        });
  }

  /// The columns of a list of which nothing is known.
  SmallVector<Value> addAny() {
    Value marks = v.named(sharedMemory(v, {markWords()}, v.i32()), "marks");
    Value ascending = isAscending();
    Value one = arith::ConstantOp::create(v.b, v.loc, v.b.getBoolAttr(true));
    Value unordered = arith::XOrIOp::create(v.b, v.loc, ascending, one);
    when(v, unordered, [&] { mark(marks); });
    gpu::BarrierOp::create(v.b, v.loc);
    SmallVector<Type> types;
    for (Value zero : sums.zeros())
      types.push_back(zero.getType());
    return choose(
        ascending, types, [&] { return addListed(); },
        [&] { return addMarked(marks); });
  }

  using Branch = llvm::function_ref<SmallVector<Value>()>;
  SmallVector<Value> choose(Value condition, TypeRange types, Branch yes,
                            Branch no) {
    auto branch = scf::IfOp::create(v.b, v.loc, types, condition,
                                    /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    for (auto [block, body] : {std::pair(branch.thenBlock(), yes),
                               std::pair(branch.elseBlock(), no)}) {
      v.b.setInsertionPointToStart(block);
      scf::YieldOp::create(v.b, v.loc, body());
    }
    return SmallVector<Value>(branch.getResults());
  }

  SimtBuilder &v;
  SparseMatvecOp op;
  const Threads &threads;
  SliceSums &sums;
  int64_t cols, listSize;
  Value count; // entries of the list
};

LogicalResult lower(SparseMatvecOp op, int64_t width) {
  if (failed(columnBytes(op, op.getWeight())))
    return failure();
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  FailureOr<Threads> threads = Threads::of(v, op, width);
  if (failed(threads))
    return failure();
  FailureOr<SliceSums> sums =
      SliceSums::create(v, op, op.getWeight(), *threads);
  if (failed(sums))
    return failure();
  int64_t cols = op.getWeight().getType().getCols();
  int64_t listSize = cast<MemRefType>(op.getIndices().getType()).getDimSize(0);
  bool ascending = kernelInfo(op).contains(kAscending);
  if (!ascending && (cols > kMostColumns || listSize > kMostColumns))
    return op->emitOpError()
           << "expected at most " << kMostColumns
           << " columns and as many indices where the list is not from "
              "qlinear.select_columns, but got "
           << cols << " and " << listSize;
  if (listSize == 0)
    return op->emitOpError("expected at least one index, but got none");
  if (!ascending && threads->subgroups > width)
    return op->emitOpError()
           << "expected no more subgroups than lanes, but got "
           << threads->subgroups << " of " << width;
  SparseKernel(v, op, *threads, *sums).emit(ascending);
  op->erase();
  return success();
}

struct SimtLowerSparse
    : headrace::simt::impl::SimtLowerSparseBase<SimtLowerSparse> {
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](SparseMatvecOp op) {
      return failed(lower(op, subgroupWidth)) ? WalkResult::interrupt()
                                              : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
