//===- LowerSparse.cpp - products with some columns as vectors ------------===//
//
// The list is looked at first: columns in order are added as they are listed,
// others are marked and added in order.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/Passes.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"
#include "passes/cpu/ZigzagSums.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

#include "llvm/ADT/StringSwitch.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERSPARSE
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

constexpr int64_t kLanes = 16;
/// A list out of order is put in order in memory of the stack.
constexpr int64_t kMostColumns = 1 << 20;

/// The rows of one workgroup.
class SparseKernel {
public:
  SparseKernel(VectorBuilder &v, SparseMatvecOp op, Value bytes,
               const SliceDecoder &decoder, DotKind dot, RowRange range)
      : v(v), op(op), range(range), x(op.getX(), cols()),
        sums(v, bytes, decoder, op.getWeight().getType(), range, dot,
             /*exact=*/!x.isBF16()) {}

  void emit() {
    sums.clear();
    // An empty list has no entries to look at.
    if (listSize() == 0)
      return finish();
    count = listLength();
    auto branch =
        scf::IfOp::create(v.b, v.loc, isAscending(), /*withElseRegion=*/true);
    {
      OpBuilder::InsertionGuard guard(v.b);
      v.b.setInsertionPointToStart(branch.thenBlock());
      addListed();
      v.b.setInsertionPointToStart(branch.elseBlock());
      addUnordered();
    }
    finish();
  }

private:
  int64_t cols() { return op.getWeight().getType().getCols(); }
  int64_t listSize() {
    return cast<MemRefType>(op.getIndices().getType()).getDimSize(0);
  }

  //===-- The list --------------------------------------------------------===//

  /// Entries of the list that count, as an index.
  Value listLength() {
    Value length = memref::LoadOp::create(v.b, v.loc, op.getCount(),
                                          ValueRange{v.index(0)});
    auto i32 = [&](int64_t value) -> Value {
      return arith::ConstantIntOp::create(v.b, v.loc, value, 32);
    };
    length = arith::MaxSIOp::create(v.b, v.loc, length, i32(0));
    length = arith::MinSIOp::create(v.b, v.loc, length, i32(listSize()));
    return arith::IndexCastOp::create(v.b, v.loc, v.b.getIndexType(), length);
  }

  /// Entry `at` of the list, as an index; unsigned, so that a negative one is
  /// no column either.
  Value entry(Value at) {
    Value column =
        memref::LoadOp::create(v.b, v.loc, op.getIndices(), ValueRange{at});
    return arith::IndexCastUIOp::create(v.b, v.loc, v.b.getIndexType(), column);
  }

  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(v.b, v.loc, predicate, lhs, rhs);
  }

  /// Whether the list has columns only, each once and in order, as
  /// select_columns makes it.
  Value isAscending() {
    Value one = v.index(1);
    Value some = compare(arith::CmpIPredicate::ugt, count, v.index(0));
    // The first and the last are columns, or there are none.
    Value last = v.sub(v.select(some, count, one), one);
    auto inside = [&](Value at) {
      return compare(arith::CmpIPredicate::ult, entry(at), v.index(cols()));
    };
    Value fine = v.andI(inside(v.index(0)), inside(last));
    auto maskType = v.vec(kLanes, v.b.getI1Type());
    Value good =
        v.loop(v.index(0), last, kLanes, v.broadcast(fine, kLanes),
               [&](Value at, ValueRange carried) -> SmallVector<Value> {
                 Value mask = vector::CreateMaskOp::create(v.b, v.loc, maskType,
                                                           v.sub(last, at));
                 auto type = v.vec(kLanes, v.i32());
                 auto load = [&](Value at, int64_t other) -> Value {
                   return vector::MaskedLoadOp::create(
                       v.b, v.loc, type, op.getIndices(), at, mask,
                       v.splat(type, other));
                 };
                 Value rises = compare(arith::CmpIPredicate::slt, load(at, 0),
                                       load(v.add(at, 1), 1));
                 return {v.andI(carried[0], rises)};
               })[0];
    Value all = vector::ReductionOp::create(v.b, v.loc,
                                            vector::CombiningKind::AND, good);
    Value none = compare(arith::CmpIPredicate::eq, count, v.index(0));
    return v.orI(all, none);
  }

  void addListed() {
    sums.addAll(count, {[&](Value at) { return entry(at); },
                        [&](Value column) { return factor(column); }});
  }

  /// The activation of a column.
  Value factor(Value column) {
    return v.extract(x.lanes(v, v.index(0), column, 1), 0);
  }

  /// Marks the columns that are listed, then adds them in order.
  void addUnordered() {
    Value listed;
    {
      OpBuilder::InsertionGuard guard(v.b);
      Block &entry = op->getParentOfType<func::FuncOp>().getBody().front();
      v.b.setInsertionPointToStart(&entry);
      listed = memref::AllocaOp::create(v.b, v.loc,
                                        MemRefType::get({cols()}, v.i8()));
    }
    Value none = v.splat(v.vec(1, v.i8()), 0);
    v.loop(v.index(0), v.index(cols()), 1, {},
           [&](Value column, ValueRange) -> SmallVector<Value> {
             v.store(none, listed, column);
             return {};
           });
    Value one = v.splat(v.vec(1, v.i8()), 1);
    v.loop(v.index(0), count, 1, {},
           [&](Value at, ValueRange) -> SmallVector<Value> {
             Value column = entry(at);
             when(compare(arith::CmpIPredicate::ult, column, v.index(cols())),
                  [&] { v.store(one, listed, column); });
             return {};
           });
    v.loop(v.index(0), v.index(cols()), 1, {},
           [&](Value column, ValueRange) -> SmallVector<Value> {
             Value mark = v.extract(v.load(listed, column, 1), 0);
             Value zero = arith::ConstantIntOp::create(v.b, v.loc, 0, 8);
             when(compare(arith::CmpIPredicate::ne, mark, zero),
                  [&] { sums.addColumn(column, factor(column)); });
             return {};
           });
  }

  void when(Value condition, llvm::function_ref<void()> body) {
    auto branch = scf::IfOp::create(v.b, v.loc, condition,
                                    /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    body();
  }

  void finish() {
    auto maskType = v.vec(kLanes, v.b.getI1Type());
    Value left = v.sub(range.last, range.first);
    v.loop(v.index(0), left, kLanes, {},
           [&](Value row, ValueRange) -> SmallVector<Value> {
             Value mask = vector::CreateMaskOp::create(v.b, v.loc, maskType,
                                                       v.sub(left, row));
             vector::MaskedStoreOp::create(v.b, v.loc, op.getInit(),
                                           v.add(range.first, row), mask,
                                           sums.load(row));
             return {};
           });
  }

  VectorBuilder &v;
  SparseMatvecOp op;
  RowRange range;
  Activations x;
  SliceSums sums;
  Value count; // entries of the list
};

