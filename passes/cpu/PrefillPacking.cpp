//===- PrefillPacking.cpp - operands of a prefill in a form ---------------===//
//
// Numbers are rounded as the decomposition of qattn.prefill does it, to the
// same codes: by a product with the inverse of the scale. A token with a number
// that is not finite has NaN as the factor of its scores.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/PrefillPacking.h"

#include "passes/cpu/Transpose.h"

#include <limits>

using namespace mlir;
using namespace headrace::cpu;

static constexpr int64_t kLanes = kPrefillLanes;
static constexpr double kLog2E = 1.4426950408889634;
/// The last bits of these are worth one. Bytes are taken from sums with the
/// first, so that a code has 128 more, without a sign.
static constexpr double kBigByte = 8388608.0 + 128, kBig = 12582912;

Value PrefillPacking::splat(double value) {
  return v.splat(v.vec(kLanes, v.f32()), value);
}
Value PrefillPacking::bits(Value floats) {
  return v.cast(floats, kLanes, v.i32());
}
/// As an integer, of which those of NaN are the largest.
Value PrefillPacking::magnitude(Value floats) {
  return v.andI(bits(floats), 0x7fffffff);
}

void PrefillPacking::forEach(Value upper,
                             llvm::function_ref<void(Value)> body) {
  v.loop(v.index(0), upper, 1, {}, [&](Value i, ValueRange) {
    body(i);
    return SmallVector<Value>();
  });
}

/// Chunks of 16 columns; only the first `count` of one exist.
void PrefillPacking::forEachChunk(
    int64_t size, llvm::function_ref<void(Value, int64_t)> body) {
  int64_t whole = size / kLanes * kLanes;
  v.loop(v.index(0), v.index(whole), kLanes, {}, [&](Value col, ValueRange) {
    body(col, kLanes);
    return SmallVector<Value>();
  });
  if (whole < size)
    body(v.index(whole), size - whole);
}

//===----------------------------------------------------------------------===//
// Rounding
//===----------------------------------------------------------------------===//

/// What the code of a number is multiplied with, NaN where `largest` (bits, a
/// scalar or lanes) is not finite, and what a number is multiplied with to be
/// rounded, 0 where it has no code.
std::pair<Value, Value> PrefillPacking::scalesOf(Value largest) {
  Type integer = largest.getType(), type = v.f32();
  if (auto lanes = dyn_cast<VectorType>(integer))
    type = lanes.cloneWith(std::nullopt, v.f32());
  auto number = [&](double value) -> Value {
    if (auto lanes = dyn_cast<VectorType>(type))
      return v.splat(lanes, value);
    return v.constF(value);
  };
  // What becomes infinite as bf16 is not finite.
  int64_t limit = form.isI8() ? 0x7f800000 : 0x7f7f8000;
  Value bound = isa<VectorType>(type)
                    ? v.splat(cast<VectorType>(integer), limit)
                    : Value(arith::ConstantOp::create(
                          v.b, v.loc, v.b.getI32IntegerAttr(limit)));
  Value finite = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                       largest, bound);
  Value factor = number(1), inverse = number(1);
  if (form.isI8()) {
    Value most = arith::BitcastOp::create(v.b, v.loc, type, largest);
    Value none = v.lessF(most, number(qattn::kLeastMagnitude));
    factor = v.select(none, number(0), v.divf(most, number(127)));
    inverse = v.select(none, number(0), v.divf(number(127), most));
  }
  factor = v.select(finite, factor,
                    number(std::numeric_limits<double>::quiet_NaN()));
  return {factor, v.select(finite, inverse, number(0))};
}

/// One number a lane, f32; in 16 bits, its bits, i32, of which the upper half
/// counts.
Value PrefillPacking::rounded(Value numbers, Value inverse) {
  if (form.isI8())
    return v.subf(v.addf(v.mulf(numbers, inverse), splat(kBig)), splat(kBig));
  Value word = bits(numbers);
  Value even = v.add(v.andI(v.shr(word, 16), 1),
                     v.splat(v.vec(kLanes, v.i32()), 0x7fff));
  word = v.andI(v.add(word, even), 0xffff0000);
  Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                     inverse, splat(0));
  return v.select(none, v.splat(v.vec(kLanes, v.i32()), 0), word);
}

