//===- TileMatmul.cpp - products of many tokens with packed weights -------===//
//
// 32 rows by 256 columns are decoded once into a tile with lanes along the
// rows, which all tokens share, 6 at a time: each activation that is spread
// over a register serves 32 rows, each line of the tile 6 tokens, and nothing
// is added up across lanes.
//
// Columns pass by in the outer loop. The activations of 256 columns are copied
// side by side when the first rows of the workgroup meet them, and stay in the
// second cache for its other rows, as the sums do.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/TileMatmul.h"

#include "passes/cpu/WeightTile.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;

namespace {

constexpr int64_t kGroups = kTileCols / 32;
/// Tokens whose sums and activations have room in the second cache.
constexpr int64_t kMostTokens = 516;

class TileMatmul {
public:
  TileMatmul(VectorBuilder &v, PackedType weight, WeightTile &tile, Value bytes,
             Activations x, Value init, int64_t tokens, DotKind dot)
      : v(v), weight(weight), tile(tile), bytes(bytes), x(x), init(init),
        tokens(tokens), dot(dot) {
    // Tiles of tokens are all the same; what the last one has too much is
    // computed and not stored. Registers have room for 6 tokens; without an
    // instruction for dot products those are short for one.
    int64_t most = dot == DotKind::Vnni ? 6 : 2;
    int64_t block =
        llvm::divideCeil(tokens, llvm::divideCeil(tokens, kMostTokens));
    int64_t tiles = llvm::divideCeil(block, most);
    tileTokens = llvm::divideCeil(block, tiles);
    blockTokens = tiles * tileTokens;
  }

