//===- IntegerAttention.cpp - 8-bit keys and values as integers -----------===//

#include "passes/cpu/IntegerAttention.h"

#include "passes/cpu/AttentionBlocks.h"
#include "passes/cpu/CacheNumbers.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Transpose.h"

using namespace mlir;
using namespace headrace::cpu;

static constexpr int64_t kLanes = kAttentionLanes;
static constexpr int64_t kLimbs = 3;
/// Tokens of a 32-bit lane.
static constexpr int64_t kWord = 4;
/// The largest integer of signed limbs, and of unsigned ones, less what
/// rounding of a factor can add.
static constexpr double kMostSigned = 8355000, kMostUnsigned = 16777000;
/// Factors of what is smaller could be infinite, and sums of what is larger.
static constexpr double kLeast = 1e-30, kMost = 1e30;

IntegerAttention::IntegerAttention(VectorBuilder &v, Operation *op, Value bytes,
                                   int64_t heads, int64_t tile, int64_t dim,
                                   int64_t block)
    : v(v), bytes(bytes), dim(dim),
      columns(static_cast<int64_t>(llvm::alignTo(dim, kLineColumns))),
      block(block) {
  auto buffer = [&](ArrayRef<int64_t> shape, Type type) {
    return kernelBuffer(v, op, shape, type);
  };
  query = buffer({heads, kLimbs, columns}, v.i8());
  offsets = buffer({heads, kLimbs}, v.i32());
  queryUnit = buffer({heads}, v.f32());
  keys = buffer({columns * kKeyTile}, v.i8());
  weights = buffer({tile, kLimbs, block}, v.i8());
  weightUnit = buffer({tile}, v.f32());
}

Value IntegerAttention::floats(double value) {
  return v.splat(v.vec(kLanes, v.f32()), value);
}

Value IntegerAttention::scalarOf(Value memref, ValueRange at) {
  return loadScalar(v, memref, at);
}

Value IntegerAttention::everywhere(Value memref, ValueRange at) {
  Value word = v.extract(v.cast(v.load(memref, at, kWord), 1, v.i32()), 0);
  return v.broadcast(word, kLanes);
}

Value IntegerAttention::joined(ArrayRef<Value> limbs) {
  Value sum = v.toFloat(limbs[2]);
  sum = v.fma(v.toFloat(limbs[1]), floats(0x1p8), sum);
  return v.fma(v.toFloat(limbs[0]), floats(0x1p16), sum);
}

static Value compare(VectorBuilder &v, arith::CmpFPredicate predicate,
                     Value lhs, Value rhs) {
  return arith::CmpFOp::create(v.b, v.loc, predicate, lhs, rhs);
}

static Value truncated(VectorBuilder &v, Value words) {
  return arith::TruncIOp::create(v.b, v.loc, v.vec(kLanes, v.i8()), words);
}