/// The numbers of a word, each with its own inverse, in all lanes.
Value PrefillPacking::wordOf(ArrayRef<Value> numbers,
                             ArrayRef<Value> inverses) {
  if (!form.isI8()) {
    Value high = rounded(numbers.back(), inverses.back());
    if (form.perWord == 1)
      return v.cast(high, kLanes, v.f32());
    return v.orI(high, v.shr(rounded(numbers[0], inverses[0]), 16));
  }
  if (form.perWord == 1)
    return rounded(numbers[0], inverses[0]);
  Value word;
  for (auto [i, number] : llvm::enumerate(numbers)) {
    Value code = v.addf(v.mulf(number, inverses[i]), splat(kBigByte));
    Value byte = v.shl(v.andI(bits(code), 0xff), 8 * i);
    word = word ? v.orI(word, byte) : byte;
  }
  return v.xorI(word, 0x80808080);
}

//===----------------------------------------------------------------------===//
// Queries
//===----------------------------------------------------------------------===//

/// Scores are logarithms to the base 2, or with softcap what tanh takes.
void PrefillPacking::packQueries(Value part, Value lane,
                                 ArrayRef<std::pair<Value, Value>> places) {
  double scale = op.getScale().convertToFloat();
  double factor =
      op.getSoftcap() ? 1 / op.getSoftcap()->convertToDouble() : kLog2E;
  Value multiplier = splat(form.precision ? scale : scale * factor);
  forEachChunk(rows.dim, [&](Value col, int64_t count) {
    SmallVector<Value> values;
    for (auto [token, query] : places)
      values.push_back(
          v.loadFirst(op.getQ(), {token, query, col}, kLanes, count));
    transpose16(v, values);
    for (auto [i, value] : llvm::enumerate(values)) {
      Value number = v.mulf(value, multiplier);
      if (form.precision)
        v.store(number, buffers.column, {v.add(col, i), v.index(0)});
      else
        v.store(number, buffers.queries, {part, v.add(col, i), lane});
    }
  });
  if (form.precision)
    roundQueries(part, lane, factor);
}

void PrefillPacking::roundQueries(Value part, Value lane, double factor) {
  auto column = [&](Value col) {
    return v.load(buffers.column, {col, v.index(0)}, kLanes);
  };
  Value none = v.splat(v.vec(kLanes, v.i32()), 0);
  Value most = v.loop(v.index(0), v.index(rows.dim), 1, none,
                      [&](Value col, ValueRange carried) -> SmallVector<Value> {
                        return {arith::MaxUIOp::create(v.b, v.loc, carried[0],
                                                       magnitude(column(col)))};
                      })[0];
  auto [scale, inverse] = scalesOf(most);
  v.store(v.mulf(scale, splat(factor)), buffers.queryFactors, {part, lane});
  Value sum =
      v.loop(v.index(0), v.index(form.words(rows.dim)), 1, none,
             [&, inverse = inverse](Value word,
                                    ValueRange carried) -> SmallVector<Value> {
               SmallVector<Value> numbers;
               for (int64_t i = 0; i < form.perWord; ++i)
                 numbers.push_back(column(v.add(v.mul(word, form.perWord), i)));
               Value packed =
                   wordOf(numbers, SmallVector<Value>(numbers.size(), inverse));
               v.store(packed, buffers.queries, {part, word, lane});
               if (!form.sumsIntegers())
                 return {carried[0]};
               Value ones = v.splat(v.vec(kLanes, v.i32()), 0x01010101);
               return {form.multiply(v, ones, packed, carried[0])};
             })[0];
  // Keys have 128 more, as they have no sign.
  if (form.sumsIntegers())
    v.store(v.mulI(sum, v.splat(v.vec(kLanes, v.i32()), -128)), buffers.start,
            {part, lane});
}

//===----------------------------------------------------------------------===//
// Keys and values
//===----------------------------------------------------------------------===//

