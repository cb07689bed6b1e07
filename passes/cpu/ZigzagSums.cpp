//===- ZigzagSums.cpp - sums of rows to which columns are added -----------===//

#include "passes/cpu/ZigzagSums.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace headrace::cpu;

/// Columns that are added together.
static constexpr int64_t kTogether = 4;
/// Slices of a batch; the batch behind it is prefetched meanwhile.
static constexpr int64_t kBatchSlices = 64;

SliceSums::SliceSums(VectorBuilder &v, Value bytes, const SliceDecoder &decoder,
                     qlinear::PackedType weight, RowRange range, DotKind dot,
                     bool exact)
    : v(v), bytes(bytes), decoder(decoder),
      layout{sliceBand(weight), weight.getCols(), decoder.bytes()},
      rows(range.most), base(layout.columnZero(v, range.first)) {
  OpBuilder::InsertionGuard guard(v.b);
  Operation *parent = v.b.getInsertionBlock()->getParentOp();
  auto function = dyn_cast<func::FuncOp>(parent);
  if (!function)
    function = parent->getParentOfType<func::FuncOp>();
  v.b.setInsertionPointToStart(&function.getBody().front());
  auto buffer = [&](ArrayRef<int64_t> shape) {
    return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, v.f32()),
                                    v.b.getI64IntegerAttr(kCacheLine));
  };
  sums = buffer({rows});
  coefficients = buffer({kBatchSlices, kSliceLanes});
  if (decoder.hasOffsets())
    offsets = buffer({rows / 32});
  if (LimbSums::canAdd(weight, dot))
    limbs.emplace(v, weight, bytes, rows, /*limbs=*/exact ? 3 : 2);
}

/// Columns of a batch.
int64_t SliceSums::batch() const {
  if (limbs)
    return limbs->batch();
  return kBatchSlices / slices() / kTogether * kTogether;
}

void SliceSums::clear() {
  if (limbs)
    limbs->clear();
  for (Value buffer : {sums, offsets}) {
    if (!buffer)
      continue;
    Value zeros = v.splat(v.vec(8, v.f32()), 0);
    int64_t size = cast<MemRefType>(buffer.getType()).getDimSize(0);
    v.loop(v.index(0), v.index(size), 8, {},
           [&](Value at, ValueRange) -> SmallVector<Value> {
             v.store(zeros, buffer, at);
             return {};
           });
  }
}

void SliceSums::addAll(Value count, const Source &source) {
  Value left = arith::RemUIOp::create(v.b, v.loc, count, v.index(kTogether));
  Value whole = v.sub(count, left);
  if (limbs) {
    setAhead(v.index(0), count, source);
    limbs->prefetchAll();
  }
  v.loop(v.index(0), whole, batch(), {},
         [&](Value first, ValueRange) -> SmallVector<Value> {
           Value last = v.min(v.add(first, batch()), whole);
           if (limbs)
             addLimbs(first, last, count, source);
           else
             addBatch(first, last, count, source);
           return {};
         });
  v.loop(whole, count, 1, {}, [&](Value at, ValueRange) -> SmallVector<Value> {
    Value column = source.column(at);
    addColumn(column, source.factor(column));
    return {};
  });
}

void SliceSums::addColumn(Value column, Value factor) {
  Value start = columnAt(column);
  forEachSlice([&](Value slice) {
    computeCoefficients(start, factor, v.index(0), slice);
    addProducts(start, {}, v.index(0), slice);
  });
}

Value SliceSums::load(Value row) {
  Value sum = v.load(sums, row, kSliceLanes);
  if (limbs)
    sum = v.addf(sum, limbs->load(row));
  if (!offsets)
    return sum;
  Value group = arith::DivUIOp::create(v.b, v.loc, row, v.index(32));
  Value one = v.extract(v.load(offsets, group, 1), 0);
  return v.addf(sum, v.broadcast(one, kSliceLanes));
}

Value SliceSums::columnAt(Value column) {
  return v.add(base, v.mul(column, layout.columnBytes()));
}

/// Columns number `first` up to `last`, both multiples of `kTogether`, of `end`
/// in all.
void SliceSums::addBatch(Value first, Value last, Value end,
                         const Source &source) {
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
      Value column = source.column(v.add(at, i));
      starts.push_back(columnAt(column));
      factors.push_back(source.factor(column));
    }
    forEachSlice([&](Value slice) {
      computeCoefficients(starts, factors, place, slice);
    });
  });
  eachFour([&](Value at, Value place) {
    SmallVector<Value> starts, ahead;
    for (int64_t i = 0; i < kTogether; ++i) {
      starts.push_back(columnAt(source.column(v.add(at, i))));
      Value next = v.min(v.add(at, i + batch()), v.sub(end, v.index(1)));
      ahead.push_back(columnAt(source.column(next)));
    }
    forEachSlice(
        [&](Value slice) { addProducts(starts, ahead, place, slice); });
  });
}

