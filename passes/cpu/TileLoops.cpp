//===- TileLoops.cpp - loops around tiles of rows and tokens --------------===//

#include "passes/cpu/TileLoops.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::PackedType;

/// Tokens whose sums and activations have room in the second cache.
static constexpr int64_t kMostTokens = 516;

TileLoops::TileLoops(VectorBuilder &v, PackedType weight, Value init,
                     int64_t tokens, int64_t cols, int64_t most)
    : v(v), weight(weight), init(init), tokens(tokens), cols(cols) {
  // Tiles of tokens are all the same; what the last one has too much is
  // computed and not stored.
  int64_t block =
      llvm::divideCeil(tokens, llvm::divideCeil(tokens, kMostTokens));
  int64_t tiles = llvm::divideCeil(block, most);
  tileTokens = llvm::divideCeil(block, tiles);
  blockTokens = tiles * tileTokens;
}

Value TileLoops::buffer(ArrayRef<int64_t> shape, Type element) {
  return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, element),
                                  v.b.getI64IntegerAttr(kCacheLine));
}

void TileLoops::loop(Value from, Value to, int64_t step,
                     llvm::function_ref<void(Value)> body) {
  v.loop(from, to, step, {}, [&](Value i, ValueRange) -> SmallVector<Value> {
    body(i);
    return {};
  });
}

void TileLoops::when(Value condition, llvm::function_ref<void()> body,
                     llvm::function_ref<void()> otherwise) {
  auto branch = [&](llvm::function_ref<void()> emit) {
    return [this, emit](OpBuilder &nested, Location loc) {
      OpBuilder::InsertionGuard guard(v.b);
      v.b.setInsertionPoint(nested.getInsertionBlock(),
                            nested.getInsertionPoint());
      emit();
      scf::YieldOp::create(v.b, loc);
    };
  };
  if (otherwise)
    scf::IfOp::create(v.b, v.loc, condition, branch(body), branch(otherwise));
  else
    scf::IfOp::create(v.b, v.loc, condition, branch(body));
}

/// `body` with the number of columns that there are from column `columns` times
/// those of a tile.
void TileLoops::withColumns(Value columns,
                            llvm::function_ref<void(int64_t)> body) {
  int64_t whole = weight.getCols() / cols, rest = weight.getCols() % cols;
  if (!rest || !whole)
    return body(whole ? cols : rest);
  Value isWhole = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                        columns, v.index(whole));
  when(isWhole, [&] { body(cols); }, [&] { body(rest); });
}

void TileLoops::emit(RowRange range) {
  int64_t rowTiles = llvm::divideCeil(range.most, kTileRows);
  allocate();
  sums = buffer({rowTiles, blockTokens, kTileStrips, kTileLanes}, v.f32());
  loop(v.index(0), v.index(tokens), blockTokens, [&](Value first) {
    Value count = v.min(v.index(blockTokens), v.sub(v.index(tokens), first));
    multiplyBlock(range, rowTiles, first, count);
  });
}

/// All rows of the workgroup with `count` tokens from `first`.
void TileLoops::multiplyBlock(RowRange range, int64_t rowTiles, Value first,
                              Value count) {
  Value zero = v.splat(v.vec(kTileLanes, v.f32()), 0);
  loop(v.index(0), v.index(rowTiles), 1, [&](Value rowTile) {
    loop(v.index(0), v.index(blockTokens), 1, [&](Value token) {
      for (int64_t strip = 0; strip < kTileStrips; ++strip)
        v.store(zero, sums, sumAt(rowTile, token, strip));
    });
  });
  auto rowTileOf = [&](Value row) -> Value {
    return arith::DivUIOp::create(v.b, v.loc, v.sub(row, range.first),
                                  v.index(kTileRows));
  };
  auto copyTokens = [&](Value columns, Value token) {
    loop(v.index(0), v.index(tileTokens), 1, [&](Value t) {
      Value at = v.add(token, t);
      // Behind the last token, that one again.
      Value source = v.min(v.add(first, at), v.index(tokens - 1));
      withColumns(columns, [&](int64_t count) {
        copyToken(source, at, columns, count);
      });
    });
  };
  Value steps = v.index(llvm::divideCeil(weight.getCols(), cols));
  loop(v.index(0), steps, 1, [&](Value columns) {
    Value left = v.sub(v.index(weight.getCols()), v.mul(columns, cols));
    Value here = v.min(left, v.index(cols));
    loop(range.first, range.last, kTileRows, [&](Value row) {
      withColumns(columns, [&](int64_t count) { fill(row, columns, count); });
      Value rowTile = rowTileOf(row);
      Value isFirst = arith::CmpIOp::create(
          v.b, v.loc, arith::CmpIPredicate::eq, row, range.first);
      loop(v.index(0), count, tileTokens, [&](Value token) {
        when(isFirst, [&] { copyTokens(columns, token); });
        prefetchNext(columns, v.add(first, token), rowTile, rowTiles);
        multiplyTile(rowTile, token, here);
      });
    });
  });
  loop(range.first, range.last, kTileRows, [&](Value row) {
    loop(v.index(0), count, 1, [&](Value token) {
      for (int64_t strip = 0; strip < kTileStrips; ++strip)
        storeSum(rowTileOf(row), token, strip, v.add(first, token),
                 v.add(row, kTileLanes * strip));
    });
  });
}

SmallVector<Value> TileLoops::sumAt(Value rowTile, Value token, int64_t strip) {
  return {rowTile, token, v.index(strip), v.index(0)};
}

/// Adds `cols` columns to the sums of a tile.
void TileLoops::multiplyTile(Value rowTile, Value token, Value cols) {
  SmallVector<SmallVector<Value>> at;
  SmallVector<Value> carried;
  for (int64_t t = 0; t < tileTokens; ++t)
    for (int64_t strip = 0; strip < kTileStrips; ++strip) {
      at.push_back(sumAt(rowTile, v.add(token, t), strip));
      carried.push_back(v.load(sums, at.back(), kTileLanes));
    }
  carried = multiply(token, cols, carried);
  for (auto [sum, indices] : llvm::zip(carried, at))
    v.store(sum, sums, indices);
}

void TileLoops::storeSum(Value rowTile, Value token, int64_t strip,
                         Value outToken, Value row) {
  Value sum = v.load(sums, sumAt(rowTile, token, strip), kTileLanes);
  if (weight.getRows() % kTileRows == 0) {
    v.store(sum, init, {outToken, row});
    return;
  }
  // Past the end the count is negative, which create_mask takes for none.
  Value left = v.sub(v.index(weight.getRows()), row);
  Value mask = vector::CreateMaskOp::create(
      v.b, v.loc, v.vec(kTileLanes, v.b.getI1Type()), left);
  vector::MaskedStoreOp::create(v.b, v.loc, init, ValueRange{outToken, row},
                                mask, sum);
}
