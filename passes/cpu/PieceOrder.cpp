//===- PieceOrder.cpp - the columns of a piece, out of order --------------===//

#include "passes/cpu/PieceOrder.h"

using namespace mlir;
using namespace headrace::cpu;

/// Columns of a piece and codes of a vector.
static constexpr int64_t kCols = 256, kLanes = 64;

SmallVector<int64_t> PieceOrder::groupsOf(int64_t vector) const {
  SmallVector<int64_t> groups;
  for (int64_t lane = 0; lane < kLanes; lane += 4)
    groups.push_back(columns[vector][lane] / groupCols);
  return groups;
}

SmallVector<SmallVector<int64_t>> PieceOrder::sums() const {
  SmallVector<SmallVector<int64_t>> result;
  for (size_t vector = 0; vector < columns.size(); ++vector) {
    auto *same = llvm::find_if(result, [&](ArrayRef<int64_t> sum) {
      return groupsOf(sum[0]) == groupsOf(vector);
    });
    if (same == result.end())
      result.push_back({static_cast<int64_t>(vector)});
    else
      same->push_back(vector);
  }
  return result;
}

SmallVector<int64_t> PieceOrder::scaleLanes(ArrayRef<int64_t> groups) const {
  SmallVector<int64_t> lanes;
  for (auto [lane, group] : llvm::enumerate(groups)) {
    Number scale{group, /*offset=*/false};
    // Where it is used, if it is there.
    int64_t at = numbers[lane] == scale
                     ? static_cast<int64_t>(lane)
                     : llvm::find(numbers, scale) - numbers.begin();
    lanes.push_back(at);
  }
  return lanes;
}

bool PieceOrder::hasOffsets() const {
  return llvm::any_of(numbers, [](const Number &n) { return n.offset; });
}

OrderedActivations::OrderedActivations(VectorBuilder &v, const Activations &x,
                                       DotKind dot, const PieceOrder &order,
                                       int64_t pieces)
    : pieceOrder(order) {
  auto type = MemRefType::get({pieces * pieceBytes()}, v.i8());
  buffer = memref::AllocaOp::create(v.b, v.loc, type,
                                    v.b.getI64IntegerAttr(kCacheLine));
  v.loop(v.index(0), v.index(pieces), 1, {},
         [&](Value piece, ValueRange) -> SmallVector<Value> {
           storeQuants(v, x, dot, piece);
           storeFactors(v, x, piece);
           return {};
         });
}

void OrderedActivations::storeQuants(VectorBuilder &v, const Activations &x,
                                     DotKind dot, Value piece) const {
  Value token = v.index(0), col = v.mul(piece, kCols);
  SmallVector<Value> loaded;
  for (int64_t at = 0; at < kCols; at += kLanes)
    loaded.push_back(x.quants(v, token, v.add(col, at), kLanes));
  SmallVector<Value> ordered;
  for (ArrayRef<int64_t> columns : pieceOrder.columns) {
    // From the first and the second half of the piece, then from both.
    SmallVector<int64_t> masks[2], both;
    for (int64_t half : {0, 1})
      for (int64_t column : columns)
        masks[half].push_back(column / (kCols / 2) == half
                                  ? column % (kCols / 2)
                                  : vector::ShuffleOp::kPoisonIndex);
    for (auto [lane, column] : llvm::enumerate(columns))
      both.push_back(lane + column / (kCols / 2) * kLanes);
    ordered.push_back(v.shuffle(v.shuffle(loaded[0], loaded[1], masks[0]),
                                v.shuffle(loaded[2], loaded[3], masks[1]),
                                both));
    storeLine(v, ordered.back(), piece, ordered.size() - 1);
  }
  int64_t zero = pieceOrder.zeroPoint;
  if (zero == 0)
    return;
  Value zeros = v.splat(v.vec(kLanes, v.i8()), static_cast<double>(zero));
  for (auto [i, vectors] : llvm::enumerate(pieceOrder.sums())) {
    Value sum;
    for (int64_t vector : vectors)
      sum = dot4(v, dot, zeros, ordered[vector], sum, zero);
    storeLine(v, v.sub(v.splat(v.vec(16, v.i32()), 0), sum), piece,
              firstStart() + static_cast<int64_t>(i));
  }
}

void OrderedActivations::storeFactors(VectorBuilder &v, const Activations &x,
                                      Value piece) const {
  constexpr int64_t kGroups = kCols / 32;
  Value token = v.index(0), group = v.mul(piece, kGroups);
  Value scales = x.scales(v, token, group, kGroups);
  Value sums = v.mulf(scales, v.toFloat(x.sums(v, token, group, kGroups)));
  if (pieceOrder.minusOffsets)
    sums = v.negf(sums);
  SmallVector<int64_t> mask;
  for (const PieceOrder::Number &number : pieceOrder.numbers)
    mask.push_back(number.group * pieceOrder.groupCols / 32 +
                   (number.offset ? kGroups : 0));
  storeLine(v, v.shuffle(scales, sums, mask), piece, factorLine());
}

void OrderedActivations::storeLine(VectorBuilder &v, Value line, Value piece,
                                   int64_t index) const {
  Value at = v.add(v.mul(piece, pieceBytes()), index * kCacheLine);
  v.store(v.cast(line, kCacheLine, v.i8()), buffer, at);
}

Cursor OrderedActivations::at(VectorBuilder &v, Value piece) const {
  return Cursor(v, buffer, v.mul(piece, pieceBytes()));
}

Value OrderedActivations::quants(VectorBuilder &v, const Cursor &at,
                                 int64_t piece, int64_t vector) const {
  return at.load(v, piece * pieceBytes() + vector * kCacheLine, kLanes, v.i8());
}

Value OrderedActivations::start(VectorBuilder &v, const Cursor &at,
                                int64_t piece, int64_t sum) const {
  if (pieceOrder.zeroPoint == 0)
    return {};
  return at.load(v, piece * pieceBytes() + (firstStart() + sum) * kCacheLine,
                 16, v.i32());
}

Value OrderedActivations::factors(VectorBuilder &v, const Cursor &at,
                                  int64_t piece) const {
  return at.load(v, piece * pieceBytes() + factorLine() * kCacheLine, 16,
                 v.f32());
}
