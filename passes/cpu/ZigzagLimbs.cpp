//===- ZigzagLimbs.cpp - sums of columns in 8-bit integers ----------------===//

#include "passes/cpu/ZigzagLimbs.h"

#include <cmath>

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

/// Columns of a product of 32 bits.
static constexpr int64_t kTogether = 4;
/// Slices of a batch, which stay in the first cache.
static constexpr int64_t kBatchSlices = 128;
static constexpr int64_t kBytes = 64; // of a vector
/// A slice has a header, then nibbles of two parts of 128 rows: in 64 bytes
/// those of two runs of 64 rows, low ones for the first 32, high ones for the
/// next.
static constexpr int64_t kSliceBytes = 144;
static constexpr int64_t kHeader = 16;
static constexpr int64_t kPartRows = 128;
/// Vectors of sums of a part and one kind of nibbles: in each run of four lanes
/// four rows that follow each other, in the four runs rows 16 bytes apart.
static constexpr int64_t kVectors = 4;
/// 1.5 * 2^23: added to a small number, it leaves an integer in the lowest
/// bits.
static constexpr int32_t kRounding = 0x4b400000;

bool LimbSums::canAdd(PackedType weight, DotKind dot) {
  if (dot != DotKind::Vnni || !sliceBand(weight))
    return false;
  auto gguf = dyn_cast<GgufFormatAttr>(
      cast<ZigzagFormatAttr>(weight.getFormat()).getFormat());
  return gguf && gguf.getKind() == GgufKind::Q4_K;
}

LimbSums::LimbSums(VectorBuilder &v, Value bytes, int64_t rows, int64_t limbs)
    : v(v), bytes(bytes), rows(rows), limbs(limbs) {
  auto buffer = [&](ArrayRef<int64_t> shape, Type type) {
    return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, type),
                                    v.b.getI64IntegerAttr(kCacheLine));
  };
  int64_t fours = batch() / kTogether, halves = 2 * slices();
  starts = buffer({2 * batch()}, v.b.getIndexType());
  factors = buffer({fours, 2 * kTogether}, v.f32());
  coefficients = buffer({halves * fours, kSliceLanes}, v.i32());
  scales = buffer({halves, kSliceLanes}, v.f32());
  inverses = buffer({halves, kSliceLanes}, v.f32());
  minima = buffer({halves, kSliceLanes}, v.f32());
  sums = buffer({rows}, v.f32());
}

int64_t LimbSums::batch() const {
  return kBatchSlices / slices() / kTogether * kTogether;
}

void LimbSums::clear() {
  Value zeros = v.splat(v.vec(kSliceLanes, v.f32()), 0);
  v.loop(v.index(0), v.index(rows), kSliceLanes, {},
         [&](Value row, ValueRange) -> SmallVector<Value> {
           v.store(zeros, sums, row);
           return {};
         });
  v.loop(v.index(0), v.index(2 * slices()), 1, {},
         [&](Value half, ValueRange) -> SmallVector<Value> {
           v.store(zeros, minima, {half, v.index(0)});
           return {};
         });
}

//===----------------------------------------------------------------------===//
// Columns
//===----------------------------------------------------------------------===//

void LimbSums::setAhead(Value at, Value start) {
  memref::StoreOp::create(v.b, v.loc, start, starts, v.add(at, batch()));
}

void LimbSums::advance() {
  v.loop(v.index(0), v.index(batch()), kTogether, {},
         [&](Value at, ValueRange) -> SmallVector<Value> {
           v.store(v.load(starts, v.add(at, batch()), kTogether), starts, at);
           return {};
         });
}

void LimbSums::setFactors(Value at, Value four) {
  Value both = v.shuffle(four, v.negf(four), {0, 1, 2, 3, 4, 5, 6, 7});
  Value place = arith::DivUIOp::create(v.b, v.loc, at, v.index(kTogether));
  v.store(both, factors, {place, v.index(0)});
}

/// Where four columns are, `skip` bytes behind their first slices.
SmallVector<Value> LimbSums::startsOf(Value column, Value skip) {
  SmallVector<Value> at;
  for (int64_t i = 0; i < kTogether; ++i) {
    Value start = memref::LoadOp::create(v.b, v.loc, starts, v.add(column, i));
    at.push_back(v.add(start, skip));
  }
  return at;
}

/// A line of each of four columns of the next batch. Into the second cache
/// only: the first has few lines on their way at a time.
void LimbSums::prefetch(Value column, Value skip) {
  for (Value at : startsOf(v.add(column, batch()), skip))
    v.prefetch(bytes, at, /*locality=*/2);
}