LogicalResult lower(SparseMatvecOp op, NibbleKind nibbles, DotKind dot) {
  PackedType weight = op.getWeight().getType();
  auto view = op.getWeight().getDefiningOp<FromBytesOp>();
  if (!view || !isa<MemRefType>(view.getBytes().getType()))
    return op->emitOpError("expected a packed weight from qlinear.from_bytes "
                           "of a memref; run cpu-form-kernels first");
  std::unique_ptr<SliceDecoder> decoder;
  if (sliceBand(weight))
    decoder = SliceDecoder::create(
        cast<ZigzagFormatAttr>(weight.getFormat()).getFormat(), nibbles);
  if (!decoder)
    return op->emitOpError()
           << "expected a weight in zigzag bands of a multiple of "
           << kSliceRows << " rows, but got " << weight.getFormat()
           << "; allowed: q4_0, q8_0, q4_k, q6_k in such bands";
  if (weight.getCols() > kMostColumns)
    return op->emitOpError() << "expected at most " << kMostColumns
                             << " columns, but got " << weight.getCols();
  OpBuilder builder(op);
  VectorBuilder v{builder, op->getLoc()};
  FailureOr<RowRange> range = workgroupRows(v, op, weight.getRows());
  if (failed(range))
    return failure();
  SparseKernel(v, op, view.getBytes(), *decoder, dot, *range).emit();
  op->erase();
  return success();
}

struct CpuLowerSparse
    : headrace::cpu::impl::CpuLowerSparseBase<CpuLowerSparse> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<NibbleKind> nibbles =
        llvm::StringSwitch<std::optional<NibbleKind>>(lookup)
            .Case("avx512", NibbleKind::Avx512)
            .Cases({"avx2", "neon", "portable"}, NibbleKind::Portable)
            .Default(std::nullopt);
    if (!nibbles) {
      getOperation()->emitError() << "cpu-lower-sparse: expected lookup of "
                                     "avx512, avx2, neon or portable, "
                                     "but got '"
                                  << lookup << "'";
      return signalPassFailure();
    }
    std::optional<DotKind> products =
        llvm::StringSwitch<std::optional<DotKind>>(dot)
            .Case("vnni", DotKind::Vnni)
            .Cases({"avx2", "neon", "dotprod", "i8mm", "portable"},
                   DotKind::Portable)
            .Default(std::nullopt);
    if (!products) {
      getOperation()->emitError()
          << "cpu-lower-sparse: expected dot of vnni, avx2, i8mm, dotprod, "
             "neon or portable, but got '"
          << dot << "'";
      return signalPassFailure();
    }
    WalkResult result = getOperation()->walk([&](SparseMatvecOp op) {
      return failed(lower(op, *nibbles, *products)) ? WalkResult::interrupt()
                                                    : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
