//===- IntegerValues.cpp - 8-bit values as integers -----------------------===//

#include "passes/cpu/IntegerValues.h"

#include "passes/cpu/IntegerLimbs.h"
#include "passes/cpu/ProductKernel.h"

#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::common::KVPart;

static constexpr int64_t kLanes = kAttentionLanes;
/// The largest integer of unsigned limbs, less what rounding of a factor can
/// add.
static constexpr double kMostUnsigned = 16777000;

IntegerValues::IntegerValues(VectorBuilder &v, Operation *op,
                             const BlockCache &block, const Scores &weights,
                             Value sums)
    : v(v), block(block), weights(weights), sums(sums),
      dim(block.type.getDim()),
      columns(static_cast<int64_t>(llvm::alignTo(dim, kLineColumns))) {
  int64_t heads = cast<MemRefType>(sums.getType()).getDimSize(0);
  limbs = kernelBuffer(v, op, {heads, block.tokens() * kWord}, v.i8());
  units = kernelBuffer(v, op, {heads}, v.f32());
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// The largest of the lanes, as unsigned integers.
static Value largestLane(VectorBuilder &v, Value lanes) {
  return vector::ReductionOp::create(v.b, v.loc, vector::CombiningKind::MAXUI,
                                     lanes);
}

static Value bitsOf(VectorBuilder &v, double number) {
  auto bits = llvm::bit_cast<int32_t>(static_cast<float>(number));
  return arith::ConstantOp::create(v.b, v.loc, v.b.getI32IntegerAttr(bits));
}

void IntegerValues::splitWeights(Value head) {
  HeadTile tile{{}, head, 1};
  SmallVector<Value> lanes;
  Value largest;
  for (int64_t token = 0; token < block.tokens(); token += kLanes) {
    Value at = weights.at(v, tile, 0, v.index(token));
    Value weight = v.load(weights.memref, {at}, kLanes);
    lanes.push_back(weight);
    Value bits = v.cast(weight, kLanes, v.i32());
    largest =
        largest ? arith::MaxUIOp::create(v.b, v.loc, largest, bits) : bits;
  }
  // Bits of floats are in the order of the floats, above which are infinity,
  // NaN and what is negative.
  Value most = largestLane(v, largest);
  auto compare = [&](arith::CmpIPredicate predicate, double bound) -> Value {
    return arith::CmpIOp::create(v.b, v.loc, predicate, most, bitsOf(v, bound));
  };
  Value usable = v.andI(compare(arith::CmpIPredicate::ule, kMost),
                        v.orI(compare(arith::CmpIPredicate::eq, 0),
                              compare(arith::CmpIPredicate::uge, kLeast)));
  choose(
      v, usable,
      [&] {
        Value bound =
            arith::MaxUIOp::create(v.b, v.loc, most, bitsOf(v, kLeast));
        splitLanes(head, lanes,
                   arith::BitcastOp::create(v.b, v.loc, v.f32(), bound));
      },
      [&] { storeScalar(v, v.constF(0.0), units, head); });
}

/// Splits weights up to `most`.
void IntegerValues::splitLanes(Value head, ArrayRef<Value> lanes, Value most) {
  storeScalar(v, v.mulf(most, v.constF(1.0 / kMostUnsigned)), units, head);
  Value factor = v.broadcast(v.divf(v.constF(kMostUnsigned), most), kLanes);
  // The same limb of four tokens together, the highest first.
  SmallVector<int64_t> order;
  for (int64_t first = 0; first < kLineColumns; first += kWord * kWord)
    for (int64_t byte : {2, 1, 0, 3})
      for (int64_t token = 0; token < kWord; ++token)
        order.push_back(first + token * kWord + byte);
  for (auto [number, weight] : llvm::enumerate(lanes)) {
    Value bytes =
        v.cast(toInteger(v, v.mulf(weight, factor)), kLineColumns, v.i8());
    int64_t at = static_cast<int64_t>(number) * kLineColumns;
    v.store(v.shuffle(bytes, order), limbs, {head, v.index(at)});
  }
}

Value IntegerValues::weightsFit(const HeadTile &tile) {
  return allHaveUnits(v, tile, units);
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void IntegerValues::addValues(const HeadTile &tile, Value count) {
  int64_t whole = dim / kLineColumns * kLineColumns;
  v.loop(v.index(0), v.index(whole), kLineColumns, {},
         [&](Value col, ValueRange) -> SmallVector<Value> {
           addLine(tile, count, col, kLineColumns);
           return {};
         });
  if (whole < dim)
    addLine(tile, count, v.index(whole), dim - whole);
}

void IntegerValues::addLine(const HeadTile &tile, Value count, Value col,
                            int64_t size) {
  SmallVector<Value> low = addHalfLine(tile, false, count, col, size);
  SmallVector<Value> high = addHalfLine(tile, true, count, col, size);
  for (int64_t i = 0; i < tile.heads; ++i) {
    Value head = v.add(tile.head, i);
    Value unit = v.broadcast(loadScalar(v, units, head), kLanes);
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
        SmallVector<Value> at{head, v.add(col, chunk * kLanes)};
        ++chunk;
        Value old = v.load(sums, at, kLanes);
        v.store(v.fma(v.shuffle(a, b, mask), unit, old), sums, at);
      }
    }
  }
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

/// The products of each head with half of each run of 16 columns of a line: two
/// vectors of columns.
SmallVector<Value> IntegerValues::addHalfLine(const HeadTile &tile, bool high,
                                              Value count, Value col,
                                              int64_t size) {
  Value zero = v.splat(v.vec(kLanes, v.i32()), 0);
  // Of each head and limb, two vectors of columns.
  SmallVector<Value> state(tile.heads * kLimbs * 2, zero);
  Value start = v.mul(col, block.tokens());
  if (high)
    start = v.add(start, block.tokens() / 2 * kLineColumns);
  state = v.loop(
      v.index(0), count, kWord, state, [&](Value token, ValueRange carried) {
        SmallVector<Value> lines, read;
        for (int64_t t = 0; t < kWord; ++t) {
          Value place = v.add(
              block.at(v, KVPart::Value, v.add(token, t), tile.group), col);
          lines.push_back(
              v.loadFirst(block.bytes, {place}, kLineColumns, size));
          // Again for the other half: lines so far apart push each other out.
          block.ahead.soon(place, kWord);
          if (!high)
            read.push_back(place);
        }
        block.ahead.next(KVPart::Value, tile.group,
                         v.add(start, v.mul(token, kLineColumns / 2)), read,
                         kWord * kLineColumns / 2);
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
        for (int64_t i = 0; i < tile.heads; ++i)
          for (int64_t limb = 0; limb < kLimbs; ++limb) {
            Value at = v.add(v.mul(token, kWord), limb * kWord);
            Value weight = wordEverywhere(v, limbs, {v.add(tile.head, i), at});
            for (Value value : values) {
              *sum = dot4(v, DotKind::Vnni, weight, value, *sum);
              ++sum;
            }
          }
        return next;
      });
  SmallVector<Value> results;
  for (int64_t i = 0; i < tile.heads; ++i)
    for (int64_t part = 0; part < 2; ++part) {
      SmallVector<Value> some;
      for (int64_t limb = 0; limb < kLimbs; ++limb)
        some.push_back(state[(i * kLimbs + limb) * 2 + part]);
      results.push_back(joinLimbs(v, some));
    }
  return results;
}
