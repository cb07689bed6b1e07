//===- ZigzagLimbs.cpp - sums of columns in 8-bit integers ----------------===//

#include "passes/cpu/ZigzagLimbs.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

/// Times that a slice's four columns are visited: for scales, then for parts.
static constexpr int64_t kPhases = 1 + kPartsOfSlice;
/// Vectors of sums of a part and one kind of codes: in each run of four lanes
/// four rows that follow each other, in the four runs rows 16 bytes apart.
static constexpr int64_t kVectors = 4;

static QuantFormatAttrInterface innerFormat(PackedType weight) {
  return cast<ZigzagFormatAttr>(weight.getFormat()).getFormat();
}

bool LimbSums::canAdd(PackedType weight, DotKind dot) {
  return dot == DotKind::Vnni && sliceBand(weight) &&
         ColumnCodes::create(innerFormat(weight));
}

LimbSums::LimbSums(VectorBuilder &v, PackedType weight, Value bytes,
                   int64_t rows, int64_t limbs)
    : v(v), codes(ColumnCodes::create(innerFormat(weight))), bytes(bytes),
      rows(rows), limbs(limbs) {
  auto buffer = [&](ArrayRef<int64_t> shape, Type type) {
    return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, type),
                                    v.b.getI64IntegerAttr(kCacheLine));
  };
  constexpr int64_t fours = kBatch / kTogether;
  int64_t digits = quads() * llvm::divideCeil(limbs, 2) * kSliceLanes;
  starts = buffer({2 * kBatch}, v.b.getIndexType());
  lines = buffer({fours * pieces()}, v.b.getIndexType());
  factors = buffer({kBatch}, v.f32());
  products = buffer({fours, codes->productLanes()}, v.f32());
  coefficients = buffer({kPartsOfSlice * fours, digits}, v.i32());
  if (codes->zero())
    zeroSums = buffer({kPartsOfSlice, digits}, v.i32());
  if (codes->hasMinima())
    minima = buffer({kPartsOfSlice * slices(), kSliceLanes}, v.f32());
  sums = buffer({rows}, v.f32());
}

int64_t LimbSums::batch() const { return kBatch; }

/// Four groups each of a part.
int64_t LimbSums::quads() const {
  return kPartRows / codes->groupRows() / kGroupsTogether;
}

