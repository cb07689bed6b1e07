//===- IntegerKeys.cpp - 8-bit keys as integers ---------------------------===//

#include "passes/cpu/IntegerKeys.h"

#include "passes/cpu/IntegerLimbs.h"
#include "passes/cpu/ProductKernel.h"
#include "passes/cpu/Transpose.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::common::KVPart;

static constexpr int64_t kLanes = kAttentionLanes;
/// The largest integer of signed limbs, less what rounding of a factor can add.
static constexpr double kMostSigned = 8355000;
/// Tokens of a tile.
static constexpr int64_t kTile = kLanes;

IntegerKeys::IntegerKeys(VectorBuilder &v, Operation *op,
                         const BlockCache &block, const Scores &scores,
                         int64_t heads)
    : v(v), block(block), scores(scores), dim(block.type.getDim()),
      columns(static_cast<int64_t>(llvm::alignTo(dim, kLineColumns))) {
  query = kernelBuffer(v, op, {heads, kLimbs, columns}, v.i8());
  offsets = kernelBuffer(v, op, {heads, kLimbs}, v.i32());
  units = kernelBuffer(v, op, {heads}, v.f32());
  keys = kernelBuffer(v, op, {columns * kTile}, v.i8());
}

void IntegerKeys::splitQuery(Value from, Value head) {
  Value largest = largestMagnitude(v, from, {head}, columns);
  // False for NaN, too.
  Value fits =
      v.andI(compareF(v, arith::CmpFPredicate::OGE, largest, v.constF(kLeast)),
             compareF(v, arith::CmpFPredicate::OLE, largest, v.constF(kMost)));
  largest = v.select(fits, largest, v.constF(1.0));
  Value unit = v.mulf(largest, v.constF(1.0 / kMostSigned));
  storeScalar(v, v.select(fits, unit, v.constF(0.0)), units, head);
  Value factor = v.broadcast(v.divf(v.constF(kMostSigned), largest), kLanes);
  // What does not fit is not used, and no integer.
  Value everyLane = v.broadcast(fits, kLanes);
  Value none = v.splat(v.vec(kLanes, v.f32()), 0);
  auto words = v.vec(kLanes, v.i32());
  SmallVector<Value> sums =
      v.loop(v.index(0), v.index(columns), kLanes,
             SmallVector<Value>(kLimbs, v.splat(words, 0)),
             [&](Value col, ValueRange carried) {
               Value x = v.mulf(v.load(from, {head, col}, kLanes), factor);
               Value rest = toInteger(v, v.select(everyLane, x, none));
               SmallVector<Value> next(carried);
               for (int64_t limb = kLimbs - 1; limb >= 0; --limb) {
                 Value low = arith::TruncIOp::create(
                     v.b, v.loc, v.vec(kLanes, v.i8()), rest);
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

Value IntegerKeys::queriesFit(const HeadTile &tile) {
  return allHaveUnits(v, tile, units);
}

void IntegerKeys::score(const HeadTile &tile, Value count) {
  v.loop(v.index(0), count, kTile, {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> places;
           for (int64_t t = 0; t < kTile; ++t)
             places.push_back(
                 block.at(v, KVPart::Key, v.add(token, t), tile.group));
           int64_t whole = dim / kLineColumns * kLineColumns;
           v.loop(v.index(0), v.index(whole), kLineColumns, {},
                  [&](Value col, ValueRange) -> SmallVector<Value> {
                    transpose(tile, places, token, col, kLineColumns);
                    return {};
                  });
           if (whole < dim)
             transpose(tile, places, token, v.index(whole), dim - whole);
           SmallVector<Value> sums = addWords(tile, token, places[0]);
           for (int64_t i = 0; i < tile.heads; ++i) {
             Value unit =
                 v.broadcast(loadScalar(v, units, v.add(tile.head, i)), kLanes);
             Value dots =
                 joinLimbs(v, ArrayRef(sums).slice(i * kLimbs, kLimbs));
             v.store(v.mulf(dots, unit), scores.memref,
                     {scores.at(v, tile, i, token)});
           }
           return {};
         });
}

/// Stores a line of each of 16 keys, `size` columns of it, by columns.
void IntegerKeys::transpose(const HeadTile &tile, ArrayRef<Value> places,
                            Value token, Value col, int64_t size) {
  SmallVector<Value> rows, read;
  for (Value place : places) {
    read.push_back(v.add(place, col));
    Value line = v.loadFirst(block.bytes, {read.back()}, kLineColumns, size);
    rows.push_back(v.cast(line, kLanes, v.i32()));
  }
  // Half of what is fetched is while keys are transposed.
  Value offset = v.add(v.mul(token, columns), v.mul(col, kTile / 2));
  block.ahead.next(KVPart::Key, tile.group, offset, read,
                   kTile * kLineColumns / 2);
  transpose16(v, rows);
  for (auto [i, row] : llvm::enumerate(rows)) {
    Value at = v.add(v.mul(col, kTile), static_cast<int64_t>(i) * kLineColumns);
    v.store(v.xorI(v.cast(row, kLineColumns, v.i8()), -128), keys, {at});
  }
}

/// Fetches two lines of the tile behind that at `place` for each pair of words:
/// all of it, a column of lines after the other, as though slots were in order.
void IntegerKeys::fetchTile(Value place, Value col) {
  constexpr int64_t kStep = 2 * kWord, kPairs = kTile / 2;
  Value pair = arith::DivUIOp::create(v.b, v.loc, col, v.index(kStep));
  Value line = arith::DivUIOp::create(v.b, v.loc, pair, v.index(kPairs));
  Value row = arith::RemUIOp::create(v.b, v.loc, pair, v.index(kPairs));
  Value at = v.add(place, v.mul(row, 2 * block.type.getSlotBytes()));
  at = v.add(at, v.mul(line, kLineColumns));
  block.ahead.soon(at, kTile);
  block.ahead.soon(at, kTile + 1);
}

/// The products of each head and limb with 16 transposed keys, the first of
/// which is at `place`.
SmallVector<Value> IntegerKeys::addWords(const HeadTile &tile, Value token,
                                         Value place) {
  SmallVector<Value> sums;
  for (int64_t i = 0; i < tile.heads; ++i)
    for (int64_t limb = 0; limb < kLimbs; ++limb)
      sums.push_back(v.broadcast(
          loadScalar(v, offsets, {v.add(tile.head, i), v.index(limb)}),
          kLanes));
  Value start = v.add(v.mul(token, columns), columns * kTile / 2);
  return v.loop(v.index(0), v.index(columns), 2 * kWord, sums,
                [&](Value col, ValueRange carried) {
                  block.ahead.next(KVPart::Key, tile.group,
                                   v.add(start, v.mul(col, kTile / 2)), {},
                                   kWord * kTile);
                  SmallVector<Value> next(carried);
                  for (int64_t word = 0; word < 2; ++word) {
                    Value at = v.add(col, word * kWord);
                    Value key = v.load(keys, {v.mul(at, kTile)}, kLineColumns);
                    for (auto [n, sum] : llvm::enumerate(next)) {
                      auto number = static_cast<int64_t>(n);
                      Value q =
                          wordEverywhere(v, query,
                                         {v.add(tile.head, number / kLimbs),
                                          v.index(number % kLimbs), at});
                      sum = dot4(v, DotKind::Vnni, key, q, sum);
                    }
                  }
                  return next;
                });
}
