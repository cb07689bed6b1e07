//===- PrefillWeights.cpp - weights of a prefill, rounded or not ----------===//

#include "passes/cpu/Exp2.h"
#include "passes/cpu/PrefillPart.h"

#include <limits>

using namespace mlir;
using namespace headrace::cpu;

static constexpr int64_t kLanes = kPrefillLanes;
static constexpr double kMinusInfinity =
    -std::numeric_limits<double>::infinity();

/// Keys that fill up the last word have no weight.
void PrefillPart::leaveOut(Value from, Value row) {
  if (form.perWord == 1)
    return;
  v.loop(from, endKey, 1, {}, [&](Value key, ValueRange) -> SmallVector<Value> {
    for (int64_t n = 0; n < tile.vectors; ++n)
      storeRows(splat(kMinusInfinity), buffers.scores, key, row, n);
    return {};
  });
}

/// Scores of some rows to weights, which stay f32 but for words.
void PrefillPart::weigh(Value row) {
  int64_t vectors = tile.vectors;
  SmallVector<Value> carried, bases;
  for (int64_t n = 0; n < vectors; ++n) {
    carried.push_back(loadRows(buffers.total, part, row, n));
    bases.push_back(baseOf(loadRows(buffers.largest, part, row, n)));
  }
  if (form.isI8())
    carried.append(vectors, splat(0));
  carried =
      v.loop(firstKey, endKey, 1, carried, [&](Value key, ValueRange carried) {
        SmallVector<Value> next(carried);
        Value scale;
        if (form.isI8())
          scale = everywhere(buffers.valueScales, key);
        for (int64_t n = 0; n < vectors; ++n) {
          Value score = loadRows(buffers.scores, key, row, n);
          Value weight = exp2(v, v.subf(score, bases[n]));
          next[n] = v.addf(next[n], weight);
          if (form.isI8()) {
            // Keys that fill up a word have no weight, but no scale either.
            Value some = arith::CmpFOp::create(
                v.b, v.loc, arith::CmpFPredicate::UNE, weight, splat(0));
            weight = v.select(some, v.mulf(weight, scale), splat(0));
            Value &most = next[vectors + n];
            most = v.select(v.lessF(most, weight), weight, most);
          }
          storeRows(weight, buffers.scores, key, row, n);
        }
        return next;
      });
  for (int64_t n = 0; n < vectors; ++n)
    storeRows(carried[n], buffers.total, part, row, n);
  if (form.precision)
    roundWeights(row, ValueRange(carried).drop_front(vectors));
}

/// `largest` are the largest weights of the block times scales, in 8 bits.
void PrefillPart::roundWeights(Value row, ValueRange largest) {
  SmallVector<Value> inverses(tile.vectors);
  for (auto [n, most] : llvm::enumerate(largest)) {
    Value none = v.lessF(most, splat(qattn::kLeastWeight));
    inverses[n] = v.select(none, splat(0), v.divf(splat(255), most));
    storeRows(v.mulf(most, splat(1.0 / 255)), buffers.unit, {}, row, n);
  }
  Value to = form.perWord == 1 ? buffers.scores : buffers.weights;
  v.loop(firstKey, endKey, form.perWord, {},
         [&](Value key, ValueRange) -> SmallVector<Value> {
           Value word = words(key);
           for (int64_t n = 0; n < tile.vectors; ++n) {
             SmallVector<Value> weights;
             for (int64_t i = 0; i < form.perWord; ++i)
               weights.push_back(
                   loadRows(buffers.scores, v.add(key, i), row, n));
             storeRows(wordOf(weights, inverses[n]), to, word, row, n);
           }
           return {};
         });
}

/// Weights rounded, as one word. What is between two may become either.
Value PrefillPart::wordOf(ArrayRef<Value> weights, Value inverse) {
  auto bits = [&](Value floats) { return v.cast(floats, kLanes, v.i32()); };
  if (!form.isI8()) {
    SmallVector<Value> halves;
    Value half = v.splat(v.vec(kLanes, v.i32()), 0x8000);
    for (Value weight : weights)
      halves.push_back(v.add(bits(weight), half));
    Value high = v.andI(halves.back(), 0xffff0000);
    return form.perWord == 1 ? v.cast(high, kLanes, v.f32())
                             : v.orI(high, v.shr(halves[0], 16));
  }
  // The last bit of 2^23 is worth one, and of its own bits (0x4b000000) none
  // are left but in the first number; the last makes up for it.
  constexpr double kBig = 8388608;
  if (form.perWord == 1)
    return v.subf(v.fma(weights[0], inverse, splat(kBig)), splat(kBig));
  Value word;
  for (auto [i, weight] : llvm::enumerate(weights)) {
    double big = i == 3 ? kBig + (0x100 - 0x4b) : kBig;
    Value code = v.shl(bits(v.fma(weight, inverse, splat(big))), 8 * i);
    word = word ? v.add(word, code) : code;
  }
  return word;
}
