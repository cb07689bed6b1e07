//===- SliceSums.cpp - sums of columns by a workgroup ---------------------===//

#include "passes/simt/SliceSums.h"

#include "passes/simt/Passes.h"

using namespace mlir;
using namespace headrace;
using namespace headrace::simt;
using namespace headrace::qlinear;

FailureOr<Value> headrace::simt::columnBytes(Operation *op,
                                             TypedValue<PackedType> weight) {
  auto view = weight.getDefiningOp<FromBytesOp>();
  if (!view || !isa<MemRefType>(view.getBytes().getType()))
    return op->emitOpError("expected a packed weight from qlinear.from_bytes "
                           "of a memref; run simt-form-kernels first");
  if (!sliceRows(weight.getType()))
    return op->emitOpError()
           << "expected a weight in zigzag bands, but got "
           << weight.getType().getFormat()
           << "; allowed: q4_0, q8_0, q4_k, q6_k in bands of a multiple of 256 "
              "rows, q4_0 and q8_0 in bands of a multiple of 128";
  return view.getBytes();
}

FailureOr<Threads> Threads::of(SimtBuilder &v, Operation *op, int64_t width) {
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  auto splits = kernelInfo(op).getAs<IntegerAttr>(kSplits);
  Threads threads;
  threads.width = width;
  threads.subgroups = *subgroups;
  threads.splits = splits ? splits.getInt() : 1;
  auto rows = kernelInfo(op).getAs<IntegerAttr>(common::kWorkgroupRows);
  threads.rows = rows ? rows.getInt() : 0;
  threads.group = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
  threads.subgroup = gpu::SubgroupIdOp::create(v.b, v.loc, IntegerAttr());
  threads.lane = gpu::LaneIdOp::create(v.b, v.loc, IntegerAttr());
  threads.thread = gpu::ThreadIdOp::create(v.b, v.loc, gpu::Dimension::x);
  return threads;
}

SliceSums::SliceSums(SimtBuilder &v, const Threads &threads, PackedType weight)
    : v(v), threads(threads), weight(weight), rows(threads.rows),
      lanes(rows / kLaneRows), teams(threads.count() / lanes),
      slicesOfBand(cast<ZigzagFormatAttr>(weight.getFormat()).getBand() /
                   sliceRows(weight)),
      decoder(ColumnDecoder::create(weight)) {}

FailureOr<SliceSums> SliceSums::create(SimtBuilder &v, Operation *op,
                                       TypedValue<PackedType> weight,
                                       const Threads &threads) {
  FailureOr<Value> bytes = columnBytes(op, weight);
  if (failed(bytes))
    return failure();
  PackedType type = weight.getType();
  int64_t all = sliceRows(type), least = leastRows(type);
  int64_t rows = threads.rows;
  if (rows < least || all % rows || rows % least ||
      threads.width % (rows / kLaneRows))
    return op->emitOpError()
           << "expected workgroups of " << all << " rows, or a part of that of "
           << least << " or more, and subgroups of whole teams, but got "
           << rows << " rows and " << threads.width << " lanes";
  SliceSums sums(v, threads, type);
  int64_t parts = all / rows;
  Value slice = v.div(threads.group, parts);
  sums.rowOfSlice = v.mul(v.rem(threads.group, parts), rows);
  sums.firstSlice = v.add(v.mul(v.div(slice, sums.slicesOfBand),
                                type.getCols() * sums.slicesOfBand),
                          v.rem(slice, sums.slicesOfBand));
  v.named(sums.firstSlice, "first_slice");
  sums.partial = sharedMemory(v, {sums.teams, rows}, v.f32());
  v.named(sums.partial, "partial");
  Value lane = threads.lane;
  sums.team = threads.subgroup;
  if (int64_t ofSubgroup = threads.width / sums.lanes; ofSubgroup > 1) {
    sums.team =
        v.add(v.mul(threads.subgroup, ofSubgroup), v.div(lane, sums.lanes));
    v.named(sums.team, "team");
    lane = v.rem(lane, sums.lanes);
  }
  Value firstLane = v.div(sums.rowOfSlice, kLaneRows);
  sums.decoder->open(v, *bytes, v.add(firstLane, lane));
  return sums;
}

std::pair<Value, Value> SliceSums::share(Value size) {
  Value part = team;
  if (threads.splits > 1)
    part = v.add(
        v.mul(gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::y), teams),
        team);
  // The first parts have one more each, as many as are left over.
  int64_t parts = teams * threads.splits;
  Value each = v.div(size, parts), rest = v.rem(size, parts);
  auto start = [&](Value part) {
    return v.add(v.mul(part, each), v.min(part, rest));
  };
  Value first = v.named(start(part), "first");
  return {first, v.named(start(v.add(part, 1)), "last")};
}

SmallVector<Value> SliceSums::addColumn(Value x, Value column,
                                        ValueRange sums) {
  Value factor = v.loadOne(x, column);
  if (factor.getType().isBF16())
    factor = arith::ExtFOp::create(v.b, v.loc, v.f32(), factor);
  Value slice = v.add(firstSlice, v.mul(column, slicesOfBand));
  return decoder->multiply(v, slice, factor, sums);
}

void SliceSums::store(ValueRange sums) {
  for (LaneRows own : decoder->finish(v, sums))
    vector::StoreOp::create(
        v.b, v.loc, own.values, partial,
        ValueRange{team, v.sub(own.first, rowOfSlice)},
        /*nontemporal=*/false,
        llvm::MaybeAlign(4 * SimtBuilder::lanes(own.values)));
}

void SliceSums::forEachRow(
    llvm::function_ref<void(Value row, Value place)> body) {
  Value firstRow = v.mul(threads.group, rows);
  v.loop(threads.thread, v.index(rows), threads.count(), {},
         [&](Value row, ValueRange) -> SmallVector<Value> {
           Value place = v.add(firstRow, row);
           if (weight.getRows() % rows == 0) {
             body(row, place);
             return {};
           }
           Value isThere =
               arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                     place, v.index(weight.getRows()));
           when(v, isThere, [&] { body(row, place); });
           return {};
         });
}

Value SliceSums::rowSum(Value row) {
  Value sum;
  for (int64_t i = 0; i < teams; ++i) {
    Value one = memref::LoadOp::create(v.b, v.loc, partial,
                                       ValueRange{v.index(i), row});
    sum = sum ? v.addf(sum, one) : one;
  }
  return sum;
}
