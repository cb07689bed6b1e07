//===- StripMatmul.cpp - products of many tokens with strips --------------===//
//
// A tile is two strips (32 rows) by 6 tokens: each activation that is spread
// over a register serves both strips, each line of codes all tokens. Nothing is
// unpacked: codes are used as they lie in the weight. The sums of a block of
// tokens stay in the first cache while the columns pass by.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/StripMatmul.h"

#include "passes/cpu/StripDecoder.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;

namespace {

constexpr int64_t kLanes = 16; // rows of a strip
constexpr int64_t kStrips = 2;
constexpr int64_t kGroups = 8; // of 32 columns, whose numbers are kept
constexpr int64_t kBlockTokens = 96;

class StripMatmul {
public:
  StripMatmul(VectorBuilder &v, PackedType weight, const StripDecoder &decoder,
              Value bytes, Activations x, Value init, int64_t tokens,
              DotKind dot)
      : v(v), weight(weight), decoder(decoder), bytes(bytes), x(x), init(init),
        tokens(tokens), dot(dot) {}

  void emit(RowRange range) {
    numbers = buffer({2 * kStrips * kGroups, kLanes}, v.f32());
    sums = buffer({kStrips * kBlockTokens, kLanes}, v.f32());
    xNumbers = buffer({tileTokens(), kGroups},
                      decoder.hasOffsets() ? v.f32() : v.i32());
    loop(range.first, range.last, kStrips * kLanes, [&](Value row) {
      // Behind the last strip, that one again; what it yields is not stored.
      Value last = v.index(weight.getPaddedRows() - kLanes);
      Value bytesOfRow = v.index(weight.getBlockRowBytes() / kLanes);
      strips[0] = v.mul(row, bytesOfRow);
      strips[1] = v.mul(v.min(v.add(row, kLanes), last), bytesOfRow);
      loop(v.index(0), v.index(tokens), kBlockTokens,
           [&](Value token) { multiplyBlock(row, token); });
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

  Value div(Value lhs, int64_t rhs) {
    return arith::DivUIOp::create(v.b, v.loc, lhs, v.index(rhs));
  }
  Value rem(Value lhs, int64_t rhs) {
    return arith::RemUIOp::create(v.b, v.loc, lhs, v.index(rhs));
  }

  /// Tokens that the registers have room for; without an instruction for dot
  /// products those are short for one.
  int64_t tileTokens() const { return dot == DotKind::Vnni ? 6 : 2; }

  /// 32 rows of the tokens of a block from `first`.
  void multiplyBlock(Value row, Value first) {
    Value count = v.min(v.index(kBlockTokens), v.sub(v.index(tokens), first));
    loop(v.index(0), v.mul(count, kStrips), 1, [&](Value i) {
      v.store(v.splat(v.vec(kLanes, v.f32()), 0), sums, {i, v.index(0)});
    });
    int64_t groups = weight.getCols() / 32;
    loop(v.index(0), v.index(groups / kGroups), 1, [&](Value columns) {
      multiplyColumns(columns, kGroups, first, count);
    });
    if (groups % kGroups)
      multiplyColumns(v.index(groups / kGroups), groups % kGroups, first,
                      count);
    loop(v.index(0), count, 1, [&](Value token) {
      for (int64_t strip = 0; strip < kStrips; ++strip)
        storeSum(token, strip, v.add(first, token), v.add(row, kLanes * strip));
    });
  }

  /// The next `groups` groups of columns.
  void multiplyColumns(Value columns, int64_t groups, Value first,
                       Value count) {
    storeNumbers(columns, groups);
    // Blocks are whole tiles, but for the last one.
    int64_t tile = tileTokens(), rest = tokens % tile;
    Value whole = v.mul(div(count, tile), tile);
    loop(v.index(0), whole, tile, [&](Value token) {
      multiplyTile(columns, groups, first, token, tile);
    });
    if (rest)
      loop(whole, count, rest, [&](Value token) {
        multiplyTile(columns, groups, first, token, rest);
      });
  }

  Value pieceAt(int64_t strip, Value columns, Value group) {
    int64_t perPiece = decoder.pieceCols() / 32;
    Value piece =
        v.add(v.mul(columns, kGroups / perPiece), div(group, perPiece));
    return v.add(strips[strip], v.mul(piece, decoder.pieceBytes()));
  }

  /// Scales and offsets of both strips: [scale or offset, strip, group][row].
  void storeNumbers(Value columns, int64_t groups) {
    int64_t perPiece = decoder.pieceCols() / 32;
    for (int64_t strip = 0; strip < kStrips; ++strip)
      for (int64_t first = 0; first < groups; first += perPiece) {
        int64_t own = std::min(perPiece, groups - first);
        StripPiece piece = decoder.open(
            v, bytes, pieceAt(strip, columns, v.index(first)), 32 * own);
        for (int64_t group = 0; group < own; ++group) {
          Value scale = decoder.scale(v, piece, group);
          if (int64_t shift = decoder.tileShift(group))
            scale = v.mulf(scale,
                           v.splat(v.vec(kLanes, v.f32()), 1.0 / (1 << shift)));
          Value line = v.index(strip * kGroups + first + group);
          v.store(scale, numbers, {line, v.index(0)});
          if (decoder.hasOffsets())
            v.store(decoder.offset(v, piece, group), numbers,
                    {v.add(line, kStrips * kGroups), v.index(0)});
        }
      }
  }

  /// For each token and group: what a minimum of one adds, or what the zero
  /// point takes off the integer sum.
  void storeTokenNumbers(ArrayRef<Value> rows, Value firstGroup,
                         int64_t groups) {
    for (auto [t, token] : llvm::enumerate(rows)) {
      Value xSums = x.sums(v, token, firstGroup, groups);
      if (decoder.hasOffsets())
        xSums =
            v.mulf(v.toFloat(xSums), x.scales(v, token, firstGroup, groups));
      else
        xSums =
            v.mulI(xSums, v.splat(v.vec(groups, v.i32()),
                                  static_cast<double>(-decoder.zeroPoint())));
      v.store(xSums, xNumbers, {v.index(static_cast<int64_t>(t)), v.index(0)});
    }
  }

  /// `count` tokens from `token` of the block.
  void multiplyTile(Value columns, int64_t groups, Value first, Value token,
                    int64_t count) {
    SmallVector<Value> rows, at, carried;
    for (int64_t t = 0; t < count; ++t)
      rows.push_back(v.add(v.add(first, token), t));
    Value firstGroup = v.mul(columns, kGroups);
    storeTokenNumbers(rows, firstGroup, groups);
    for (int64_t t = 0; t < count; ++t)
      for (int64_t strip = 0; strip < kStrips; ++strip) {
        at.push_back(v.add(v.mul(v.add(token, t), kStrips), strip));
        carried.push_back(v.load(sums, {at.back(), v.index(0)}, kLanes));
      }
    carried = v.loop(v.index(0), v.index(groups), 1, carried,
                     [&](Value group, ValueRange before) {
                       return addGroup(columns, group, rows, before);
                     });
    for (auto [sum, line] : llvm::zip(carried, at))
      v.store(sum, sums, {line, v.index(0)});
  }

  SmallVector<Value> addGroup(Value columns, Value group, ArrayRef<Value> rows,
                              ValueRange before) {
    Value of32 = v.add(v.mul(columns, kGroups), group);
    Value inPiece = rem(group, decoder.pieceCols() / 32);
    Value start = decoder.groupStart(v, inPiece);
    Value mask = decoder.groupMask(v, inPiece);
    Value lines[kStrips];
    for (int64_t strip = 0; strip < kStrips; ++strip)
      lines[strip] = v.add(pieceAt(strip, columns, group), start);

    SmallVector<Value> products(kStrips * rows.size());
    if (!decoder.hasOffsets())
      for (size_t i = 0; i < products.size(); ++i)
        products[i] = tokenNumber(i / kStrips, group);
    for (int64_t word = 0; word < 8; ++word) {
      Value codes[kStrips];
      for (int64_t strip = 0; strip < kStrips; ++strip)
        codes[strip] = decoder.tileCodes(v, bytes, lines[strip], mask, word);
      for (auto [t, token] : llvm::enumerate(rows)) {
        Value col = v.add(v.mul(of32, 32), 4 * word);
        Value xs = spreadWord(v, x.quants(v, token, col, 4));
        for (int64_t strip = 0; strip < kStrips; ++strip) {
          Value &product = products[t * kStrips + strip];
          product = dot4(v, dot, codes[strip], xs, product);
        }
      }
    }
    SmallVector<Value> after;
    for (size_t i = 0; i < products.size(); ++i) {
      Value token = rows[i / kStrips];
      Value line = v.add(group, static_cast<int64_t>(i % kStrips) * kGroups);
      Value scale = v.load(numbers, {line, v.index(0)}, kLanes);
      Value xScale = v.repeat(x.scales(v, token, of32, 1), 0, 1, kLanes);
      after.push_back(
          v.fma(v.toFloat(products[i]), v.mulf(scale, xScale), before[i]));
      if (!decoder.hasOffsets())
        continue;
      Value offset =
          v.load(numbers, {v.add(line, kStrips * kGroups), v.index(0)}, kLanes);
      after.back() =
          v.fma(offset, tokenNumber(i / kStrips, group), after.back());
    }
    return after;
  }

  /// A number of `storeTokenNumbers` in every lane.
  Value tokenNumber(size_t token, Value group) {
    Value at = v.index(static_cast<int64_t>(token));
    return v.repeat(v.load(xNumbers, {at, group}, 1), 0, 1, kLanes);
  }

  void storeSum(Value token, int64_t strip, Value outToken, Value row) {
    Value line = v.add(v.mul(token, kStrips), strip);
    Value sum = v.load(sums, {line, v.index(0)}, kLanes);
    if (weight.getRows() % (kStrips * kLanes) == 0) {
      v.store(sum, init, {outToken, row});
      return;
    }
    // Past the end the count is negative, which create_mask takes for none.
    Value left = v.sub(v.index(weight.getRows()), row);
    Value mask = vector::CreateMaskOp::create(
        v.b, v.loc, v.vec(kLanes, v.b.getI1Type()), left);
    vector::MaskedStoreOp::create(v.b, v.loc, init, ValueRange{outToken, row},
                                  mask, sum);
  }

  VectorBuilder &v;
  PackedType weight;
  const StripDecoder &decoder;
  Value bytes;
  Activations x;
  Value init;
  int64_t tokens;
  DotKind dot;
  Value strips[kStrips]; // byte indices
  Value numbers, sums, xNumbers;
};

} // namespace

bool headrace::cpu::canStripMatmul(PackedType weight, Value x, int64_t tokens) {
  auto decoder = StripDecoder::create(weight);
  return decoder && decoder->hasTiles() && tokens >= 4 &&
         isa<PackedType>(x.getType());
}

void headrace::cpu::emitStripMatmul(VectorBuilder &v,
                                    TypedValue<PackedType> weight, Value x,
                                    Value init, int64_t tokens, DotKind dot,
                                    RowRange range) {
  PackedType type = weight.getType();
  auto decoder = StripDecoder::create(type);
  Value bytes = weight.getDefiningOp<FromBytesOp>().getBytes();
  StripMatmul(v, type, *decoder, bytes, Activations(x, type.getCols()), init,
              tokens, dot)
      .emit(range);
}
