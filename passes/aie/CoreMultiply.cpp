//===- CoreMultiply.cpp - activations times dequantized weights -----------===//

#include "passes/aie/CoreMatmul.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace headrace;
using common::VectorBuilder;

namespace {

/// A tile; of bfp16, what is left of it too.
struct Factor {
  Value first, rest;
};

/// Tokens and rows whose sums stay in registers: 256 sums are 16 of 18
/// accumulators of 512 bits (npu1), or 4 of 5 of 2048 bits (npu2).
constexpr int64_t kSide = 16;

class Multiply {
public:
  Multiply(VectorBuilder &v, aie::TileShape tile, int64_t columns,
           func::FuncOp function)
      : v(v), tile(tile), steps(columns / tile.k), x(function.getArgument(0)),
        w(function.getArgument(1)), y(function.getArgument(2)) {
    if (tile.blocks)
      splitBlocks =
          aie::getSplitBlocks(function->getParentOfType<ModuleOp>(), v.loc);
  }

  void build(int64_t tokens, int64_t rows) {
    int64_t tall = kSide / tile.m, wide = kSide / tile.n;
    rowTiles = rows / tile.n;
    v.loop(v.index(0), v.index(tokens / tile.m), tall, {},
           [&](Value token, ValueRange) {
             v.loop(v.index(0), v.index(rowTiles), wide, {},
                    [&](Value row, ValueRange) {
                      addBlock(token, row, tall, wide);
                      return SmallVector<Value>();
                    });
             return SmallVector<Value>();
           });
  }

private:
  /// The sums of `tall` by `wide` tiles.
  void addBlock(Value token, Value row, int64_t tall, int64_t wide) {
    int64_t size = tile.m * tile.n;
    Value first = v.mul(v.add(v.mul(token, rowTiles), row), size);
    SmallVector<Value> places, sums;
    for (int64_t i = 0; i < tall; ++i)
      for (int64_t j = 0; j < wide; ++j) {
        places.push_back(v.add(first, (i * rowTiles + j) * size));
        sums.push_back(v.load(y, places.back(), size));
      }
    Value left = v.mul(token, steps), right = v.mul(row, steps);
    sums = v.loop(v.index(0), v.index(steps), 1, sums,
                  [&](Value step, ValueRange carried) {
                    return addStep(v.add(left, step), v.add(right, step), tall,
                                   wide, carried);
                  });
    for (auto [place, sum] : llvm::zip_equal(places, sums))
      v.store(sum, y, place);
  }

  /// Products of the tiles from `left` and `right` on, by their numbers.
  SmallVector<Value> addStep(Value left, Value right, int64_t tall,
                             int64_t wide, ValueRange carried) {
    SmallVector<Value> a = loadTiles(x, left, tall, tile.m * tile.k);
    SmallVector<Value> b = loadTiles(w, right, wide, tile.k * tile.n);
    SmallVector<Factor> factors, others;
    for (Value lanes : a)
      factors.push_back(getFactor(lanes, tile.m, tile.k));
    for (Value lanes : b)
      others.push_back(tile.blocks ? getFactor(transpose(lanes), tile.n, tile.k)
                                   : getFactor(lanes, tile.k, tile.n));
    SmallVector<Value> next;
    for (int64_t i = 0; i < tall; ++i)
      for (int64_t j = 0; j < wide; ++j)
        next.push_back(
            addProduct(factors[i], others[j], carried[i * wide + j]));
    return next;
  }

  /// Tile `number` and those beside it, of other tokens or rows.
  SmallVector<Value> loadTiles(Value from, Value number, int64_t count,
                               int64_t size) {
    Value first = v.mul(number, size);
    SmallVector<Value> tiles;
    for (int64_t i = 0; i < count; ++i)
      tiles.push_back(v.load(from, v.add(first, i * steps * size), size));
    return tiles;
  }

  /// Columns of a tile of weights side by side: these share exponents.
  Value transpose(Value lanes) {
    SmallVector<int64_t> mask;
    for (int64_t row = 0; row < tile.n; ++row)
      for (int64_t column = 0; column < tile.k; ++column)
        mask.push_back(column * tile.n + row);
    return v.shuffle(lanes, mask);
  }

  Factor getFactor(Value lanes, int64_t height, int64_t width) {
    if (!tile.blocks)
      return {reshape(lanes, height, width), Value()};
    auto split = func::CallOp::create(v.b, v.loc, splitBlocks, lanes);
    return {reshape(split.getResult(0), height, width),
            reshape(split.getResult(1), height, width)};
  }

  Value addProduct(const Factor &a, const Factor &b, Value sum) {
    Value product = contract(a.first, b.first, reshape(sum, tile.m, tile.n));
    if (tile.blocks)
      product = contract(a.rest, b.first, contract(a.first, b.rest, product));
    return vector::ShapeCastOp::create(
        v.b, v.loc, v.vec(tile.m * tile.n, v.f32()), product);
  }

  Value contract(Value left, Value right, Value sum) {
    AffineExpr m, n, k;
    bindDims(v.b.getContext(), m, n, k);
    SmallVector<AffineExpr> other{k, n};
    if (tile.blocks)
      other = {n, k};
    constexpr auto kParallel = vector::IteratorType::parallel;
    return vector::ContractionOp::create(
        v.b, v.loc, left, right, sum,
        ArrayRef<ArrayRef<AffineExpr>>{{m, k}, other, {m, n}},
        {kParallel, kParallel, vector::IteratorType::reduction});
  }

  Value reshape(Value flat, int64_t height, int64_t width) {
    auto type = cast<VectorType>(flat.getType());
    return vector::ShapeCastOp::create(
        v.b, v.loc, VectorType::get({height, width}, type.getElementType()),
        flat);
  }

  VectorBuilder &v;
  aie::TileShape tile;
  /// Tiles along the columns, and along the rows.
  int64_t steps, rowTiles = 0;
  Value x, w, y;
  /// Of tiles of bfp16.
  func::FuncOp splitBlocks;
};

} // namespace

std::optional<aie::TileShape> aie::parseTile(StringRef text) {
  return llvm::StringSwitch<std::optional<TileShape>>(text)
      .Case("4x8x4", TileShape{4, 8, 4, false})
      .Case("8x8x8", TileShape{8, 8, 8, true})
      .Default(std::nullopt);
}

LogicalResult aie::buildMultiply(VectorBuilder &v, TileShape tile,
                                 int64_t columns, func::FuncOp function) {
  auto sizeOf = [&](unsigned number) {
    return cast<MemRefType>(function.getArgumentTypes()[number])
        .getNumElements();
  };
  if (columns <= 0 || columns % tile.k)
    return function.emitOpError("expected a multiple of ")
           << tile.k << " columns, but got " << columns;
  int64_t tokens = sizeOf(0) / columns, rows = sizeOf(1) / columns;
  if (tokens * columns != sizeOf(0) || rows * columns != sizeOf(1) ||
      tokens % kSide || rows % kSide || tokens * rows != sizeOf(2))
    return function.emitOpError("expected x of t x ")
           << columns << ", weights of r x " << columns
           << " and y of t x r numbers with t and r multiples of " << kSide
           << ", but got " << sizeOf(0) << ", " << sizeOf(1) << " and "
           << sizeOf(2);
  Multiply(v, tile, columns, function).build(tokens, rows);
  return success();
}