/// Bits of the largest magnitude of a head of a token.
Value PrefillPacking::largest(Value from, Value token, Value head,
                              int64_t size) {
  // A head of the next tokens is far from this one, for no hardware to find.
  constexpr int64_t kAhead = 4;
  Value ahead = v.min(v.add(token, kAhead), v.index(rows.keys - 1));
  auto larger = [&](Value most, Value col, int64_t count) -> Value {
    memref::PrefetchOp::create(v.b, v.loc, from, ValueRange{ahead, head, col},
                               /*isWrite=*/false, /*localityHint=*/3,
                               /*isDataCache=*/true);
    Value numbers = v.loadFirst(from, {token, head, col}, kLanes, count);
    return arith::MaxUIOp::create(v.b, v.loc, most, magnitude(numbers));
  };
  int64_t whole = size / kLanes * kLanes;
  Value most = v.loop(v.index(0), v.index(whole), kLanes,
                      v.splat(v.vec(kLanes, v.i32()), 0),
                      [&](Value col, ValueRange carried) -> SmallVector<Value> {
                        return {larger(carried[0], col, kLanes)};
                      })[0];
  if (whole < size)
    most = larger(most, v.index(whole), size - whole);
  return vector::ReductionOp::create(v.b, v.loc, vector::CombiningKind::MAXUI,
                                     most);
}

/// Factors and inverses of a key and a value.
void PrefillPacking::measure(Value head, Value token, Value key) {
  auto store = [&](Value number, Value buffer) {
    memref::StoreOp::create(v.b, v.loc, number, buffer, ValueRange{key});
  };
  auto [keyFactor, keyInverse] =
      scalesOf(largest(op.getK(), token, head, rows.dim));
  auto [valueFactor, valueInverse] =
      scalesOf(largest(op.getV(), token, head, rows.valueDim));
  Value isNaN = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::UNO,
                                      valueFactor, valueFactor);
  store(v.select(isNaN, valueFactor, keyFactor), buffers.keyFactors);
  store(keyInverse, buffers.keyInverses);
  store(valueInverse, buffers.valueInverses);
  // A row that does not see the token has zero times this.
  if (form.isI8())
    store(v.select(isNaN, v.constF(1), valueFactor), buffers.valueScales);
}

void PrefillPacking::packKey(Value head, Value token, Value key) {
  Value inverse;
  if (form.precision)
    inverse = v.broadcast(
        memref::LoadOp::create(v.b, v.loc, buffers.keyInverses, key), kLanes);
  auto bytes = [&](Value words, Type element, Value col) {
    Value narrow =
        arith::TruncIOp::create(v.b, v.loc, v.vec(kLanes, element), words);
    Value word = arith::DivUIOp::create(v.b, v.loc, col, v.index(form.perWord));
    v.store(v.cast(narrow, kLanes / form.perWord, v.i32()), buffers.keys,
            {key, word});
  };
  forEachChunk(rows.dim, [&](Value col, int64_t width) {
    Value numbers = v.loadFirst(op.getK(), {token, head, col}, kLanes, width);
    if (form.perWord == 4)
      return bytes(bits(v.addf(v.mulf(numbers, inverse), splat(kBigByte))),
                   v.i8(), col);
    if (form.perWord == 2)
      return bytes(v.shr(rounded(numbers, inverse), 16), v.i16(), col);
    if (form.precision)
      numbers = wordOf(numbers, inverse);
    v.store(numbers, buffers.keys, {key, col});
  });
}

/// Words of keys; behind the last the last is repeated.
void PrefillPacking::packValues(Value head, Value first, Value count) {
  Value last = v.sub(count, v.index(1));
  Value words = arith::DivUIOp::create(
      v.b, v.loc, v.add(count, form.perWord - 1), v.index(form.perWord));
  forEach(words, [&](Value word) {
    SmallVector<Value> tokens, inverses;
    for (int64_t i = 0; i < form.perWord; ++i) {
      Value key = v.min(v.add(v.mul(word, form.perWord), i), last);
      tokens.push_back(v.add(first, key));
      if (form.precision)
        inverses.push_back(v.broadcast(
            memref::LoadOp::create(v.b, v.loc, buffers.valueInverses, key),
            kLanes));
    }
    forEachChunk(rows.valueDim, [&](Value col, int64_t width) {
      SmallVector<Value> numbers;
      for (Value token : tokens)
        numbers.push_back(
            v.loadFirst(op.getV(), {token, head, col}, kLanes, width));
      v.store(form.precision ? wordOf(numbers, inverses) : numbers[0],
              buffers.values, {word, col});
    });
  });
}

void PrefillPacking::packBlock(Value head, Value first, Value count) {
  forEach(count, [&](Value key) {
    Value token = v.add(first, key);
    if (form.precision)
      measure(head, token, key);
    packKey(head, token, key);
  });
  packValues(head, first, count);
}
