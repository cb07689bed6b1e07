//===- TileMatmul.cpp - products of many tokens in integers ---------------===//
//
// 6 tokens at a time. Sums of integers start from the bits of a float, so that
// they are floats without a conversion.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/TileMatmul.h"

#include "passes/cpu/TileLoops.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;

namespace {

constexpr int64_t kGroups = kTileCols / 32;

class TileMatmul : public TileLoops {
public:
  // Without an instruction for dot products registers are short for one.
  TileMatmul(VectorBuilder &v, PackedType weight, WeightTile &tile, Value bytes,
             Activations x, Value init, int64_t tokens, DotKind dot)
      : TileLoops(v, weight, init, tokens, kTileCols,
                  dot == DotKind::Vnni ? 6 : 2),
        tile(tile), bytes(bytes), x(x), dot(dot) {}

private:
  void allocate() override {
    tile.allocate(v);
    xQuants = buffer({blockTokens, kTileCols}, v.i8());
    xScales = buffer({blockTokens, kGroups}, v.f32());
    xSums = buffer({blockTokens, kTileCols / tile.groupCols()}, v.i32());
  }

  void fill(Value row, Value columns, int64_t cols) override {
    tile.fill(v, bytes, row, columns, cols / 32);
  }

  //===-- Activations -----------------------------------------------------===//

  void copyToken(Value source, Value at, Value columns, int64_t cols) override {
    int64_t groups = cols / 32;
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

  void prefetchNext(Value columns, Value token, Value rowTile,
                    int64_t rowTiles) override {
    int64_t own = llvm::divideCeil(Activations::kLines, rowTiles);
    Value col = v.mul(v.add(columns, 1), kTileCols);
    for (int64_t i = 0; i < own; ++i)
      for (int64_t t = 0; t < tileTokens; ++t)
        x.prefetchLine(v, v.add(token, t), col, v.add(v.mul(rowTile, own), i));
  }

  //===-- Products --------------------------------------------------------===//

  /// What sums of products start from: with short scales, the bits of an f32.
  int64_t start() const { return tile.hasShortScales() ? kIntegerBits : 0; }

  SmallVector<Value> multiply(Value token, Value cols,
                              ValueRange sums) override {
    return v.loop(v.index(0), v.shr(cols, 5), 1, sums,
                  [&](Value group, ValueRange before) {
                    SmallVector<Value> after(before);
                    int64_t halves = 32 / tile.groupCols();
                    for (int64_t half = 0; half < halves; ++half)
                      addGroup(group, half, token, after);
                    return after;
                  });
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

  WeightTile &tile;
  Value bytes;
  Activations x;
  DotKind dot;
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
