//===- ZigzagLimbs.cpp - sums of columns in 8-bit integers ----------------===//

#include "passes/cpu/ZigzagLimbs.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

/// Columns of a product of 32 bits.
static constexpr int64_t kTogether = 4;
/// Columns of a batch: a slice of them stays in the first cache.
static constexpr int64_t kBatch = 64;
static constexpr int64_t kBytes = 64; // of a vector
/// Lines that are prefetched together, in memory order.
static constexpr int64_t kPieceLines = 3;
/// Times that a slice's four columns are visited: for scales, then for halves.
static constexpr int64_t kPhases = 3;
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
/// Scales of groups have 6 bits.
static constexpr double kLargestScale = 63;

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
  constexpr int64_t fours = kBatch / kTogether;
  starts = buffer({2 * kBatch}, v.b.getIndexType());
  lines = buffer({fours * pieces()}, v.b.getIndexType());
  factors = buffer({2 * kBatch}, v.f32());
  products = buffer({fours, 2 * kTogether}, v.f32());
  coefficients = buffer({2 * fours, (limbs + 1) / 2 * kSliceLanes}, v.i32());
  minima = buffer({2 * slices(), kSliceLanes}, v.f32());
  sums = buffer({rows}, v.f32());
}

int64_t LimbSums::batch() const { return kBatch; }

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
  memref::StoreOp::create(v.b, v.loc, start, starts, v.add(at, kBatch));
}

void LimbSums::advance() {
  v.loop(v.index(0), v.index(kBatch), kTogether, {},
         [&](Value at, ValueRange) -> SmallVector<Value> {
           v.store(v.load(starts, v.add(at, kBatch), kTogether), starts, at);
           return {};
         });
}

void LimbSums::setFactor(Value at, Value factor) {
  Value both = v.splat(v.vec(2, v.f32()), 0);
  both = v.insert(factor, both, 0);
  both = v.insert(v.negf(factor), both, 1);
  v.store(both, factors, v.mul(at, 2));
}