/// Four columns of half a slice in `coefficients`.
Value LimbSums::place(Value slice, int64_t half, Value column) {
  Value four = arith::DivUIOp::create(v.b, v.loc, column, v.index(kTogether));
  Value which = v.add(v.mul(slice, 2), half);
  return v.add(v.mul(which, batch() / kTogether), four);
}

//===----------------------------------------------------------------------===//
// What groups are multiplied with
//===----------------------------------------------------------------------===//

Value LimbSums::computeCoefficients(Value count) {
  auto integers = v.vec(kSliceLanes, v.i32());
  Value none = v.splat(integers, 0);
  Value fine = arith::ConstantOp::create(
      v.b, v.loc,
      DenseElementsAttr::get(v.vec(kSliceLanes, v.b.getI1Type()), true));
  auto slice = [&](Value slice, ValueRange outer) -> SmallVector<Value> {
    Value skip = v.mul(slice, kSliceBytes);
    auto minimaAt = [&](int64_t half) -> SmallVector<Value> {
      return {v.add(v.mul(slice, 2), half), v.index(0)};
    };
    auto four = [&](Value column, ValueRange carried) -> SmallVector<Value> {
      prefetch(column, v.mul(slice, kCacheLine));
      SmallVector<Value> headers;
      for (Value at : startsOf(column, skip))
        headers.push_back(v.load(bytes, at, kHeader));
      Value all = v.cast(sideBySide(v, headers), kSliceLanes, v.i32());
      Value sixes =
          v.cast(scalesAndMinimaQ4K(v, all, kTogether), kBytes, v.i8());
      // d of the columns, then dmin.
      Value two = v.shuffle(v.cast(all, 2 * kSliceLanes, v.b.getF16Type()),
                            {0, 8, 16, 24, 1, 9, 17, 25});
      Value which =
          arith::DivUIOp::create(v.b, v.loc, column, v.index(kTogether));
      Value scaled =
          v.mulf(v.extF(two), v.load(factors, {which, v.index(0)}, 8));
      SmallVector<Value> next;
      for (int64_t half : {0, 1}) {
        // Lanes are four groups of four columns.
        auto product = [&](int64_t kind) {
          SmallVector<int64_t> from, column;
          for (int64_t lane = 0; lane < kSliceLanes; ++lane) {
            from.push_back(16 * (lane % 4) + 8 * kind + 4 * half + lane / 4);
            column.push_back(4 * kind + lane % 4);
          }
          Value number = v.extU(v.shuffle(sixes, from), v.i32());
          return v.mulf(v.toFloat(number), v.shuffle(scaled, column));
        };
        Value bits = v.cast(product(0), kSliceLanes, v.i32());
        v.store(bits, coefficients, {place(slice, half, column), v.index(0)});
        // As integers NaN is larger than infinity.
        next.push_back(arith::MaxSIOp::create(v.b, v.loc, carried[2 * half],
                                              v.andI(bits, 0x7fffffff)));
        next.push_back(v.addf(carried[2 * half + 1], product(1)));
      }
      return next;
    };
    SmallVector<Value> state =
        v.loop(v.index(0), count, kTogether,
               {none, v.load(minima, minimaAt(0), kSliceLanes), none,
                v.load(minima, minimaAt(1), kSliceLanes)},
               four);
    Value good = outer[0];
    for (int64_t half : {0, 1}) {
      v.store(state[2 * half + 1], minima, minimaAt(half));
      good = v.andI(good, scaleGroups(slice, half, state[2 * half]));
    }
    return {good};
  };
  Value good = v.loop(v.index(0), v.index(slices()), 1, fine, slice)[0];
  return vector::ReductionOp::create(v.b, v.loc, vector::CombiningKind::AND,
                                     good);
}

/// What an integer of a group stands for, and its inverse, from the bits of the
/// largest number of each column; says whether they can be.
Value LimbSums::scaleGroups(Value slice, int64_t half, Value largest) {
  for (int64_t span : {1, 2}) {
    SmallVector<int64_t> swapped;
    for (int64_t lane = 0; lane < kSliceLanes; ++lane)
      swapped.push_back(lane ^ span);
    Value other = v.shuffle(largest, swapped);
    largest = arith::MaxSIOp::create(v.b, v.loc, largest, other);
  }
  auto integers = v.vec(kSliceLanes, v.i32());
  auto is = [&](arith::CmpIPredicate predicate, int32_t bits) -> Value {
    return arith::CmpIOp::create(v.b, v.loc, predicate, largest,
                                 v.splat(integers, bits));
  };
  Value zero = is(arith::CmpIPredicate::eq, 0);
  Value usual = v.andI(is(arith::CmpIPredicate::sgt, 0x0d000000), // 2^-101
                       is(arith::CmpIPredicate::slt, 0x7f800000));
  auto floats = v.vec(kSliceLanes, v.f32());
  // The largest integer has its upper limb below 127, and fits the rounding.
  double most = limbs == 2 ? 32500 : 4150000;
  Value number = v.cast(largest, kSliceLanes, v.f32());
  Value inverse = v.divf(v.splat(floats, most), number);
  inverse = v.select(zero, v.splat(floats, 0), inverse);
  // High nibbles, those of odd groups, are used as they lie: times 16.
  SmallVector<float> units;
  for (int64_t lane = 0; lane < kSliceLanes; ++lane)
    units.push_back(static_cast<float>(1 / most) / (lane / 4 % 2 ? 16 : 1));
  Value unit = arith::ConstantOp::create(
      v.b, v.loc, DenseElementsAttr::get(floats, ArrayRef<float>(units)));
  SmallVector<Value> at = {v.add(v.mul(slice, 2), half), v.index(0)};
  v.store(v.mulf(number, unit), scales, at);
  v.store(inverse, inverses, at);
  return v.orI(zero, usual);
}