static Value toInteger(VectorBuilder &v, Value values) {
  return arith::FPToSIOp::create(v.b, v.loc, v.vec(kLanes, v.i32()), values);
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

void IntegerAttention::splitQuery(Value from, Value head) {
  Value largest = largestMagnitude(v, from, {head}, columns);
  // False for NaN, too.
  Value fits =
      v.andI(compare(v, arith::CmpFPredicate::OGE, largest, v.constF(kLeast)),
             compare(v, arith::CmpFPredicate::OLE, largest, v.constF(kMost)));
  largest = v.select(fits, largest, v.constF(1.0));
  Value unit = v.mulf(largest, v.constF(1.0 / kMostSigned));
  storeScalar(v, v.select(fits, unit, v.constF(0.0)), queryUnit, head);
  Value factor = v.broadcast(v.divf(v.constF(kMostSigned), largest), kLanes);
  // What does not fit is not used, and no integer.
  Value everyLane = v.broadcast(fits, kLanes);
  auto words = v.vec(kLanes, v.i32());
  SmallVector<Value> sums =
      v.loop(v.index(0), v.index(columns), kLanes,
             SmallVector<Value>(kLimbs, v.splat(words, 0)),
             [&](Value col, ValueRange carried) {
               Value x = v.mulf(v.load(from, {head, col}, kLanes), factor);
               Value rest = toInteger(v, v.select(everyLane, x, floats(0)));
               SmallVector<Value> next(carried);
               for (int64_t limb = kLimbs - 1; limb >= 0; --limb) {
                 Value low = truncated(v, rest);
                 v.store(low, query, {head, v.index(limb), col});
                 Value wide = v.extS(low, v.i32());
                 next[limb] = v.add(next[limb], wide);
                 rest = arith::ShRSIOp::create(v.b, v.loc, v.sub(rest, wide),
                                               v.splat(words, 8));
               }
               return next;
             });
  for (int64_t limb = 0; limb < kLimbs; ++limb) {
    Value sum = v.sumI(sums[limb]);
    Value factor =
        arith::ConstantOp::create(v.b, v.loc, v.b.getI32IntegerAttr(-128));
    storeScalar(v, v.mul(sum, factor), offsets, {head, v.index(limb)});
  }
}

Value IntegerAttention::queriesFit(Value head, int64_t heads) {
  Value fit;
  for (int64_t i = 0; i < heads; ++i) {
    Value unit = scalarOf(queryUnit, ValueRange{v.add(head, i)});
    Value one = compare(v, arith::CmpFPredicate::OGT, unit, v.constF(0.0));
    fit = fit ? v.andI(fit, one) : one;
  }
  return fit;
}

void IntegerAttention::score(Value scores, Value head, int64_t heads,
                             Value count, Place place, Fetch fetch) {
  // Half of what is fetched is while keys are transposed.
  constexpr int64_t kHalf = kKeyTile * kLineColumns / 2;
  auto transpose = [&](ArrayRef<Value> places, Value start, Value col,
                       int64_t size) {
    SmallVector<Value> rows, read;
    for (Value row : places) {
      read.push_back(v.add(row, col));
      Value line = v.loadFirst(bytes, {read.back()}, kLineColumns, size);
      rows.push_back(v.cast(line, kLanes, v.i32()));
    }
    fetch(v.add(start, v.mul(col, kKeyTile / 2)), read, kHalf);
    transpose16(v, rows);
    for (auto [i, row] : llvm::enumerate(rows)) {
      Value at =
          v.add(v.mul(col, kKeyTile), static_cast<int64_t>(i) * kLineColumns);
      v.store(v.xorI(v.cast(row, kLineColumns, v.i8()), -128), keys, {at});
    }
  };
  v.loop(v.index(0), count, kKeyTile, {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> places;
           for (int64_t t = 0; t < kKeyTile; ++t)
             places.push_back(place(v.add(token, t)));
           Value start = v.mul(token, columns);
           int64_t whole = dim / kLineColumns * kLineColumns;
           v.loop(v.index(0), v.index(whole), kLineColumns, {},
                  [&](Value col, ValueRange) -> SmallVector<Value> {
                    transpose(places, start, col, kLineColumns);
                    return {};
                  });
           if (whole < dim)
             transpose(places, start, v.index(whole), dim - whole);
           SmallVector<Value> sums;
           for (int64_t i = 0; i < heads; ++i)
             for (int64_t limb = 0; limb < kLimbs; ++limb)
               sums.push_back(v.broadcast(
                   scalarOf(offsets, ValueRange{v.add(head, i), v.index(limb)}),
                   kLanes));
           Value rest = v.add(start, columns * kKeyTile / 2);
           sums = v.loop(v.index(0), v.index(columns), 2 * kWord, sums,
                         [&](Value col, ValueRange carried) {
                           fetch(v.add(rest, v.mul(col, kKeyTile / 2)), {},
                                 kWord * kKeyTile);
                           SmallVector<Value> next(carried);
                           for (int64_t word = 0; word < 2; ++word) {
                             Value at = v.add(col, word * kWord);
                             Value key = v.load(keys, {v.mul(at, kKeyTile)},
                                                kLineColumns);
                             for (auto [n, sum] : llvm::enumerate(next)) {
                               auto number = static_cast<int64_t>(n);
                               Value q = everywhere(
                                   query, {v.add(head, number / kLimbs),
                                           v.index(number % kLimbs), at});
                               sum = dot4(v, DotKind::Vnni, key,
                                          v.cast(q, kLineColumns, v.i8()), sum);
                             }
                           }
                           return next;
                         });
           for (int64_t i = 0; i < heads; ++i) {
             Value unit = v.broadcast(
                 scalarOf(queryUnit, ValueRange{v.add(head, i)}), kLanes);
             Value score = v.mulf(
                 joined(ArrayRef<Value>(sums).slice(i * kLimbs, kLimbs)), unit);
             v.store(score, scores, {v.index(i), token});
           }
           return {};
         });
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value IntegerAttention::splitWeights(Value from, int64_t heads, Fetch fetch) {
  Value fit;
  auto both = [&](Value lhs, Value rhs) {
    return lhs ? v.andI(lhs, rhs) : rhs;
  };
  int64_t share = block * columns / 2 / heads;
  for (int64_t i = 0; i < heads; ++i) {
    fetch(v.index(i * share), {}, share);
    SmallVector<Value> lanes;
    Value fits, largest;
    for (int64_t token = 0; token < block; token += kLanes) {
      Value weight = v.load(from, {v.index(i), v.index(token)}, kLanes);
      lanes.push_back(weight);
      // False for NaN, too.
      fits =
          both(fits, compare(v, arith::CmpFPredicate::OGE, weight, floats(0)));
      fits = both(fits,
                  compare(v, arith::CmpFPredicate::OLE, weight, floats(kMost)));
      largest = largest ? larger(v, largest, weight) : weight;
    }
    Value all = vector::ReductionOp::create(v.b, v.loc,
                                            vector::CombiningKind::AND, fits);
    Value most = largestLane(v, largest), least = v.constF(kLeast);
    Value none = compare(v, arith::CmpFPredicate::OEQ, most, v.constF(0.0));
    Value fair = compare(v, arith::CmpFPredicate::OGE, most, least);
    Value usable = v.andI(all, v.orI(none, fair));
    fit = both(fit, usable);
    // What does not fit is not used, and no integer.
    most = v.select(v.andI(all, fair), most, v.constF(1.0));
    storeScalar(v, v.mulf(most, v.constF(1.0 / kMostUnsigned)), weightUnit,
                v.index(i));
    Value factor = v.broadcast(v.divf(v.constF(kMostUnsigned), most), kLanes);
    Value everyLane = v.broadcast(usable, kLanes);
    for (auto [number, weight] : llvm::enumerate(lanes)) {
      Value x = v.select(everyLane, v.mulf(weight, factor), floats(0));
      Value word = toInteger(v, x);
      Value token = v.index(static_cast<int64_t>(number) * kLanes);
      for (int64_t limb = 0; limb < kLimbs; ++limb)
        v.store(truncated(v, v.shr(word, 8 * (kLimbs - 1 - limb))), weights,
                {v.index(i), v.index(limb), token});
    }
  }
  return fit;
}

/// Bytes (or pairs of them) of two vectors in turn, of the low or high half of
/// each run of 128 bits.
static Value interleaved(VectorBuilder &v, Value lhs, Value rhs, bool high) {
  int64_t lanes = VectorBuilder::lanes(lhs), run = lanes / 4;
  SmallVector<int64_t> mask;
  for (int64_t first = 0; first < lanes; first += run)
    for (int64_t i = 0; i < run / 2; ++i) {
      int64_t lane = first + i + (high ? run / 2 : 0);
      mask.append({lane, lanes + lane});
    }
  return v.shuffle(lhs, rhs, mask);
}

SmallVector<Value> IntegerAttention::addHalfLine(bool high, int64_t heads,
                                                 Value count, Value col,
                                                 int64_t size, Place place,
                                                 Fetch fetch) {
  Value zero = v.splat(v.vec(kLanes, v.i32()), 0);
  // Of each head and limb, two vectors of columns.
  SmallVector<Value> sums(heads * kLimbs * 2, zero);
  Value start = v.add(v.mul(col, block / 2), block * columns / 2);
  if (high)
    start = v.add(start, block / kWord * kLineColumns);
  sums = v.loop(
      v.index(0), count, kWord, sums, [&](Value token, ValueRange carried) {
        SmallVector<Value> lines, read;
        for (int64_t t = 0; t < kWord; ++t) {
          Value at = v.add(place(v.add(token, t)), col);
          lines.push_back(v.loadFirst(bytes, {at}, kLineColumns, size));
          if (!high)
            read.push_back(at);
        }
        fetch(v.add(start, v.mul(token, kLineColumns / kWord)), read,
              kLineColumns);
        auto pairs = [&](int64_t t) {
          Value mixed = interleaved(v, lines[t], lines[t + 1], high);
          return v.cast(mixed, kLineColumns / 2, v.i16());
        };
        Value first = pairs(0), second = pairs(2);
        SmallVector<Value> values, next(carried);
        for (bool upper : {false, true})
          values.push_back(v.cast(interleaved(v, first, second, upper),
                                  kLineColumns, v.i8()));
        auto *sum = next.begin();
        for (int64_t i = 0; i < heads; ++i)
          for (int64_t limb = 0; limb < kLimbs; ++limb) {
            Value weight =
                v.cast(everywhere(weights, {v.index(i), v.index(limb), token}),
                       kLineColumns, v.i8());
            for (Value value : values) {
              *sum = dot4(v, DotKind::Vnni, weight, value, *sum);
              ++sum;
            }
          }
        return next;
      });
  SmallVector<Value> results;
  for (int64_t i = 0; i < heads; ++i)
    for (int64_t part = 0; part < 2; ++part) {
      SmallVector<Value> limbs;
      for (int64_t limb = 0; limb < kLimbs; ++limb)
        limbs.push_back(sums[(i * kLimbs + limb) * 2 + part]);
      results.push_back(joined(limbs));
    }
  return results;
}

void IntegerAttention::addLine(Value sums, Value head, ArrayRef<Value> keep,
                               Value count, Value col, int64_t size,
                               Place place, Fetch fetch) {
  auto heads = static_cast<int64_t>(keep.size());
  SmallVector<Value> low =
      addHalfLine(false, heads, count, col, size, place, fetch);
  SmallVector<Value> high =
      addHalfLine(true, heads, count, col, size, place, fetch);
  for (int64_t i = 0; i < heads; ++i) {
    Value unit =
        v.broadcast(scalarOf(weightUnit, ValueRange{v.index(i)}), kLanes);
    // Runs of four columns, of each 16 in turn, back into their order.
    SmallVector<int64_t> lows{0, 1, 2, 3, 16, 17, 18, 19,
                              4, 5, 6, 7, 20, 21, 22, 23};
    SmallVector<int64_t> highs, firsts, seconds;
    for (int64_t lane : lows)
      highs.push_back(lane + 8);
    for (int64_t run : {0, 16, 8, 24})
      for (int64_t lane = 0; lane < 8; ++lane) {
        auto &mask = run % 16 == 0 ? firsts : seconds;
        mask.push_back(run + lane);
      }
    for (int64_t half = 0; half < 2; ++half) {
      ArrayRef<int64_t> some = half ? highs : lows;
      Value a = v.shuffle(low[2 * i], low[2 * i + 1], some);
      Value b = v.shuffle(high[2 * i], high[2 * i + 1], some);
      int64_t chunk = 2 * half;
      for (ArrayRef<int64_t> mask : {ArrayRef(firsts), ArrayRef(seconds)}) {
        SmallVector<Value> at{v.add(head, i), v.add(col, chunk * kLanes)};
        ++chunk;
        Value old = v.mulf(v.load(sums, at, kLanes), keep[i]);
        v.store(v.fma(v.shuffle(a, b, mask), unit, old), sums, at);
      }
    }
  }
}

void IntegerAttention::addValues(Value sums, Value head, ArrayRef<Value> keep,
                                 Value count, Place place, Fetch fetch) {
  int64_t whole = dim / kLineColumns * kLineColumns;
  v.loop(v.index(0), v.index(whole), kLineColumns, {},
         [&](Value col, ValueRange) -> SmallVector<Value> {
           addLine(sums, head, keep, count, col, kLineColumns, place, fetch);
           return {};
         });
  if (whole < dim)
    addLine(sums, head, keep, count, v.index(whole), dim - whole, place, fetch);
}
