//===- PrefillPart.cpp - rows of a prefill and a block of keys ------------===//

#include "passes/cpu/PrefillPart.h"

#include "passes/cpu/Exp2.h"

#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

using namespace mlir;
using namespace headrace::cpu;

static constexpr int64_t kLanes = kPrefillLanes;
static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();
static constexpr double kLog2E = 1.4426950408889634;

/// Vector `n` of the rows from `row` on.
Value PrefillPart::loadRows(Value buffer, ArrayRef<Value> at, Value row,
                            int64_t n) {
  SmallVector<Value> indices(at);
  indices.push_back(v.add(row, n * kLanes));
  return v.load(buffer, indices, kLanes);
}

void PrefillPart::storeRows(Value rows, Value buffer, ArrayRef<Value> at,
                            Value row, int64_t n) {
  SmallVector<Value> indices(at);
  indices.push_back(v.add(row, n * kLanes));
  v.store(rows, buffer, indices);
}

/// Words of `count` keys, rounded down.
Value PrefillPart::words(Value count) {
  return form.perWord == 1
             ? count
             : arith::DivUIOp::create(v.b, v.loc, count, v.index(form.perWord));
}

void PrefillPart::add(Value part, Value first, const PrefillKeys &keys) {
  this->part = part;
  this->first = first;
  this->keys = keys;
  firstKey = keys.begin;
  endKey = keys.end;
  if (form.perWord > 1) {
    firstKey = v.mul(words(keys.begin), form.perWord);
    endKey = v.mul(words(v.add(keys.end, form.perWord - 1)), form.perWord);
  }
  v.loop(v.index(0), v.index(rows.partRows()), tile.vectors * kLanes, {},
         [&](Value row, ValueRange) -> SmallVector<Value> {
           score(row);
           weigh(row);
           int64_t whole = rows.valueDim / tile.width * tile.width;
           v.loop(v.index(0), v.index(whole), tile.width, {},
                  [&](Value col, ValueRange) -> SmallVector<Value> {
                    addValues(row, col, tile.width);
                    return {};
                  });
           if (whole < rows.valueDim)
             addValues(row, v.index(whole), rows.valueDim - whole);
           return {};
         });
}

/// Whether a vector of rows sees a key of the block.
Value PrefillPart::seenBy(Value key, Value row, int64_t n) {
  Value token =
      arith::IndexCastOp::create(v.b, v.loc, v.i32(), v.add(first, key));
  Value distance = v.sub(v.broadcast(token, kLanes),
                         loadRows(buffers.firstSeen, part, row, n));
  return arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult, distance,
                               loadRows(buffers.countSeen, part, row, n));
}

/// `scores` of a tile whose first key is `key`, minus infinity where a key is
/// not seen. Of most tiles all keys are.
SmallVector<Value> PrefillPart::masked(ArrayRef<Value> scores,
                                       ArrayRef<Value> tileKeys, Value key,
                                       Value row) {
  if (!buffers.firstSeen)
    return SmallVector<Value>(scores);
  Value before = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                       key, keys.allBegin);
  Value behind = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ugt,
                                       v.add(key, tile.width), keys.allEnd);
  auto op = scf::IfOp::create(
      v.b, v.loc, v.orI(before, behind),
      [&](OpBuilder &nested, Location loc) {
        OpBuilder::InsertionGuard guard(v.b);
        v.b.setInsertionPoint(nested.getInsertionBlock(),
                              nested.getInsertionPoint());
        SmallVector<Value> next;
        for (auto [i, score] : llvm::enumerate(scores)) {
          auto [t, n] = std::pair(i / tile.vectors, i % tile.vectors);
          next.push_back(v.select(seenBy(tileKeys[t], row, n), score,
                                  splat(kMinusInfinity)));
        }
        scf::YieldOp::create(v.b, loc, next);
      },
      [&](OpBuilder &nested, Location loc) {
        scf::YieldOp::create(nested, loc, scores);
      });
  return SmallVector<Value>(op.getResults());
}

/// What scores are taken relative to. Where nothing is seen yet, minus infinity
/// minus itself would be NaN.
Value PrefillPart::baseOf(Value most) {
  Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                     most, splat(kMinusInfinity));
  return v.select(none, splat(0), most);
}

Value PrefillPart::capped(Value score) {
  if (!op.getSoftcap())
    return score;
  double cap = op.getSoftcap()->convertToFloat();
  return v.mulf(math::TanhOp::create(v.b, v.loc, score), splat(cap * kLog2E));
}

/// Scores before they are masked.
SmallVector<Value> PrefillPart::dots(ArrayRef<Value> tileKeys, Value row) {
  SmallVector<Value> sums;
  for (size_t t = 0; t < tileKeys.size(); ++t)
    for (int64_t n = 0; n < tile.vectors; ++n)
      sums.push_back(form.sumsIntegers() ? loadRows(buffers.start, part, row, n)
                                         : splat(0));
  sums = v.loop(v.index(0), v.index(form.words(rows.dim)), 1, sums,
                [&](Value col, ValueRange carried) {
                  return addColumn(tileKeys, row, col, carried);
                });
  SmallVector<Value> factors;
  for (int64_t n = 0; form.precision && n < tile.vectors; ++n)
    factors.push_back(loadRows(buffers.queryFactors, part, row, n));
  for (auto [i, sum] : llvm::enumerate(sums)) {
    if (form.sumsIntegers())
      sum = v.toFloat(sum);
    if (form.precision) {
      Value factor = everywhere(buffers.keyFactors, tileKeys[i / tile.vectors]);
      sum = v.mulf(v.mulf(sum, factor), factors[i % tile.vectors]);
    }
    sum = capped(sum);
  }
  return sums;
}

