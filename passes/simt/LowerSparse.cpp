//===- LowerSparse.cpp - products with some columns by lanes --------------===//
//
// A list in order is shared out evenly among subgroups. Of another one, the
// columns are marked and those shared out: each column then counts once.
//
//===----------------------------------------------------------------------===//

#include "passes/simt/ColumnDecoder.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

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

/// The 256 rows of a slice by one workgroup.
class SparseKernel {
public:
  SparseKernel(SimtBuilder &v, SparseMatvecOp op, Value bytes,
               ColumnDecoder &decoder, int64_t subgroups)
      : v(v), op(op), bytes(bytes), decoder(decoder), subgroups(subgroups),
        weight(op.getWeight().getType()), cols(weight.getCols()),
        listSize(cast<MemRefType>(op.getIndices().getType()).getDimSize(0)) {}

  void emit() {
    Value group = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    subgroup = gpu::SubgroupIdOp::create(v.b, v.loc, IntegerAttr());
    lane = gpu::LaneIdOp::create(v.b, v.loc, IntegerAttr());
    thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
    auto zigzag = cast<ZigzagFormatAttr>(weight.getFormat());
    slicesOfBand = zigzag.getBand() / kSliceRows;
    firstSlice = v.add(v.mul(v.div(group, slicesOfBand), cols * slicesOfBand),
                       v.rem(group, slicesOfBand));
    v.named(firstSlice, "first_slice");
    Value marks = v.named(sharedMemory(v, {markWords()}, v.i32()), "marks");
    Value partial =
        v.named(sharedMemory(v, {subgroups, kSliceRows}, v.f32()), "partial");
    count = v.named(listLength(), "count");
    decoder.open(v, bytes, lane);

    Value ascending = isAscending();
    Value one = arith::ConstantOp::create(v.b, v.loc, v.b.getBoolAttr(true));
    Value unordered = arith::XOrIOp::create(v.b, v.loc, ascending, one);
    when(v, unordered, [&] { mark(marks); });
    gpu::BarrierOp::create(v.b, v.loc);
    store(partial, sumColumns(ascending, marks));
    gpu::BarrierOp::create(v.b, v.loc);
    reduce(partial, v.mul(group, kSliceRows));
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
    Value flags = v.named(sharedMemory(v, {subgroups}, v.i32()), "flags");
    int64_t threads = subgroups * kSliceLanes;
    Value most = v.index(listSize - 1);
    Value fine =
        v.loop(thread, count, threads, v.constI32(1),
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
    when(v, compare(Predicate::eq, lane, v.index(0)), [&] {
      memref::StoreOp::create(v.b, v.loc, together, flags, subgroup);
    });
    gpu::BarrierOp::create(v.b, v.loc);
    Value one = v.loadOne(flags, v.min(lane, v.index(subgroups - 1)));
    Value all = reduceLanes(v, one, gpu::AllReduceOperation::AND);
    return v.named(compare(Predicate::ne, all, v.constI32(0)), "ascending");
  }

  /// Each thread has words of 32 columns and looks for them in the list.
  void mark(Value marks) {
    Value words = v.index(markWords());
    v.loop(thread, words, subgroups * kSliceLanes, {},
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

  /// The part of `size` that this subgroup has: even for any size.
  std::pair<Value, Value> share(Value size) {
    Value first = v.div(v.mul(size, subgroup), subgroups);
    Value last = v.div(v.mul(size, v.add(subgroup, 1)), subgroups);
    return {v.named(first, "first"), v.named(last, "last")};
  }

  SmallVector<Value> addColumn(Value column, ValueRange sums) {
    Value x = v.loadOne(op.getX(), column);
    if (x.getType().isBF16())
      x = arith::ExtFOp::create(v.b, v.loc, v.f32(), x);
    Value slice = v.add(firstSlice, v.mul(column, slicesOfBand));
    return decoder.multiply(v, slice, x, sums);
  }

  SmallVector<Value> addListed() {
    auto [first, last] = share(count);
    return v.loop(first, last, 1, decoder.zeros(v),
                  [&](Value at, ValueRange sums) {
                    Value column = v.loadOne(op.getIndices(), at);
                    return addColumn(v.named(toIndex(column), "column"), sums);
                  });
  }

  SmallVector<Value> addMarked(Value marks) {
    auto [first, last] = share(v.index(cols));
    return v.loop(
        first, last, 1, decoder.zeros(v),
        [&](Value column, ValueRange sums) -> SmallVector<Value> {
          Value word = v.loadOne(marks, v.div(column, kWordBits));
          Value bit = v.shl(v.constI32(1), toI32(v.rem(column, kWordBits)));
          Value marked =
              compare(Predicate::ne, v.andI(word, bit), v.constI32(0));
          return choose(
              marked, sums.getTypes(), [&] { return addColumn(column, sums); },
              [&] { return SmallVector<Value>(sums); });
        });
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

  SmallVector<Value> sumColumns(Value ascending, Value marks) {
    SmallVector<Type> types;
    for (Value zero : decoder.zeros(v))
      types.push_back(zero.getType());
    return choose(
        ascending, types, [&] { return addListed(); },
        [&] { return addMarked(marks); });
  }

  //===-- Rows ------------------------------------------------------------===//

  void store(Value partial, ValueRange sums) {
    for (LaneRows rows : decoder.finish(v, sums))
      vector::StoreOp::create(
          v.b, v.loc, rows.values, partial, ValueRange{subgroup, rows.first},
          /*nontemporal=*/false,
          llvm::MaybeAlign(4 * SimtBuilder::lanes(rows.values)));
  }

  /// Adds what subgroups have in their order, a row a thread.
  void reduce(Value partial, Value firstRow) {
    v.loop(thread, v.index(kSliceRows), subgroups * kSliceLanes, {},
           [&](Value row, ValueRange) -> SmallVector<Value> {
             Value sum;
             for (int64_t i = 0; i < subgroups; ++i) {
               Value one = memref::LoadOp::create(v.b, v.loc, partial,
                                                  ValueRange{v.index(i), row});
               sum = sum ? v.addf(sum, one) : one;
             }
             Value at = v.add(firstRow, row);
             auto write = [&] {
               memref::StoreOp::create(v.b, v.loc, sum, op.getInit(), at);
             };
             if (weight.getRows() % kSliceRows == 0)
               write();
             else
               when(v, compare(Predicate::ult, at, v.index(weight.getRows())),
                    write);
             return {};
           });
  }

  SimtBuilder &v;
  SparseMatvecOp op;
  Value bytes;
  ColumnDecoder &decoder;
  int64_t subgroups;
  PackedType weight;
  int64_t cols, listSize, slicesOfBand = 1;
  Value subgroup, lane, thread;
  Value count;      // entries of the list
  Value firstSlice; // of this workgroup, in column 0
};

LogicalResult lower(SparseMatvecOp op, int64_t width) {
  PackedType weight = op.getWeight().getType();
  auto view = op.getWeight().getDefiningOp<FromBytesOp>();
  if (!view || !isa<MemRefType>(view.getBytes().getType()))
    return op->emitOpError("expected a packed weight from qlinear.from_bytes "
                           "of a memref; run simt-form-kernels first");
  std::unique_ptr<ColumnDecoder> decoder = ColumnDecoder::create(weight);
  if (!decoder)
    return op->emitOpError()
           << "expected a weight in zigzag bands of a multiple of "
           << kSliceRows << " rows, but got " << weight.getFormat()
           << "; allowed: q4_0, q8_0, q4_k, q6_k in such bands";
  int64_t listSize = cast<MemRefType>(op.getIndices().getType()).getDimSize(0);
  if (weight.getCols() > kMostColumns || listSize > kMostColumns ||
      listSize == 0)
    return op->emitOpError() << "expected at most " << kMostColumns
                             << " columns and 1 to as many indices, but got "
                             << weight.getCols() << " and " << listSize;
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  if (width != kSliceLanes || *subgroups > width)
    return op->emitOpError()
           << "expected subgroups of " << kSliceLanes
           << " lanes, and no more subgroups than lanes, but got " << *subgroups
           << " of " << width;
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  SparseKernel(v, op, view.getBytes(), *decoder, *subgroups).emit();
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