/// Limbs in the place of coefficients: digits of 8 bits from -128 to 127, of a
/// group the lowest of four columns, the next, ...
void LimbSums::splitIntoLimbs(Value count) {
  SmallVector<int64_t> transposed;
  for (int64_t i = 0; i < kBytes; ++i)
    transposed.push_back(i / 16 * 16 + i % 4 * 4 + i / 4 % 4);
  // Adding a half of all digits but the upper one rounds them to the nearest.
  int64_t halves = limbs == 2 ? 0x80 : 0x8080;
  auto type = v.vec(kSliceLanes, v.f32());
  v.loop(v.index(0), v.index(slices()), 1, {},
         [&](Value slice, ValueRange) -> SmallVector<Value> {
           for (int64_t half : {0, 1}) {
             Value inverse =
                 v.load(inverses, {v.add(v.mul(slice, 2), half), v.index(0)},
                        kSliceLanes);
             v.loop(v.index(0), count, kTogether, {},
                    [&](Value column, ValueRange) -> SmallVector<Value> {
                      SmallVector<Value> at = {place(slice, half, column),
                                               v.index(0)};
                      Value bits = v.load(coefficients, at, kSliceLanes);
                      Value rounded = v.fma(v.cast(bits, kSliceLanes, v.f32()),
                                            inverse, v.splat(type, 12582912.0));
                      Value number = v.cast(rounded, kSliceLanes, v.i32());
                      auto integers = v.vec(kSliceLanes, v.i32());
                      number = v.add(
                          number, v.splat(integers, static_cast<double>(
                                                        halves - kRounding)));
                      Value digits =
                          v.cast(v.xorI(number, halves), kBytes, v.i8());
                      v.store(v.cast(v.shuffle(digits, transposed), kSliceLanes,
                                     v.i32()),
                              coefficients, at);
                      return {};
                    });
           }
           return {};
         });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void LimbSums::addProducts(Value count) {
  splitIntoLimbs(count);
  Value zero = v.splat(v.vec(kSliceLanes, v.i32()), 0);
  SmallVector<Value> zeros(2 * limbs * kVectors, zero);
  // The lines of the next batch that `computeCoefficients` has left, one for
  // each slice.
  int64_t lines =
      llvm::divideCeil(slices() * kSliceBytes, kCacheLine) - slices();
  auto lineOf = [&](Value part) -> Value {
    return arith::DivUIOp::create(v.b, v.loc, v.mul(part, lines),
                                  v.index(2 * slices()));
  };
  v.loop(
      v.index(0), v.index(2 * slices()), 1, {},
      [&](Value part, ValueRange) -> SmallVector<Value> {
        Value line = lineOf(part);
        Value has = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                          line, lineOf(v.add(part, 1)));
        Value skip = v.mul(v.add(line, slices()), kCacheLine);
        addToSums(part,
                  v.loop(v.index(0), count, kTogether, zeros,
                         [&](Value column, ValueRange carried) {
                           auto branch = scf::IfOp::create(
                               v.b, v.loc, has, /*withElseRegion=*/false);
                           {
                             OpBuilder::InsertionGuard guard(v.b);
                             v.b.setInsertionPointToStart(branch.thenBlock());
                             prefetch(column, skip);
                           }
                           return addFour(column, part, carried);
                         }));
        return {};
      });
}