/// Scores of some rows, the largest of each, and what earlier sums are
/// multiplied with. Behind the last key it is repeated.
void PrefillPart::score(Value row) {
  SmallVector<Value> before;
  for (int64_t n = 0; n < tile.vectors; ++n)
    before.push_back(loadRows(buffers.largest, part, row, n));
  Value last = v.sub(keys.end, v.index(1));
  SmallVector<Value> after =
      v.loop(firstKey, keys.end, tile.width, before,
             [&](Value key, ValueRange carried) {
               SmallVector<Value> tileKeys;
               for (int64_t t = 0; t < tile.width; ++t)
                 tileKeys.push_back(v.min(v.add(key, t), last));
               SmallVector<Value> scores =
                   masked(dots(tileKeys, row), tileKeys, key, row);
               SmallVector<Value> most(carried);
               for (int64_t t = 0; t < tile.width; ++t)
                 for (int64_t n = 0; n < tile.vectors; ++n) {
                   Value score = scores[t * tile.vectors + n];
                   storeRows(score, buffers.scores, v.add(key, t), row, n);
                   // NaN is never the largest, but its weight will be NaN.
                   most[n] = v.select(v.lessF(most[n], score), score, most[n]);
                 }
               return most;
             });
  leaveOut(keys.end, row);
  for (int64_t n = 0; n < tile.vectors; ++n) {
    Value keep = exp2(v, v.subf(before[n], baseOf(after[n])));
    Value total = loadRows(buffers.total, part, row, n);
    storeRows(keep, buffers.keep, {}, row, n);
    storeRows(v.mulf(total, keep), buffers.total, part, row, n);
    storeRows(after[n], buffers.largest, part, row, n);
  }
}

SmallVector<Value> PrefillPart::addColumn(ArrayRef<Value> keys, Value row,
                                          Value col, ValueRange dots) {
  SmallVector<Value> queries, next;
  for (int64_t n = 0; n < tile.vectors; ++n)
    queries.push_back(loadRows(buffers.queries, {part, col}, row, n));
  for (Value key : keys) {
    Value number = everywhere(buffers.keys, {key, col});
    for (Value query : queries)
      next.push_back(form.multiply(v, number, query, dots[next.size()]));
  }
  return next;
}

/// Adds weights times values to `width` columns of some rows.
void PrefillPart::addValues(Value row, Value col, int64_t width) {
  auto at = [&](int64_t c) { return SmallVector<Value>{part, v.add(col, c)}; };
  auto kept = [&](int64_t c, int64_t n) {
    return v.mulf(loadRows(buffers.sums, at(c), row, n),
                  loadRows(buffers.keep, {}, row, n));
  };
  // In 8 bits sums are those of the block.
  Value zero = v.splat(v.vec(kLanes, form.sumType(v)), 0);
  SmallVector<Value> sums;
  for (int64_t c = 0; c < width; ++c)
    for (int64_t n = 0; n < tile.vectors; ++n)
      sums.push_back(form.isI8() ? zero : kept(c, n));
  if (form.perWord > 1) {
    sums = addKeys(firstKey, endKey, /*isMasked=*/false, row, col, width, sums);
  } else {
    if (op.getWindow())
      sums = addKeys(keys.begin, keys.allBegin, /*isMasked=*/true, row, col,
                     width, sums);
    sums = addKeys(keys.allBegin, keys.allEnd, /*isMasked=*/false, row, col,
                   width, sums);
    if (buffers.firstSeen)
      sums = addKeys(keys.allEnd, keys.end, /*isMasked=*/true, row, col, width,
                     sums);
  }
  for (int64_t c = 0; c < width; ++c)
    for (int64_t n = 0; n < tile.vectors; ++n) {
      Value sum = sums[c * tile.vectors + n];
      if (form.sumsIntegers())
        sum = v.toFloat(sum);
      if (form.isI8())
        sum = v.fma(sum, loadRows(buffers.unit, {}, row, n), kept(c, n));
      storeRows(sum, buffers.sums, at(c), row, n);
    }
}

/// What a row does not see is left out: zero times NaN would be NaN.
SmallVector<Value> PrefillPart::addKeys(Value lower, Value upper, bool isMasked,
                                        Value row, Value col, int64_t width,
                                        ValueRange sums) {
  Value from = form.perWord == 1 ? buffers.scores : buffers.weights;
  return v.loop(
      words(lower), words(upper), 1, sums, [&](Value key, ValueRange carried) {
        SmallVector<Value> weights, masks, next;
        for (int64_t n = 0; n < tile.vectors; ++n) {
          weights.push_back(loadRows(from, key, row, n));
          if (isMasked)
            masks.push_back(seenBy(key, row, n));
        }
        for (int64_t c = 0; c < width; ++c) {
          Value number = everywhere(buffers.values, {key, v.add(col, c)});
          for (int64_t n = 0; n < tile.vectors; ++n) {
            Value old = carried[next.size()];
            Value sum = form.multiply(v, weights[n], number, old);
            next.push_back(isMasked ? v.select(masks[n], sum, old) : sum);
          }
        }
        return next;
      });
}