  void emit(RowRange range) {
    int64_t rowTiles = llvm::divideCeil(range.most, kTileRows);
    tile.allocate(v);
    sums = buffer({rowTiles, blockTokens, kTileStrips, kTileLanes}, v.f32());
    xQuants = buffer({blockTokens, kTileCols}, v.i8());
    xScales = buffer({blockTokens, kGroups}, v.f32());
    xSums = buffer({blockTokens, kTileCols / tile.groupCols()}, v.i32());
    loop(v.index(0), v.index(tokens), blockTokens, [&](Value first) {
      Value count = v.min(v.index(blockTokens), v.sub(v.index(tokens), first));
      multiplyBlock(range, rowTiles, first, count);
    });
  }

private:
  Value buffer(ArrayRef<int64_t> shape, Type element) {
    return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, element),
                                    v.b.getI64IntegerAttr(kCacheLine));
  }

  void loop(Value from, Value to, int64_t step,
            llvm::function_ref<void(Value)> body) {
    v.loop(from, to, step, {}, [&](Value i, ValueRange) -> SmallVector<Value> {
      body(i);
      return {};
    });
  }

  void when(Value condition, llvm::function_ref<void()> body,
            llvm::function_ref<void()> otherwise = {}) {
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

  Value compare(arith::CmpIPredicate predicate, Value lhs, Value rhs) {
    return arith::CmpIOp::create(v.b, v.loc, predicate, lhs, rhs);
  }

  /// `body` with the number of groups that there are from column
  /// 256 * `columns`.
  void withGroups(Value columns, llvm::function_ref<void(int64_t)> body) {
    int64_t whole = weight.getCols() / kTileCols;
    int64_t rest = weight.getCols() % kTileCols / 32;
    if (!rest || !whole)
      return body(whole ? kGroups : rest);
    Value isWhole = compare(arith::CmpIPredicate::ult, columns, v.index(whole));
    when(isWhole, [&] { body(kGroups); }, [&] { body(rest); });
  }

  /// All rows of the workgroup with `count` tokens from `first`.
  void multiplyBlock(RowRange range, int64_t rowTiles, Value first,
                     Value count) {
    Value zero = v.splat(v.vec(kTileLanes, v.f32()), 0);
    loop(v.index(0), v.index(rowTiles), 1, [&](Value rowTile) {
      loop(v.index(0), v.index(blockTokens), 1, [&](Value token) {
        for (int64_t strip = 0; strip < kTileStrips; ++strip)
          v.store(zero, sums, sumAt(rowTile, token, strip));
      });
    });
    Value groups = v.index(weight.getCols() / 32);
    loop(v.index(0), v.index(llvm::divideCeil(weight.getCols(), kTileCols)), 1,
         [&](Value columns) {
           Value left = v.sub(groups, v.mul(columns, kGroups));
           Value here = v.min(left, v.index(kGroups));
           loop(range.first, range.last, kTileRows, [&](Value row) {
             withGroups(columns, [&](int64_t count) {
               tile.fill(v, bytes, row, columns, count);
             });
             Value rowTile = rowTileOf(range, row);
             Value isFirst =
                 compare(arith::CmpIPredicate::eq, row, range.first);
             loop(v.index(0), count, tileTokens, [&](Value token) {
               when(isFirst, [&] { copyTokens(columns, first, token); });
               prefetchNext(columns, v.add(first, token), rowTile, rowTiles);
               multiplyTile(rowTile, token, here);
             });
           });
         });
    loop(range.first, range.last, kTileRows, [&](Value row) {
      loop(v.index(0), count, 1, [&](Value token) {
        for (int64_t strip = 0; strip < kTileStrips; ++strip)
          storeSum(rowTileOf(range, row), token, strip, v.add(first, token),
                   v.add(row, kTileLanes * strip));
      });
    });
  }

  Value rowTileOf(RowRange range, Value row) {
    return arith::DivUIOp::create(v.b, v.loc, v.sub(row, range.first),
                                  v.index(kTileRows));
  }

  SmallVector<Value> sumAt(Value rowTile, Value token, int64_t strip) {
    return {rowTile, token, v.index(strip), v.index(0)};
  }

  //===-- Activations -----------------------------------------------------===//

  /// The tokens of a tile side by side.
  void copyTokens(Value columns, Value first, Value token) {
    loop(v.index(0), v.index(tileTokens), 1, [&](Value t) {
      Value at = v.add(token, t);
      // Behind the last token, that one again.
      Value source = v.min(v.add(first, at), v.index(tokens - 1));
      withGroups(columns, [&](int64_t groups) {
        copyToken(source, at, columns, groups);
      });
    });
  }

  void copyToken(Value source, Value at, Value columns, int64_t groups) {
    SmallVector<Value> quants; // 64 columns each
    for (int64_t group = 0; group < groups; group += 2) {
      int64_t lanes = std::min<int64_t>(2, groups - group) * 32;
      Value col = v.add(v.mul(columns, kTileCols), 32 * group);
      quants.push_back(v.padZero(x.quants(v, source, col, lanes), 64));
      v.store(quants.back(), xQuants, {at, v.index(32 * group)});
    }
    Value firstGroup = v.mul(columns, kGroups);
    Value scales = x.scales(v, source, firstGroup, groups);
    v.store(scales, xScales, {at, v.index(0)});
    bool halves = tile.groupCols() == 16;
    Value numbers = halves ? sumsOf16(quants, groups)
                           : x.sums(v, source, firstGroup, groups);
    if (tile.hasOffsets()) {
      Value perNumber = halves ? v.repeat(scales, 0, groups, 2) : scales;
      numbers = v.cast(v.mulf(v.toFloat(numbers), perNumber), v.lanes(numbers),
                       v.i32());
    } else if (!tile.hasOwnZeros()) {
      auto type = cast<VectorType>(numbers.getType());
      numbers = v.mulI(numbers,
                       v.splat(type, static_cast<double>(-tile.zeroPoint())));
      numbers = v.add(numbers, v.splat(type, static_cast<double>(start())));
    }
    v.store(numbers, xSums, {at, v.index(0)});
  }

  /// Sums of 16 columns each, two for each group.
  Value sumsOf16(ArrayRef<Value> quants, int64_t groups) {
    SmallVector<Value> fours; // sums of four columns each
    for (Value codes : quants)
      fours.push_back(dot4(v, dot, v.splat(v.vec(64, v.i8()), 1), codes));
    while (fours.size() % 4)
      fours.push_back(fours.back());
    SmallVector<int64_t> even, odd, some;
    for (int64_t lane = 0; lane < 16; ++lane) {
      even.push_back(2 * lane);
      odd.push_back(2 * lane + 1);
    }
    auto addNeighbours = [&](Value low, Value high) {
      return v.add(v.shuffle(low, high, even), v.shuffle(low, high, odd));
    };
    Value low = addNeighbours(fours[0], fours[1]);
    Value high = addNeighbours(fours[2], fours[3]);
    Value sums = addNeighbours(low, high);
    for (int64_t lane = 0; lane < 2 * groups; ++lane)
      some.push_back(lane);
    return v.shuffle(sums, some);
  }

  /// What the tokens of a tile need for the next columns, a part with each row
  /// tile of the workgroup.
  void prefetchNext(Value columns, Value token, Value rowTile,
                    int64_t rowTiles) {
    constexpr int64_t lines = kTileCols / kCacheLine;
    Value line = arith::DivUIOp::create(v.b, v.loc, v.mul(rowTile, lines),
                                        v.index(rowTiles));
    Value next = v.add(columns, 1);
    Value col = v.add(v.mul(next, kTileCols), v.mul(line, kCacheLine));
    for (int64_t t = 0; t < tileTokens; ++t)
      x.prefetch(v, v.add(token, t), col, llvm::divideCeil(lines, rowTiles),
                 v.mul(next, kGroups));
  }

  //===-- Products --------------------------------------------------------===//

  /// What sums of products start from: with short scales, the bits of an f32.
  int64_t start() const { return tile.hasShortScales() ? kIntegerBits : 0; }

  /// Adds `groups` groups of columns to the sums of a tile.
  void multiplyTile(Value rowTile, Value token, Value groups) {
    SmallVector<SmallVector<Value>> at;
    SmallVector<Value> carried;
    for (int64_t t = 0; t < tileTokens; ++t)
      for (int64_t strip = 0; strip < kTileStrips; ++strip) {
        at.push_back(sumAt(rowTile, v.add(token, t), strip));
        carried.push_back(v.load(sums, at.back(), kTileLanes));
      }
    carried = v.loop(
        v.index(0), groups, 1, carried, [&](Value group, ValueRange before) {
          SmallVector<Value> after(before);
          for (int64_t half = 0; half < 32 / tile.groupCols(); ++half)
            addGroup(group, half, token, after);
          return after;
        });
    for (auto [sum, indices] : llvm::zip(carried, at))
      v.store(sum, sums, indices);
  }

  /// Half 0, or one of two, of a group of 32 columns.
  void addGroup(Value of32, int64_t half, Value token,
                MutableArrayRef<Value> after) {
    Value group = v.add(v.mul(of32, 32 / tile.groupCols()), half);
    int64_t words = tile.groupCols() / 4;
    SmallVector<Value> products;
    for (int64_t t = 0; t < tileTokens; ++t)
      for (int64_t strip = 0; strip < kTileStrips; ++strip)
        products.push_back(startOf(group, v.add(token, t), strip));
    for (int64_t word = 0; word < words; ++word) {
      Value codes[kTileStrips];
      Value line = v.add(v.mul(group, words), word);
      for (int64_t strip = 0; strip < kTileStrips; ++strip)
        codes[strip] = tile.codes(v, line, strip);
      for (int64_t t = 0; t < tileTokens; ++t) {
        Value four = v.load(xQuants, {v.add(token, t), v.mul(line, 4)}, 4);
        Value xs = spreadWord(v, four);
        for (int64_t strip = 0; strip < kTileStrips; ++strip) {
          Value &product = products[t * kTileStrips + strip];
          product = dot4(v, dot, codes[strip], xs, product, tile.largest());
        }
      }
    }
    for (int64_t t = 0; t < tileTokens; ++t) {
      Value xScale =
          v.repeat(v.load(xScales, {v.add(token, t), of32}, 1), 0, 1, 16);
      for (int64_t strip = 0; strip < kTileStrips; ++strip) {
        Value &sum = after[t * kTileStrips + strip];
        Value scaled =
            scaledProduct(products[t * kTileStrips + strip], group, strip);
        sum = v.fma(scaled, xScale, sum);
        if (tile.hasOffsets())
          sum = v.fma(tile.offset(v, group, strip),
                      v.cast(sumOf(group, v.add(token, t)), 16, v.f32()), sum);
      }
    }
  }

  /// The integer sum of a group times the weight's scale.
  Value scaledProduct(Value product, Value group, int64_t strip) {
    Value scale = tile.scale(v, group, strip);
    if (!tile.hasShortScales())
      return v.mulf(v.toFloat(product), scale);
    // Rounded once: the product with the bias that comes off is exact.
    return v.fma(v.cast(product, kTileLanes, v.f32()), scale,
                 tile.bias(v, group, strip));
  }

  Value startOf(Value group, Value token, int64_t strip) {
    Value same =
        v.splat(v.vec(kTileLanes, v.i32()), static_cast<double>(start()));
    if (tile.hasOffsets())
      return same;
    if (!tile.hasOwnZeros())
      return sumOf(group, token);
    return v.add(v.mulI(sumOf(group, token), tile.zeros(v, group, strip)),
                 same);
  }

  /// What `copyToken` keeps of a group, in every lane.
  Value sumOf(Value group, Value token) {
    return v.repeat(v.load(xSums, {token, group}, 1), 0, 1, kTileLanes);
  }

  void storeSum(Value rowTile, Value token, int64_t strip, Value outToken,
                Value row) {
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

  VectorBuilder &v;
  PackedType weight;
  WeightTile &tile;
  Value bytes;
  Activations x;
  Value init;
  int64_t tokens, tileTokens, blockTokens;
  DotKind dot;
  Value sums;    // [rows / 32][token][strip][row]
  Value xQuants; // [token][column]
  Value xScales; // [token][group of 32]
  /// [token][group]: what an offset of one adds, as bits; or what the integer
  /// sum of a group starts from; or where zero points are the groups' own, the
  /// sum of the token's integers.
  Value xSums;
};

} // namespace

bool headrace::cpu::canTileMatmul(PackedType weight, Type x, int64_t tokens) {
  return tokens >= 4 && isa<PackedType>(x) &&
         WeightTile::create(weight, DotKind::Portable);
}

int64_t headrace::cpu::tileWorkgroupRows(PackedType weight, int64_t tokens) {
  // Activations are read once for each workgroup. Many rows make that rare,
  // but threads need enough workgroups to share.
  constexpr int64_t manyTokens = 64, workgroups = 16;
  int64_t rows = kTileRows;
  while (tokens >= manyTokens && rows < 8 * kTileRows &&
         weight.getRows() >= 2 * rows * workgroups)
    rows *= 2;
  return rows;
}

void headrace::cpu::emitTileMatmul(VectorBuilder &v,
                                   TypedValue<PackedType> weight, Value x,
                                   Value init, int64_t tokens, DotKind dot,
                                   RowRange range) {
  PackedType type = weight.getType();
  auto tile = WeightTile::create(type, dot);
  Value bytes = weight.getDefiningOp<FromBytesOp>().getBytes();
  TileMatmul(v, type, *tile, bytes, Activations(x, type.getCols()), init,
             tokens, dot)
      .emit(range);
}
