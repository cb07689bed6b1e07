//===- FloatAttention.cpp - keys and values as f32 ------------------------===//

#include "passes/cpu/FloatAttention.h"

#include "passes/cpu/Transpose.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::common::KVPart;

static constexpr int64_t kLanes = kAttentionLanes;
static constexpr int64_t kLineBytes = 64;
/// Tokens from which values are fetched into the first cache ahead.
static constexpr int64_t kTokensAhead = 4;

static Value zero(VectorBuilder &v) {
  return v.splat(v.vec(kLanes, v.f32()), 0);
}

//===----------------------------------------------------------------------===//
// Keys
//===----------------------------------------------------------------------===//

void FloatAttention::score(const HeadTile &tile, Value count) {
  // Each score has a vector of sums, whose lanes are added at the end.
  int64_t tokens = mostSums / tile.heads;
  v.loop(v.index(0), count, tokens, {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> places;
           for (int64_t t = 0; t < tokens; ++t)
             places.push_back(
                 block.at(v, KVPart::Key, v.add(token, t), tile.group));
           SmallVector<Value> dots(mostSums, zero(v));
           // A line of each key at a time, then what is left.
           int64_t step = kLineBytes / width, whole = dim / step * step;
           dots = v.loop(v.index(0), v.index(whole), step, dots,
                         [&](Value col, ValueRange carried) {
                           fetchKeys(tile.group, token, places, col, step);
                           return addColumns(places, tile, col, step, carried);
                         });
           if (whole < dim)
             dots = addColumns(places, tile, v.index(whole), dim - whole, dots);
           int64_t half = tokens * dim * width / 2;
           block.ahead.next(KVPart::Key, tile.group,
                            v.add(v.mul(token, dim * width), half), {}, half);
           storeScores(tile, token, dots);
           return {};
         });
}

/// Fetches a line of each of the keys behind those in `places`, too. Half of
/// the next block's are fetched while lanes are added.
void FloatAttention::fetchKeys(Value group, Value token, ArrayRef<Value> places,
                               Value col, int64_t step) {
  auto tokens = static_cast<int64_t>(places.size());
  SmallVector<Value> read;
  for (Value place : places) {
    read.push_back(v.add(place, v.mul(col, width)));
    block.ahead.soon(read.back(), tokens);
  }
  Value offset =
      v.add(v.mul(token, dim * width), v.mul(col, tokens * width / 2));
  block.ahead.next(KVPart::Key, group, offset, read, tokens * step * width / 2);
}

/// Adds to the sums of each token and, in turn, each head.
FloatAttention::Values FloatAttention::addColumns(ArrayRef<Value> places,
                                                  const HeadTile &tile,
                                                  Value first, int64_t columns,
                                                  ValueRange sums) {
  SmallVector<Value> dots(sums);
  forEachVector(columns, [&](int64_t column, int64_t count) {
    Value col = v.add(first, column);
    SmallVector<Value> keys;
    for (Value place : places)
      keys.push_back(loadNumbers(v, block.bytes,
                                 v.add(place, v.mul(col, width)),
                                 block.type.getDtype(), count));
    for (int64_t i = 0; i < tile.heads; ++i) {
      Value q = v.load(query, {v.add(tile.head, i), col}, kLanes);
      for (auto [t, key] : llvm::enumerate(keys)) {
        Value &dot = dots[static_cast<int64_t>(t) * tile.heads + i];
        dot = v.fma(q, key, dot);
      }
    }
  });
  return dots;
}

void FloatAttention::storeScores(const HeadTile &tile, Value token,
                                 ArrayRef<Value> dots) {
  SmallVector<Value> rows(dots);
  rows.resize(kLanes, zero(v));
  Value all = combineRows16(
      v, rows, [&](Value lhs, Value rhs) { return v.addf(lhs, rhs); });
  auto store = [&](ArrayRef<int64_t> lanes, int64_t i) {
    bool whole = static_cast<int64_t>(lanes.size()) == kLanes;
    v.store(whole ? all : v.shuffle(all, lanes), scores.memref,
            {scores.at(v, tile, i, token)});
  };
  if (!scores.apart)
    return store(llvm::to_vector(llvm::seq(mostSums)), 0);
  for (int64_t i = 0; i < tile.heads; ++i) {
    SmallVector<int64_t> lanes;
    for (int64_t lane = i; lane < mostSums; lane += tile.heads)
      lanes.push_back(lane);
    store(lanes, i);
  }
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

void FloatAttention::addValues(const HeadTile &tile, Value count) {
  int64_t chunks = llvm::divideCeil(dim, kLanes), wide = mostSums / tile.heads;
  for (int64_t chunk = 0; chunk < chunks; chunk += wide)
    addChunks(tile, chunk, std::min(wide, chunks - chunk), count);
}

/// The same of `wide` chunks of columns. Not a token more than is listed: a
/// zero weight times infinity would be NaN.
void FloatAttention::addChunks(const HeadTile &tile, int64_t first,
                               int64_t wide, Value count) {
  auto column = [&](int64_t n) { return (first + n) * kLanes; };
  SmallVector<SmallVector<Value>> places;
  SmallVector<Value> state;
  for (int64_t i = 0; i < tile.heads; ++i)
    for (int64_t n = 0; n < wide; ++n) {
      places.push_back({v.add(tile.head, i), v.index(column(n))});
      state.push_back(v.load(sums, places.back(), kLanes));
    }
  state =
      v.loop(v.index(0), count, 1, state, [&](Value token, ValueRange carried) {
        Value place = block.at(v, KVPart::Value, token, tile.group);
        fetchValues(tile.group, token, place, first, wide);
        SmallVector<Value> values, next;
        for (int64_t n = 0; n < wide; ++n)
          values.push_back(loadNumbers(
              v, block.bytes, v.add(place, column(n) * width),
              block.type.getDtype(), std::min(kLanes, dim - column(n))));
        for (int64_t i = 0; i < tile.heads; ++i) {
          Value weight = v.broadcast(
              loadScalar(v, scores.memref, scores.at(v, tile, i, token)),
              kLanes);
          for (Value value : values)
            next.push_back(v.fma(weight, value, carried[next.size()]));
        }
        return next;
      });
  for (auto [place, sum] : llvm::zip_equal(places, state))
    v.store(sum, sums, place);
}

/// Fetches lines of later values into the first cache, too.
void FloatAttention::fetchValues(Value group, Value token, Value place,
                                 int64_t first, int64_t wide) {
  int64_t chunk = kLanes * width, size = wide * chunk;
  SmallVector<Value> read;
  for (int64_t line = 0; line < size; line += kLineBytes) {
    read.push_back(v.add(place, first * chunk + line));
    block.ahead.soon(read.back(), kTokensAhead);
  }
  Value offset = v.add(v.mul(token, size), block.tokens() * first * chunk);
  block.ahead.next(KVPart::Value, group, offset, read, size);
}
