//===- TileMatmul.cpp - products of many tokens with GGUF weights ---------===//
//
// 16 rows by 256 columns are unpacked once into a tile with lanes along the
// rows, then multiplied with all tokens: no sum across lanes is left, and the
// cost of unpacking is shared by the tokens.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/TileMatmul.h"

#include "passes/cpu/BlockDecoder.h"
#include "passes/cpu/Transpose.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;

namespace {

constexpr int64_t kTileRows = 16;
constexpr int64_t kTileCols = 256;
constexpr int64_t kTileTokens = 8;

class TileMatmul {
public:
  TileMatmul(VectorBuilder &v, PackedType weight, const BlockDecoder &decoder,
             Value bytes, Activations x, Value init, int64_t tokens,
             DotKind dot)
      : v(v), weight(weight), decoder(decoder), bytes(bytes), x(x), init(init),
        tokens(tokens), dot(dot) {}

  void allocate(Block *block) {
    OpBuilder::InsertionGuard guard(v.b);
    v.b.setInsertionPointToStart(block);
    rowQuants = buffer({kTileRows, kTileCols}, v.i8());
    rowNumbers = buffer({kTileRows, 16}, v.f32());
    quants = buffer({kTileCols / 4, kTileRows * 4}, v.i8());
    numbers = buffer({16, kTileRows}, v.f32());
  }

