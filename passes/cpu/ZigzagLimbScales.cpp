//===- ZigzagLimbScales.cpp - limbs that columns are multiplied with ------===//

#include "passes/cpu/ZigzagLimbs.h"

using namespace mlir;
using namespace headrace::cpu;

/// 1.5 * 2^23: added to a small number, it leaves an integer in the lowest
/// bits.
static constexpr int32_t kRounding = 0x4b400000;

Value LimbSums::scaleColumns(Value slice, Value count) {
  Value skip = v.mul(slice, codes->bytes());
  int64_t lanes = std::min(codes->scaleLanes(), kSliceLanes);
  auto integers = v.vec(lanes, v.i32());
  auto four = [&](Value column, ValueRange carried) -> SmallVector<Value> {
    Value scaled = codes->products(v, bytes, startsOf(column, skip),
                                   v.load(factors, column, kTogether));
    v.store(scaled, products, {fourAt(column), v.index(0)});
    Value most = carried[0];
    for (int64_t first = 0; first < codes->scaleLanes(); first += lanes) {
      // As integers NaN is larger than infinity.
      Value bits = v.cast(v.repeat(scaled, first, lanes, 1), lanes, v.i32());
      most = arith::MaxSIOp::create(v.b, v.loc, most, v.andI(bits, 0x7fffffff));
    }
    return {most};
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
  // From 2^-101 to 2^120, so that no product with an integer overflows.
  Value usual = v.andI(is(arith::CmpIPredicate::sgt, 0x0d000000),
                       is(arith::CmpIPredicate::slt, 0x7b800000));
  // The largest integer has its upper limb below 127, and fits the rounding.
  double most = limbs == 2 ? 32500 : 4150000;
  Value number = arith::BitcastOp::create(v.b, v.loc, v.f32(), largest);
  double integer = codes->largestInteger();
  inverse = v.divf(v.constF(most), v.mulf(number, v.constF(integer)));
  inverse = v.select(zero, v.constF(0), inverse);
  unit = v.mulf(number, v.constF(integer / most));
  return v.orI(zero, usual);
}

/// `number * scale` as bytes in each i32, digits from -128 to 127.
Value LimbSums::digitsOf(Value number, Value scale) {
  // Adding a half of all digits but the upper one rounds them to the nearest.
  int64_t halves = limbs == 2 ? 0x80 : 0x8080;
  auto integers = v.vec(kSliceLanes, v.i32());
  Value magic = v.splat(v.vec(kSliceLanes, v.f32()), 12582912.0);
  Value whole = v.cast(v.fma(number, scale, magic), kSliceLanes, v.i32());
  whole =
      v.add(whole, v.splat(integers, static_cast<double>(halves - kRounding)));
  return v.cast(v.xorI(whole, halves), kBytes, v.i8());
}

/// From the lanes [column][group]: digits `first` and the next one of four
/// columns, in each i32 of one group; each is there twice, so that one
/// instruction spreads those of two groups.
Value LimbSums::pairOf(Value digits, int64_t first) {
  SmallVector<int64_t> from;
  for (int64_t group = 0; group < kGroupsTogether; ++group)
    for (int64_t byte = 0; byte < 16; ++byte) {
      int64_t lane = byte % kTogether * kGroupsTogether + group;
      from.push_back(4 * lane + std::min(first + byte / 8, limbs - 1));
    }
  return v.cast(v.shuffle(digits, from), kSliceLanes, v.i32());
}

/// For each run of a part's codes the word of its group: of digit `limb`, in
/// the pairs of all quads at `where`.
Value LimbSums::spread(Value memref, Value where, int64_t kind, int64_t limb) {
  SmallVector<int64_t> from; // of i64, each a word twice
  int64_t quad =
      codes->rowsAt(kind, 0) * 16 / codes->groupRows() / kGroupsTogether;
  for (int64_t run = 0; run < 4; ++run) {
    int64_t group = codes->rowsAt(kind, run) * 16 / codes->groupRows();
    from.append(2, 2 * (group - quad * kGroupsTogether) + limb % 2);
  }
  int64_t place = (quad * llvm::divideCeil(limbs, 2) + limb / 2) * kSliceLanes;
  Value pairs = v.load(memref, {where, v.index(place)}, kSliceLanes);
  pairs = v.cast(pairs, kSliceLanes / 2, v.b.getI64Type());
  return v.cast(v.shuffle(pairs, from), kSliceLanes, v.i32());
}

/// Limbs of x times the scales of a slice, and what the zero point takes off
/// them; adds the minima.
void LimbSums::computeCoefficients(Value slice, Value count) {
  Value skip = v.mul(slice, codes->bytes());
  Value all = v.broadcast(inverse, kSliceLanes);
  Value zero = v.splat(v.vec(kSliceLanes, v.i32()), 0);
  Value zeroPoint = v.splat(v.vec(kBytes, v.i8()),
                            static_cast<double>(int8_t(codes->zero())));
  int64_t pairs = llvm::divideCeil(limbs, 2);
  int64_t taken = codes->zero() ? kPartsOfSlice * quads() * pairs : 0;
  auto minimaAt = [&](int64_t part) -> SmallVector<Value> {
    return {partOf(slice, v.index(part)), v.index(0)};
  };
  auto four = [&](Value column, ValueRange carried) {
    SmallVector<Value> next(carried.begin(), carried.end());
    Value own =
        v.load(products, {fourAt(column), v.index(0)}, codes->productLanes());
    SmallVector<ColumnCodes::Groups> groups =
        codes->scaled(v, bytes, startsOf(column, skip), own);
    prefetch(slice, v.index(kPartsOfSlice), column);
    for (auto [at, group] : llvm::enumerate(groups)) {
      int64_t index = static_cast<int64_t>(at);
      int64_t part = index / quads(), quad = index % quads();
      Value where = v.add(fourAt(column), part * kBatch / kTogether);
      Value digits = digitsOf(group.integer, v.mulf(group.product, all));
      for (int64_t pair = 0; pair < pairs; ++pair) {
        Value words = pairOf(digits, 2 * pair);
        v.store(words, coefficients,
                {where, v.index((quad * pairs + pair) * kSliceLanes)});
        if (taken) {
          Value &sum = next[index * pairs + pair];
          sum = dot4(v, DotKind::Vnni, zeroPoint, v.cast(words, kBytes, v.i8()),
                     sum);
        }
      }
      if (minima) {
        Value &sum = next[taken + part];
        sum = v.fma(group.minimum, group.minimumProduct, sum);
      }
    }
    return next;
  };
  SmallVector<Value> state(taken, zero);
  for (int64_t part = 0; minima && part < kPartsOfSlice; ++part)
    state.push_back(v.load(minima, minimaAt(part), kSliceLanes));
  state = v.loop(v.index(0), count, kTogether, state, four);
  for (int64_t i = 0; i < taken; ++i) {
    int64_t part = i / (quads() * pairs), place = i % (quads() * pairs);
    v.store(v.sub(zero, state[i]), zeroSums,
            {v.index(part), v.index(place * kSliceLanes)});
  }
  for (int64_t part = 0; minima && part < kPartsOfSlice; ++part)
    v.store(state[taken + part], minima, minimaAt(part));
}