Value LimbSums::fourAt(Value column) {
  return arith::DivUIOp::create(v.b, v.loc, column, v.index(kTogether));
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

//===----------------------------------------------------------------------===//
// Prefetches
//===----------------------------------------------------------------------===//

/// Pieces of four columns: 4 * 144 bytes are three pieces of three lines.
int64_t LimbSums::pieces() const { return slices() * kPhases; }

/// Bytes of pieces in memory order, so that each visit of four columns fetches
/// one.
void LimbSums::listLines() {
  v.loop(v.index(0), v.index(kBatch), kTogether, {},
         [&](Value column, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> at = startsOf(v.add(column, kBatch), v.index(0));
           Value first = v.mul(fourAt(column), pieces());
           for (int64_t piece = 0; piece < pieces(); ++piece) {
             int64_t byte = piece * kPieceLines * kCacheLine;
             int64_t size = slices() * kSliceBytes;
             memref::StoreOp::create(v.b, v.loc,
                                     v.add(at[byte / size], byte % size), lines,
                                     v.add(first, piece));
           }
           return {};
         });
}

void LimbSums::prefetchPiece(Value piece) {
  Value at = memref::LoadOp::create(v.b, v.loc, lines, piece);
  for (int64_t line = 0; line < kPieceLines; ++line)
    v.prefetch(bytes, v.add(at, line * kCacheLine), /*locality=*/2);
}

void LimbSums::prefetchAll() {
  v.loop(v.index(0), v.index(kBatch / kTogether * pieces()), 1, {},
         [&](Value piece, ValueRange) -> SmallVector<Value> {
           prefetchPiece(piece);
           return {};
         });
}

/// What a visit of four columns fetches: a piece of the next batch, and a third
/// of the next slice of these.
void LimbSums::prefetch(Value slice, Value phase, Value column) {
  Value visit = v.add(v.mul(slice, kPhases), phase);
  prefetchPiece(v.add(v.mul(visit, kBatch / kTogether), fourAt(column)));
  Value next = v.min(v.add(slice, 1), v.index(slices() - 1));
  Value skip = v.add(v.mul(next, kSliceBytes), v.mul(phase, kCacheLine));
  for (Value at : startsOf(column, skip))
    v.prefetch(bytes, at);
}

//===----------------------------------------------------------------------===//
// What groups are multiplied with
//===----------------------------------------------------------------------===//

Value LimbSums::scaleColumns(Value slice, Value count) {
  Value skip = v.mul(slice, kSliceBytes);
  auto integers = v.vec(kTogether, v.i32());
  auto four = [&](Value column, ValueRange carried) -> SmallVector<Value> {
    Value pairs = v.splat(integers, 0); // d and dmin of a column
    for (auto [i, at] : llvm::enumerate(startsOf(column, skip)))
      pairs = v.insert(v.loadScalarAs(bytes, at, 4, v.i32()), pairs,
                       static_cast<int64_t>(i));
    Value halves = v.extF(v.cast(pairs, 2 * kTogether, v.b.getF16Type()));
    Value scaled =
        v.mulf(halves, v.load(factors, v.mul(column, 2), 2 * kTogether));
    scaled = v.shuffle(scaled, {0, 2, 4, 6, 1, 3, 5, 7});
    v.store(scaled, products, {fourAt(column), v.index(0)});
    // As integers NaN is larger than infinity.
    Value bits = v.cast(v.shuffle(scaled, {0, 1, 2, 3}), kTogether, v.i32());
    return {arith::MaxSIOp::create(v.b, v.loc, carried[0],
                                   v.andI(bits, 0x7fffffff))};
  };
  Value found = v.loop(v.index(0), count, kTogether,
                       ValueRange{v.splat(integers, 0)}, four)[0];
  Value largest = vector::ReductionOp::create(
      v.b, v.loc, vector::CombiningKind::MAXSI, found);
  auto is = [&](arith::CmpIPredicate predicate, int32_t bits) -> Value {
    return arith::CmpIOp::create(
        v.b, v.loc, predicate, largest,
        arith::ConstantIntOp::create(v.b, v.loc, bits, 32));
  };
  Value zero = is(arith::CmpIPredicate::eq, 0);
  // From 2^-101 to 2^121, so that no product with a scale of 6 bits overflows.
  Value usual = v.andI(is(arith::CmpIPredicate::sgt, 0x0d000000),
                       is(arith::CmpIPredicate::slt, 0x7c000000));
  // The largest integer has its upper limb below 127, and fits the rounding.
  double most = limbs == 2 ? 32500 : 4150000;
  Value number = arith::BitcastOp::create(v.b, v.loc, v.f32(), largest);
  inverse = v.divf(v.constF(most), v.mulf(number, v.constF(kLargestScale)));
  inverse = v.select(zero, v.constF(0), inverse);
  unit = v.mulf(number, v.constF(kLargestScale / most));
  return v.orI(zero, usual);
}

/// Stores `number * scale` as digits of 8 bits from -128 to 127. A digit of
/// four columns is there twice, so that one instruction spreads those of two
/// groups.
void LimbSums::storeLimbs(Value number, Value scale, Value where) {
  // Adding a half of all digits but the upper one rounds them to the nearest.
  int64_t halves = limbs == 2 ? 0x80 : 0x8080;
  auto integers = v.vec(kSliceLanes, v.i32());
  Value magic = v.splat(v.vec(kSliceLanes, v.f32()), 12582912.0);
  Value whole = v.cast(v.fma(number, scale, magic), kSliceLanes, v.i32());
  whole =
      v.add(whole, v.splat(integers, static_cast<double>(halves - kRounding)));
  Value digits = v.cast(v.xorI(whole, halves), kBytes, v.i8());
  for (int64_t first = 0; first < limbs; first += 2) {
    SmallVector<int64_t> from;
    for (int64_t i = 0; i < kBytes; ++i)
      from.push_back(i / 16 * 16 + i % 4 * 4 +
                     std::min(first + i % 16 / 8, limbs - 1));
    v.store(v.cast(v.shuffle(digits, from), kSliceLanes, v.i32()), coefficients,
            {where, v.index(first / 2 * kSliceLanes)});
  }
}

/// A limb of four columns: of one group in the lower lanes, of that two groups
/// further in the upper ones.
Value LimbSums::limbAt(Value where, int64_t nibble, int64_t limb) {
  Value pairs =
      v.cast(v.load(coefficients, {where, v.index(limb / 2 * kSliceLanes)},
                    kSliceLanes),
             kSliceLanes / 2, v.b.getI64Type());
  SmallVector<int64_t> from(4, 2 * nibble + limb % 2);
  from.append(4, from[0] + 4);
  return v.cast(v.shuffle(pairs, from), kBytes, v.i8());
}

/// Limbs of x times the scales of a slice; adds the minima.
void LimbSums::computeCoefficients(Value slice, Value count) {
  Value skip = v.mul(slice, kSliceBytes);
  Value spread = v.broadcast(inverse, kSliceLanes);
  auto minimaAt = [&](int64_t half) -> SmallVector<Value> {
    return {v.add(v.mul(slice, 2), half), v.index(0)};
  };
  auto four = [&](Value column, ValueRange carried) -> SmallVector<Value> {
    SmallVector<Value> headers;
    for (Value at : startsOf(column, skip))
      headers.push_back(v.load(bytes, at, kHeader));
    prefetch(slice, v.index(2), column);
    Value all = v.cast(sideBySide(v, headers), kSliceLanes, v.i32());
    Value sixes = v.cast(scalesAndMinimaQ4K(v, all, kTogether), kBytes, v.i8());
    // Lanes are four groups of four columns.
    auto numbers = [&](int64_t kind, int64_t half) {
      SmallVector<int64_t> from;
      for (int64_t lane = 0; lane < kSliceLanes; ++lane)
        from.append(4, 16 * (lane % 4) + 8 * kind + 4 * half + lane / 4);
      Value lanes = v.cast(v.shuffle(sixes, from), kSliceLanes, v.i32());
      return v.toFloat(v.andI(lanes, 63));
    };
    Value own = v.load(products, {fourAt(column), v.index(0)}, 2 * kTogether);
    auto repeated = [&](int64_t first) {
      SmallVector<int64_t> from;
      for (int64_t lane = 0; lane < kSliceLanes; ++lane)
        from.push_back(first + lane % kTogether);
      return v.shuffle(own, from);
    };
    Value scale = v.mulf(repeated(0), spread);
    Value minimum = repeated(kTogether);
    SmallVector<Value> next;
    for (int64_t half : {0, 1}) {
      Value where = v.add(fourAt(column), half * kBatch / kTogether);
      storeLimbs(numbers(0, half), scale, where);
      next.push_back(v.fma(numbers(1, half), minimum, carried[half]));
    }
    return next;
  };
  SmallVector<Value> state = v.loop(v.index(0), count, kTogether,
                                    {v.load(minima, minimaAt(0), kSliceLanes),
                                     v.load(minima, minimaAt(1), kSliceLanes)},
                                    four);
  for (int64_t half : {0, 1})
    v.store(state[half], minima, minimaAt(half));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void LimbSums::addSlice(Value slice, Value count) {
  computeCoefficients(slice, count);
  Value zero = v.splat(v.vec(kSliceLanes, v.i32()), 0);
  // Registers hold sums of two limbs of all nibbles, or of three of half of
  // them.
  SmallVector<SmallVector<int64_t>> passes = {{0}, {1}};
  if (limbs == 2)
    passes = {{0, 1}};
  v.loop(v.index(0), v.index(2), 1, {},
         [&](Value half, ValueRange) -> SmallVector<Value> {
           for (ArrayRef<int64_t> nibbles : passes) {
             SmallVector<Value> zeros(nibbles.size() * limbs * kVectors, zero);
             auto four = [&](Value column, ValueRange carried) {
               return addFour(column, slice, half, nibbles, carried);
             };
             addToSums(v.add(v.mul(slice, 2), half), nibbles,
                       v.loop(v.index(0), count, kTogether, zeros, four));
           }
           return {};
         });
}

/// `sums` are [nibble][limb][vector].
SmallVector<Value> LimbSums::addFour(Value column, Value slice, Value half,
                                     ArrayRef<int64_t> nibbles,
                                     ValueRange sums) {
  Value skip =
      v.add(v.add(v.mul(slice, kSliceBytes), v.mul(half, kBytes)), kHeader);
  SmallVector<Value> q;
  for (Value at : startsOf(column, skip))
    q.push_back(v.load(bytes, at, kBytes));
  if (nibbles.front() == 0)
    prefetch(slice, half, column);
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
  Value where = v.add(v.mul(half, kBatch / kTogether), fourAt(column));
  SmallVector<Value> next;
  for (int64_t nibble : nibbles)
    for (int64_t limb = 0; limb < limbs; ++limb) {
      Value spread = limbAt(where, nibble, limb);
      for (int64_t i = 0; i < kVectors; ++i)
        next.push_back(dot4(v, DotKind::Vnni,
                            v.andI(words[i], nibble ? -16 : 15), spread,
                            sums[next.size()]));
    }
  return next;
}

/// Adds sums of limbs, in f32. Two limbs of a batch fit one integer.
void LimbSums::addToSums(Value part, ArrayRef<int64_t> nibbles,
                         ValueRange found) {
  Value base = v.splat(v.vec(kSliceLanes, v.f32()), 256);
  for (auto [index, nibble] : llvm::enumerate(nibbles)) {
    auto limb = [&, first = index * limbs](int64_t which, int64_t i) {
      return found[(first + which) * kVectors + i];
    };
    // High nibbles are used as they lie: times 16.
    Value scale = nibble ? v.mulf(unit, v.constF(1.0 / 16)) : unit;
    scale = v.broadcast(scale, kSliceLanes);
    for (int64_t i = 0; i < kVectors; ++i) {
      Value upper = v.add(v.shl(limb(limbs - 1, i), 8), limb(limbs - 2, i));
      Value total = v.toFloat(upper);
      if (limbs == 3)
        total = v.fma(total, base, v.toFloat(limb(0, i)));
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