  void emit(RowRange range) {
    int64_t whole = weight.getCols() / kTileCols;
    int64_t restGroups = weight.getCols() % kTileCols / 32;
    v.loop(range.first, range.last, kTileRows, {},
           [&](Value row, ValueRange) -> SmallVector<Value> {
             v.loop(v.index(0), v.index(whole), 1, {},
                    [&](Value piece, ValueRange) -> SmallVector<Value> {
                      multiply(row, piece, 8);
                      return {};
                    });
             if (restGroups)
               multiply(row, v.index(whole), restGroups);
             return {};
           });
  }

private:
  Value buffer(ArrayRef<int64_t> shape, Type element) {
    return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, element),
                                    v.b.getI64IntegerAttr(64));
  }

  void multiply(Value row, Value piece, int64_t groups) {
    unpackRows(row, piece, groups);
    transpose(groups);
    int64_t whole = tokens / kTileTokens * kTileTokens;
    v.loop(v.index(0), v.index(whole), kTileTokens, {},
           [&](Value token, ValueRange) -> SmallVector<Value> {
             addTokens(row, piece, groups, token, kTileTokens);
             return {};
           });
    if (whole < tokens)
      addTokens(row, piece, groups, v.index(whole), tokens - whole);
  }

  /// One row at a time: unsigned integers, and the scales and offsets (or zero
  /// points, as bits) of its groups side by side. Rows behind the last one
  /// repeat it.
  void unpackRows(Value row, Value piece, int64_t groups) {
    v.loop(v.index(0), v.index(kTileRows), 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             Value source = v.min(v.add(row, i), v.index(weight.getRows() - 1));
             Value at = v.mul(source, weight.getBlockRowBytes());
             Piece open = decoder.open(v, bytes, at, piece, groups);
             for (int64_t step = 0; step * 2 < groups; ++step)
               v.store(decoder.quants(v, open, step), rowQuants,
                       {i, v.index(64 * step)});
             v.store(open.scales, rowNumbers, {i, v.index(0)});
             if (decoder.hasOwnZeros())
               v.store(v.cast(open.zeros, 8, v.f32()), rowNumbers,
                       {i, v.index(8)});
             if (open.offsets)
               v.store(open.offsets, rowNumbers, {i, v.index(8)});
             return {};
           });
  }

  /// Lanes along columns to lanes along rows.
  void transpose(int64_t groups) {
    v.loop(v.index(0), v.index(llvm::divideCeil(groups, 2)), 1, {},
           [&](Value step, ValueRange) -> SmallVector<Value> {
             SmallVector<Value> rows;
             for (int64_t i = 0; i < kTileRows; ++i)
               rows.push_back(
                   v.cast(v.load(rowQuants, {v.index(i), v.mul(step, 64)}, 64),
                          16, v.i32()));
             transpose16(v, rows);
             for (auto [i, lanes] : llvm::enumerate(rows))
               v.store(v.cast(lanes, 64, v.i8()), quants,
                       {v.add(v.mul(step, 16), i), v.index(0)});
             return {};
           });
    SmallVector<Value> rows;
    for (int64_t i = 0; i < kTileRows; ++i)
      rows.push_back(v.load(rowNumbers, {v.index(i), v.index(0)}, 16));
    transpose16(v, rows);
    for (auto [i, lanes] : llvm::enumerate(rows))
      v.store(lanes, numbers, {v.index(i), v.index(0)});
  }

  /// Adds the tile's share of `count` tokens to `init`.
  void addTokens(Value row, Value piece, int64_t groups, Value first,
                 int64_t count) {
    SmallVector<Value> indices;
    for (int64_t t = 0; t < count; ++t)
      indices.push_back(v.add(first, t));
    SmallVector<Value> zeros(count, v.splat(v.vec(kTileRows, v.f32()), 0));
    Value firstGroup = v.mul(piece, 8);
    SmallVector<Value> sums = v.loop(
        v.index(0), v.index(groups), 1, zeros,
        [&](Value group, ValueRange carried) {
          return addGroup(group, v.add(firstGroup, group), indices, carried);
        });
    for (auto [sum, token] : llvm::zip(sums, indices))
      accumulate(sum, token, row, piece);
  }

  SmallVector<Value> addGroup(Value group, Value globalGroup,
                              ArrayRef<Value> indices, ValueRange carried) {
    SmallVector<Value> products, xSums;
    Value zeros = groupZeros(group);
    for (Value token : indices) {
      xSums.push_back(x.sums(v, token, globalGroup, 1));
      products.push_back(
          zeros ? v.mulI(v.repeat(xSums.back(), 0, 1, kTileRows), zeros)
                : Value());
    }
    Value col = v.mul(globalGroup, 32);
    for (int64_t four = 0; four < 8; ++four) {
      Value lanes =
          v.load(quants, {v.add(v.mul(group, 8), four), v.index(0)}, 64);
      for (auto [product, token] : llvm::zip(products, indices)) {
        Value xs = x.quants(v, token, v.add(col, 4 * four), 4);
        Value word = v.extract(v.cast(xs, 1, v.i32()), 0);
        Value spread = v.cast(v.broadcast(word, 16), 64, v.i8());
        product = dot4(v, dot, lanes, spread, product, decoder.largest());
      }
    }
    Value scale = v.load(numbers, {group, v.index(0)}, kTileRows);
    SmallVector<Value> sums;
    for (auto [product, token, xSum, sum] :
         llvm::zip(products, indices, xSums, carried)) {
      Value xScale = v.repeat(x.scales(v, token, globalGroup, 1), 0, 1, 16);
      sums.push_back(v.fma(v.toFloat(product), v.mulf(scale, xScale), sum));
      if (!decoder.hasOffsets())
        continue;
      Value offset = v.load(numbers, {v.add(group, 8), v.index(0)}, kTileRows);
      Value scaled = v.mulf(xScale, v.repeat(v.toFloat(xSum), 0, 1, 16));
      sums.back() = v.fma(offset, scaled, sums.back());
    }
    return sums;
  }

  /// The negated zero points of a group, a lane for each row; null if there are
  /// none.
  Value groupZeros(Value group) {
    Value none = v.splat(v.vec(kTileRows, v.i32()), 0);
    if (decoder.hasOwnZeros()) {
      Value bits = v.load(numbers, {v.add(group, 8), v.index(0)}, kTileRows);
      return v.sub(none, v.cast(bits, kTileRows, v.i32()));
    }
    if (decoder.zeroPoint() == 0)
      return {};
    return v.splat(v.vec(kTileRows, v.i32()),
                   -static_cast<double>(decoder.zeroPoint()));
  }

  /// init[token, row ...] += sum; the first piece of a row starts from zero,
  /// since what `init` held is void.
  void accumulate(Value sum, Value token, Value row, Value piece) {
    auto type = cast<VectorType>(sum.getType());
    Value zero = v.splat(type, 0);
    Value isFirst = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::eq,
                                          piece, v.index(0));
    SmallVector<Value> at{token, row};
    if (weight.getRows() % kTileRows == 0) {
      Value before = v.load(init, at, kTileRows);
      v.store(v.addf(sum, v.select(isFirst, zero, before)), init, at);
      return;
    }
    Value left = v.sub(v.index(weight.getRows()), row);
    Value mask = vector::CreateMaskOp::create(
        v.b, v.loc, v.vec(kTileRows, v.b.getI1Type()), left);
    Value before =
        vector::MaskedLoadOp::create(v.b, v.loc, type, init, at, mask, zero);
    Value after = v.addf(sum, v.select(isFirst, zero, before));
    vector::MaskedStoreOp::create(v.b, v.loc, init, at, mask, after);
  }

  VectorBuilder &v;
  PackedType weight;
  const BlockDecoder &decoder;
  Value bytes;
  Activations x;
  Value init;
  int64_t tokens;
  DotKind dot;
  Value rowQuants;  // [row][column]
  Value rowNumbers; // [row][8 scales, 8 offsets or zero points]
  Value quants;     // [column / 4][row][4 columns]
  Value numbers;    // [8 scales, 8 offsets or zero points][row]
};

} // namespace

bool headrace::cpu::canTileMatmul(PackedType weight, Value x, int64_t tokens) {
  auto decoder = BlockDecoder::create(weight);
  return decoder && decoder->groupCols() == 32 && tokens >= 4 &&
         isa<PackedType>(x.getType());
}

void headrace::cpu::emitTileMatmul(VectorBuilder &v,
                                   TypedValue<PackedType> weight, Value x,
                                   Value init, int64_t tokens, DotKind dot,
                                   RowRange range, Block *scratchBlock) {
  PackedType type = weight.getType();
  auto decoder = BlockDecoder::create(type, dot);
  Value bytes = weight.getDefiningOp<FromBytesOp>().getBytes();
  TileMatmul tile(v, type, *decoder, bytes, Activations(x, type.getCols()),
                  init, tokens, dot);
  tile.allocate(scratchBlock);
  tile.emit(range);
}