/// Says which columns come next, of `end` in all: a batch from `first` on, the
/// last one again behind the end.
void SliceSums::setAhead(Value first, Value end, const Source &source) {
  v.loop(v.index(0), v.index(batch()), 1, {},
         [&](Value at, ValueRange) -> SmallVector<Value> {
           Value next = v.min(v.add(first, at), v.sub(end, v.index(1)));
           limbs->setAhead(at, columnAt(source.column(next)));
           return {};
         });
  limbs->listLines();
}

/// The same as `addBatch`, in integers if they can stand for the scales.
void SliceSums::addLimbs(Value first, Value last, Value end,
                         const Source &source) {
  Value count = v.sub(last, first);
  limbs->advance();
  setAhead(last, end, source);
  v.loop(first, last, 1, {}, [&](Value at, ValueRange) -> SmallVector<Value> {
    limbs->setFactor(v.sub(at, first), source.factor(source.column(at)));
    return {};
  });
  forEachSlice([&](Value slice) {
    auto branch =
        scf::IfOp::create(v.b, v.loc, limbs->scaleColumns(slice, count),
                          /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(branch.thenBlock());
    limbs->addSlice(slice, count);
    v.b.setInsertionPointToStart(branch.elseBlock());
    v.loop(first, last, 1, {}, [&](Value at, ValueRange) -> SmallVector<Value> {
      Value column = source.column(at);
      Value start = columnAt(column);
      computeCoefficients(start, source.factor(column), v.index(0), slice);
      addProducts(start, {}, v.index(0), slice);
      return {};
    });
  });
}

void SliceSums::forEachSlice(llvm::function_ref<void(Value)> body) {
  v.loop(v.index(0), v.index(slices()), 1, {},
         [&](Value slice, ValueRange) -> SmallVector<Value> {
           body(slice);
           return {};
         });
}

SmallVector<Value> SliceSums::slicesOf(ArrayRef<Value> columns, Value slice) {
  SmallVector<Value> at;
  for (Value column : columns)
    at.push_back(v.add(column, v.mul(slice, layout.bytes)));
  return at;
}

/// Coefficients of a slice of some columns go to `place` and behind, slice by
/// slice.
void SliceSums::computeCoefficients(ArrayRef<Value> columns,
                                    ArrayRef<Value> factors, Value place,
                                    Value slice) {
  int64_t together = static_cast<int64_t>(columns.size());
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
  v.store(v.addf(v.load(offsets, where, 8), v.repeat(sum, 8, 8, 1)), offsets,
          where);
}

/// Adds numbers of a slice times coefficients to the sums.
void SliceSums::addProducts(ArrayRef<Value> columns, ArrayRef<Value> ahead,
                            Value place, Value slice) {
  int64_t together = static_cast<int64_t>(columns.size());
  int64_t vectors = decoder.partVectors();
  SmallVector<Value> at = slicesOf(columns, slice);
  SmallVector<Value> next = slicesOf(ahead, slice);
  Value first = v.add(place, v.mul(slice, together));
  int64_t count = kSliceRows / kSliceLanes / vectors;
  for (int64_t part = 0; part < count; ++part) {
    Value row = v.add(v.mul(slice, kSliceRows), part * vectors * kSliceLanes);
    SmallVector<Value> parts;
    for (int64_t i = 0; i < vectors; ++i)
      parts.push_back(v.load(sums, v.add(row, i * kSliceLanes), kSliceLanes));
    for (auto [column, start] : llvm::enumerate(at)) {
      SmallVector<Value> numbers = decoder.numbers(v, bytes, start, part);
      if (!next.empty())
        prefetch(next[column], part, count);
      for (int64_t i = 0; i < vectors; ++i) {
        int64_t group =
            (part * vectors + i) * kSliceLanes / decoder.groupRows();
        Value coefficient = memref::LoadOp::create(
            v.b, v.loc, coefficients,
            ValueRange{v.add(first, column), v.index(group)});
        parts[i] =
            v.fma(numbers[i], v.broadcast(coefficient, kSliceLanes), parts[i]);
      }
    }
    for (int64_t i = 0; i < vectors; ++i)
      v.store(parts[i], sums, v.add(row, i * kSliceLanes));
  }
}

/// The lines of a part of a slice. Into the second cache only: the first has
/// few lines on their way at a time.
void SliceSums::prefetch(Value at, int64_t part, int64_t parts) {
  int64_t lines = llvm::divideCeil(layout.bytes, kCacheLine);
  for (int64_t line = lines * part / parts; line < lines * (part + 1) / parts;
       ++line)
    v.prefetch(bytes, v.add(at, line * kCacheLine), /*locality=*/2);
}