void LimbSums::clear() {
  Value zeros = v.splat(v.vec(kSliceLanes, v.f32()), 0);
  v.loop(v.index(0), v.index(rows), kSliceLanes, {},
         [&](Value row, ValueRange) -> SmallVector<Value> {
           v.store(zeros, sums, row);
           return {};
         });
  if (minima)
    v.loop(v.index(0), v.index(kPartsOfSlice * slices()), 1, {},
           [&](Value part, ValueRange) -> SmallVector<Value> {
             v.store(zeros, minima, {part, v.index(0)});
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
  memref::StoreOp::create(v.b, v.loc, factor, factors, at);
}

Value LimbSums::fourAt(Value column) {
  return arith::DivUIOp::create(v.b, v.loc, column, v.index(kTogether));
}

Value LimbSums::partOf(Value slice, Value part) {
  return v.add(v.mul(slice, kPartsOfSlice), part);
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

/// Pieces of four columns: each visit of them fetches one.
int64_t LimbSums::pieces() const { return slices() * kPhases; }

int64_t LimbSums::pieceLines() const {
  return llvm::divideCeil(kTogether * codes->bytes(), kPhases * kCacheLine);
}

/// Bytes of pieces in memory order.
void LimbSums::listLines() {
  v.loop(v.index(0), v.index(kBatch), kTogether, {},
         [&](Value column, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> at = startsOf(v.add(column, kBatch), v.index(0));
           Value first = v.mul(fourAt(column), pieces());
           int64_t size = slices() * codes->bytes();
           for (int64_t piece = 0; piece < pieces(); ++piece) {
             int64_t byte = piece * kTogether * codes->bytes() / kPhases;
             memref::StoreOp::create(v.b, v.loc,
                                     v.add(at[byte / size], byte % size), lines,
                                     v.add(first, piece));
           }
           return {};
         });
}

void LimbSums::prefetchPiece(Value piece) {
  Value at = memref::LoadOp::create(v.b, v.loc, lines, piece);
  for (int64_t line = 0; line < pieceLines(); ++line)
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
  int64_t count = llvm::divideCeil(codes->bytes(), kPhases * kCacheLine);
  Value skip =
      v.add(v.mul(next, codes->bytes()), v.mul(phase, count * kCacheLine));
  for (Value at : startsOf(column, skip))
    for (int64_t line = 0; line < count; ++line)
      v.prefetch(bytes, v.add(at, line * kCacheLine));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

void LimbSums::addSlice(Value slice, Value count) {
  computeCoefficients(slice, count);
  // Registers hold sums of two limbs of both kinds, or of three of one; kinds
  // that have bytes of their own gain nothing together.
  SmallVector<SmallVector<int64_t>> passes = {{0}, {1}};
  if (limbs == 2 && codes->areNibbles())
    passes = {{0, 1}};
  v.loop(v.index(0), v.index(kPartsOfSlice), 1, {},
         [&](Value part, ValueRange) -> SmallVector<Value> {
           for (ArrayRef<int64_t> kinds : passes) {
             auto four = [&](Value column, ValueRange carried) {
               return addFour(column, slice, part, kinds, carried);
             };
             addToSums(partOf(slice, part), kinds,
                       v.loop(v.index(0), count, kTogether,
                              startSums(part, kinds), four));
           }
           return {};
         });
}

/// What the sums of a batch start from, [kind][limb][vector].
SmallVector<Value> LimbSums::startSums(Value part, ArrayRef<int64_t> kinds) {
  SmallVector<Value> start;
  for (int64_t kind : kinds)
    for (int64_t limb = 0; limb < limbs; ++limb) {
      Value one = v.splat(v.vec(kSliceLanes, v.i32()), 0);
      if (zeroSums)
        one = spread(zeroSums, part, kind, limb);
      // High nibbles are used as they lie: times 16.
      if (zeroSums && kind && codes->areNibbles())
        one = v.shl(one, 4);
      start.append(kVectors, one);
    }
  return start;
}

/// `sums` are [kind][limb][vector].
SmallVector<Value> LimbSums::addFour(Value column, Value slice, Value part,
                                     ArrayRef<int64_t> kinds, ValueRange sums) {
  SmallVector<Value> at = startsOf(column, v.mul(slice, codes->bytes()));
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
  Value where = v.add(v.mul(part, kBatch / kTogether), fourAt(column));
  SmallVector<Value> words, next;
  for (int64_t kind : kinds) {
    if (words.empty() || !codes->areNibbles()) {
      words.clear();
      SmallVector<Value> q = codes->codes(v, bytes, at, part, kind);
      for (bool upper : {false, true}) {
        Value first = unpack(q[0], q[1], 1, upper);
        Value second = unpack(q[2], q[3], 1, upper);
        words.push_back(unpack(first, second, 2, false));
        words.push_back(unpack(first, second, 2, true));
      }
    }
    if (kind == 0)
      prefetch(slice, part, column);
    for (int64_t limb = 0; limb < limbs; ++limb) {
      Value x = v.cast(spread(coefficients, where, kind, limb), kBytes, v.i8());
      for (int64_t i = 0; i < kVectors; ++i) {
        Value word =
            codes->areNibbles() ? v.andI(words[i], kind ? -16 : 15) : words[i];
        next.push_back(dot4(v, DotKind::Vnni, word, x, sums[next.size()]));
      }
    }
  }
  return next;
}

/// Adds sums of limbs, in f32. Two limbs of a batch fit one integer.
void LimbSums::addToSums(Value part, ArrayRef<int64_t> kinds,
                         ValueRange found) {
  Value base = v.splat(v.vec(kSliceLanes, v.f32()), 256);
  for (auto [index, kind] : llvm::enumerate(kinds)) {
    auto limb = [&, first = index * limbs](int64_t which, int64_t i) {
      return found[(first + which) * kVectors + i];
    };
    Value scale = unit;
    if (kind && codes->areNibbles())
      scale = v.mulf(unit, v.constF(1.0 / 16));
    scale = v.broadcast(scale, kSliceLanes);
    for (int64_t i = 0; i < kVectors; ++i) {
      Value upper = v.add(v.shl(limb(limbs - 1, i), 8), limb(limbs - 2, i));
      Value total = v.toFloat(upper);
      if (limbs == 3)
        total = v.fma(total, base, v.toFloat(limb(0, i)));
      Value at =
          v.add(v.mul(part, kPartRows), (kind * kVectors + i) * kSliceLanes);
      Value before = v.load(sums, at, kSliceLanes);
      v.store(v.fma(total, scale, before), sums, at);
    }
  }
}

Value LimbSums::load(Value row) {
  auto div = [&](Value value, int64_t by) -> Value {
    return arith::DivUIOp::create(v.b, v.loc, value, v.index(by));
  };
  auto rem = [&](Value value, int64_t by) -> Value {
    return arith::RemUIOp::create(v.b, v.loc, value, v.index(by));
  };
  Value part = div(row, kPartRows), inPart = rem(row, kPartRows);
  auto [kind, run] = codes->kindAndRun(v, div(inPart, 16));
  Value at = v.add(v.mul(part, kPartRows), v.mul(run, 4));
  at = v.add(at, v.mul(kind, kVectors * kSliceLanes));
  SmallVector<Value> parts;
  for (int64_t i = 0; i < kVectors; ++i)
    parts.push_back(v.load(sums, v.add(at, i * kSliceLanes), 4));
  Value result = sideBySide(v, parts);
  if (!minima)
    return result;
  Value group = div(inPart, 32), offset;
  for (int64_t column = 0; column < kTogether; ++column) {
    Value lane = v.add(group, column * kGroupsTogether);
    Value one =
        memref::LoadOp::create(v.b, v.loc, minima, ValueRange{part, lane});
    offset = offset ? v.addf(offset, one) : one;
  }
  return v.subf(result, v.broadcast(offset, kSliceLanes));
}
