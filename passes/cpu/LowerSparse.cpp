//===- LowerSparse.cpp - products with some columns as vectors ------------===//
//
// Lanes run along the rows, as the blocks of a zigzag weight do, so a column
// adds to sums that stay in the first cache. Four columns are added at a time,
// so that the sums are read and written once for all four. Columns are taken in
// batches: first the coefficients of a batch, then its products, so that a
// coefficient is spread over a vector as it is loaded.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/Passes.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Workgroup.h"
#include "passes/cpu/ZigzagSlices.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

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
/// Columns that are added together.
constexpr int64_t kTogether = 4;
/// Slices of a batch; the batch behind it is prefetched meanwhile.
constexpr int64_t kBatchSlices = 64;
/// A list out of order is put in order in memory of the stack.
constexpr int64_t kMostColumns = 1 << 20;

/// The rows of one workgroup.
class SparseKernel {
public:
  SparseKernel(VectorBuilder &v, SparseMatvecOp op, Value bytes,
               const SliceDecoder &decoder, RowRange range)
      : v(v), op(op), bytes(bytes), decoder(decoder),
        layout{sliceBand(op.getWeight().getType()),
               op.getWeight().getType().getCols(), decoder.bytes()},
        range(range), rows(sliceWorkgroupRows(op.getWeight().getType())),
        x(op.getX(), op.getWeight().getType().getCols()) {}