/// `sums` are [nibble][limb][vector].
SmallVector<Value> LimbSums::addFour(Value column, Value part,
                                     ValueRange sums) {
  Value slice = arith::DivUIOp::create(v.b, v.loc, part, v.index(2));
  Value half = arith::RemUIOp::create(v.b, v.loc, part, v.index(2));
  Value skip =
      v.add(v.add(v.mul(slice, kSliceBytes), v.mul(half, kBytes)), kHeader);
  SmallVector<Value> q;
  for (Value at : startsOf(column, skip))
    q.push_back(v.load(bytes, at, kBytes));
  // The bytes of four columns side by side: in each 16 bytes the lower or the
  // upper half of those of two vectors.
  auto unpack = [&](Value a, Value b, int64_t size, bool upper) {
    int64_t lanes = kBytes / size, run = 16 / size;
    Type element = v.b.getIntegerType(static_cast<unsigned>(8 * size));
    SmallVector<int64_t> from;
    for (int64_t lane = 0; lane < lanes; ++lane)
      from.push_back(lane / run * run + (upper ? run / 2 : 0) + lane % run / 2 +
                     lane % 2 * lanes);
    return v.cast(
        v.shuffle(v.cast(a, lanes, element), v.cast(b, lanes, element), from),
        kBytes, v.i8());
  };
  SmallVector<Value> words;
  for (bool upper : {false, true}) {
    Value first = unpack(q[0], q[1], 1, upper);
    Value second = unpack(q[2], q[3], 1, upper);
    words.push_back(unpack(first, second, 2, false));
    words.push_back(unpack(first, second, 2, true));
  }
  Value four = arith::DivUIOp::create(v.b, v.loc, column, v.index(kTogether));
  Value where = v.add(v.mul(part, batch() / kTogether), four);
  Value digits = v.load(coefficients, {where, v.index(0)}, kSliceLanes);
  SmallVector<Value> next;
  for (int64_t nibble : {0, 1})
    for (int64_t limb = 0; limb < limbs; ++limb) {
      // The upper lanes are two groups further.
      SmallVector<int64_t> from;
      for (int64_t lane = 0; lane < kSliceLanes; ++lane)
        from.push_back(lane / 8 * 8 + nibble * 4 + limb);
      Value spread = v.cast(v.shuffle(digits, from), kBytes, v.i8());
      for (int64_t i = 0; i < kVectors; ++i)
        next.push_back(dot4(v, DotKind::Vnni,
                            v.andI(words[i], nibble ? -16 : 15), spread,
                            sums[next.size()]));
    }
  return next;
}

/// Adds sums of limbs, in f32.
void LimbSums::addToSums(Value part, ValueRange found) {
  Value all = v.load(scales, {part, v.index(0)}, kSliceLanes);
  Value base = v.splat(v.vec(kSliceLanes, v.f32()), 256);
  for (int64_t nibble : {0, 1}) {
    SmallVector<int64_t> from;
    for (int64_t lane = 0; lane < kSliceLanes; ++lane)
      from.push_back(lane / 8 * 8 + nibble * 4);
    Value scale = v.shuffle(all, from);
    for (int64_t i = 0; i < kVectors; ++i) {
      Value total;
      for (int64_t limb = limbs - 1; limb >= 0; --limb) {
        Value one = v.toFloat(found[(nibble * limbs + limb) * kVectors + i]);
        total = total ? v.fma(total, base, one) : one;
      }
      Value at =
          v.add(v.mul(part, kPartRows), (nibble * kVectors + i) * kSliceLanes);
      Value before = v.load(sums, at, kSliceLanes);
      v.store(v.fma(total, scale, before), sums, at);
    }
  }
}

Value LimbSums::load(Value row) {
  auto bits = [&](int64_t from, int64_t count, int64_t to) {
    Value some = arith::RemUIOp::create(
        v.b, v.loc,
        arith::DivUIOp::create(v.b, v.loc, row, v.index(from)).getResult(),
        v.index(count));
    return v.mul(some, to);
  };
  // Of a part: the nibble, then which of two runs of 32 bytes, then of 16.
  Value at = arith::DivUIOp::create(v.b, v.loc, row, v.index(kPartRows));
  at = v.add(v.mul(at, kPartRows), bits(32, 2, kVectors * kSliceLanes));
  at = v.add(v.add(at, bits(64, 2, 8)), bits(16, 2, 4));
  SmallVector<Value> parts;
  for (int64_t i = 0; i < kVectors; ++i)
    parts.push_back(v.load(sums, v.add(at, i * kSliceLanes), 4));
  Value group = arith::DivUIOp::create(v.b, v.loc, row, v.index(32));
  Value half = arith::DivUIOp::create(v.b, v.loc, group, v.index(4));
  Value lane = arith::RemUIOp::create(v.b, v.loc, group, v.index(4));
  Value offset =
      v.sum(v.load(minima, {half, v.mul(lane, kTogether)}, kTogether));
  return v.addf(sideBySide(v, parts), v.broadcast(offset, kSliceLanes));
}