  void emit() {
    allocate();
    base = layout.columnZero(v, range.first);
    fill(sums, rows);
    if (offsets)
      fill(offsets, rows / 32);
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
  void allocate() {
    OpBuilder::InsertionGuard guard(v.b);
    Block &entry = op->getParentOfType<func::FuncOp>().getBody().front();
    v.b.setInsertionPointToStart(&entry);
    auto buffer = [&](ArrayRef<int64_t> shape, Type element) {
      return memref::AllocaOp::create(v.b, v.loc,
                                      MemRefType::get(shape, element),
                                      v.b.getI64IntegerAttr(kCacheLine));
    };
    sums = buffer(rows, v.f32());
    coefficients = buffer({kBatchSlices, kLanes}, v.f32());
    if (decoder.hasOffsets())
      offsets = buffer(rows / 32, v.f32());
    listed = buffer(cols(), v.i8());
  }

  int64_t slices() const { return rows / kSliceRows; }
  /// Columns of a batch.
  int64_t batch() const {
    return kBatchSlices / slices() / kTogether * kTogether;
  }
  int64_t cols() { return op.getWeight().getType().getCols(); }
  int64_t listSize() {
    return cast<MemRefType>(op.getIndices().getType()).getDimSize(0);
  }

  /// Zeros in the first `size` numbers of `buffer`.
  void fill(Value buffer, int64_t size) {
    Type element = cast<MemRefType>(buffer.getType()).getElementType();
    int64_t lanes = size % kLanes ? 1 : kLanes;
    Value zeros = v.splat(v.vec(lanes, element), 0);
    v.loop(v.index(0), v.index(size), lanes, {},
           [&](Value at, ValueRange) -> SmallVector<Value> {
             v.store(zeros, buffer, at);
             return {};
           });
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
    Value left = arith::RemUIOp::create(v.b, v.loc, count, v.index(kTogether));
    Value whole = v.sub(count, left);
    v.loop(v.index(0), whole, batch(), {},
           [&](Value first, ValueRange) -> SmallVector<Value> {
             addBatch(first, v.min(v.add(first, batch()), whole));
             return {};
           });
    v.loop(whole, count, 1, {},
           [&](Value at, ValueRange) -> SmallVector<Value> {
             addColumn(entry(at));
             return {};
           });
  }

  /// Marks the columns that are listed, then adds them in order.
  void addUnordered() {
    fill(listed, cols());
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
                  [&] { addColumn(column); });
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

  //===-- Columns ---------------------------------------------------------===//

  Value columnAt(Value column) {
    return v.add(base, v.mul(column, layout.columnBytes()));
  }

  Value factor(Value column) {
    return v.extract(x.lanes(v, v.index(0), column, 1), 0);
  }

  /// Columns [first, last) of the list, both multiples of `kTogether`.
  void addBatch(Value first, Value last) {
    auto eachFour = [&](llvm::function_ref<void(Value, Value)> body) {
      v.loop(first, last, kTogether, {},
             [&](Value at, ValueRange) -> SmallVector<Value> {
               body(at, v.mul(v.sub(at, first), slices()));
               return {};
             });
    };
    eachFour([&](Value at, Value place) {
      SmallVector<Value> starts, factors;
      for (int64_t i = 0; i < kTogether; ++i) {
        Value column = entry(v.add(at, i));
        starts.push_back(columnAt(column));
        factors.push_back(factor(column));
      }
      computeCoefficients(starts, factors, place);
    });
    eachFour([&](Value at, Value place) {
      SmallVector<Value> starts, ahead;
      for (int64_t i = 0; i < kTogether; ++i) {
        starts.push_back(columnAt(entry(v.add(at, i))));
        Value next = v.min(v.add(at, i + batch()), v.sub(count, v.index(1)));
        ahead.push_back(columnAt(entry(next)));
      }
      addProducts(starts, ahead, place);
    });
  }

  void addColumn(Value column) {
    computeCoefficients(columnAt(column), factor(column), v.index(0));
    addProducts(columnAt(column), {}, v.index(0));
  }

  /// The lines of a part of a slice, or of all parts if `part` is the only one.
  void prefetch(Value at, int64_t part, int64_t parts) {
    int64_t lines = llvm::divideCeil(layout.bytes, kCacheLine);
    for (int64_t line = lines * part / parts; line < lines * (part + 1) / parts;
         ++line)
      v.prefetch(bytes, v.add(at, line * kCacheLine));
  }

  void forEachSlice(llvm::function_ref<void(Value)> body) {
    v.loop(v.index(0), v.index(slices()), 1, {},
           [&](Value slice, ValueRange) -> SmallVector<Value> {
             body(slice);
             return {};
           });
  }

  SmallVector<Value> slicesOf(ArrayRef<Value> columns, Value slice) {
    SmallVector<Value> at;
    for (Value column : columns)
      at.push_back(v.add(column, v.mul(slice, layout.bytes)));
    return at;
  }

  /// Coefficients of some columns go to `place` and behind, slice by slice.
  void computeCoefficients(ArrayRef<Value> columns, ArrayRef<Value> factors,
                           Value place) {
    int64_t together = static_cast<int64_t>(columns.size());
    forEachSlice([&](Value slice) {
      SmallVector<Value> found =
          decoder.coefficients(v, bytes, slicesOf(columns, slice), factors);
      Value first = v.add(place, v.mul(slice, together));
      for (auto [i, value] : llvm::enumerate(found))
        v.store(value, coefficients, {v.add(first, i), v.index(0)});
      if (!offsets)
        return;
      Value sum = found[0];
      for (Value value : ArrayRef<Value>(found).drop_front())
        sum = v.addf(sum, value);
      Value where = v.mul(slice, 8);
      v.store(v.addf(v.load(offsets, where, 8), v.repeat(sum, 8, 8, 1)),
              offsets, where);
    });
  }

  /// Adds numbers times coefficients to the sums.
  void addProducts(ArrayRef<Value> columns, ArrayRef<Value> ahead,
                   Value place) {
    int64_t together = static_cast<int64_t>(columns.size());
    int64_t vectors = decoder.partVectors();
    forEachSlice([&](Value slice) {
      SmallVector<Value> at = slicesOf(columns, slice);
      SmallVector<Value> next = slicesOf(ahead, slice);
      Value first = v.add(place, v.mul(slice, together));
      int64_t count = kSliceRows / kLanes / vectors;
      for (int64_t part = 0; part < count; ++part) {
        Value row = v.add(v.mul(slice, kSliceRows), part * vectors * kLanes);
        SmallVector<Value> parts;
        for (int64_t i = 0; i < vectors; ++i)
          parts.push_back(v.load(sums, v.add(row, i * kLanes), kLanes));
        for (auto [column, start] : llvm::enumerate(at)) {
          SmallVector<Value> numbers = decoder.numbers(v, bytes, start, part);
          if (!next.empty())
            prefetch(next[column], part, count);
          for (int64_t i = 0; i < vectors; ++i) {
            int64_t group = (part * vectors + i) * kLanes / decoder.groupRows();
            Value coefficient = memref::LoadOp::create(
                v.b, v.loc, coefficients,
                ValueRange{v.add(first, column), v.index(group)});
            parts[i] =
                v.fma(numbers[i], v.broadcast(coefficient, kLanes), parts[i]);
          }
        }
        for (int64_t i = 0; i < vectors; ++i)
          v.store(parts[i], sums, v.add(row, i * kLanes));
      }
    });
  }

  void finish() {
    auto maskType = v.vec(kLanes, v.b.getI1Type());
    Value left = v.sub(range.last, range.first);
    v.loop(v.index(0), left, kLanes, {},
           [&](Value row, ValueRange) -> SmallVector<Value> {
             Value sum = v.load(sums, row, kLanes);
             if (offsets) {
               Value group =
                   arith::DivUIOp::create(v.b, v.loc, row, v.index(32));
               Value one = v.extract(v.load(offsets, group, 1), 0);
               sum = v.addf(sum, v.broadcast(one, kLanes));
             }
             Value mask = vector::CreateMaskOp::create(v.b, v.loc, maskType,
                                                       v.sub(left, row));
             vector::MaskedStoreOp::create(v.b, v.loc, op.getInit(),
                                           v.add(range.first, row), mask, sum);
             return {};
           });
  }

  VectorBuilder &v;
  SparseMatvecOp op;
  Value bytes;
  const SliceDecoder &decoder;
  SliceLayout layout;
  RowRange range;
  int64_t rows; // of a workgroup, with those behind the end
  Activations x;

  Value base;         // where column 0 of the workgroup's rows starts
  Value count;        // entries of the list
  Value sums;         // [row]
  Value coefficients; // [slice of a batch][group]
  Value offsets;      // [group of 32 rows], what the minima add; or null
  Value listed;       // [column], whether it is listed
};

LogicalResult lower(SparseMatvecOp op, NibbleKind nibbles) {
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
  SparseKernel(v, op, view.getBytes(), *decoder, *range).emit();
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
            .Cases({"avx2", "portable"}, NibbleKind::Portable)
            .Default(std::nullopt);
    if (!nibbles) {
      getOperation()->emitError()
          << "cpu-lower-sparse: expected lookup of avx512, avx2 or portable, "
             "but got '"
          << lookup << "'";
      return signalPassFailure();
    }
    WalkResult result = getOperation()->walk([&](SparseMatvecOp op) {
      return failed(lower(op, *nibbles)) ? WalkResult::interrupt()
                                         : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
