//===- FloatMatmul.cpp - products of many tokens with 16-bit floats -------===//
//
// Weights become f32 once for all tokens, in a tile with lanes along the rows,
// and activations when they are copied, so that the loop has nothing to
// convert.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/FloatMatmul.h"

#include "passes/cpu/FloatStrips.h"
#include "passes/cpu/TileLoops.h"
#include "passes/cpu/Transpose.h"

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Columns of a tile: 16 KiB of f32.
constexpr int64_t kFloatCols = 128;
/// Columns of an iteration.
constexpr int64_t kStep = 4;

class FloatMatmul : public TileLoops {
public:
  FloatMatmul(VectorBuilder &v, PackedType weight, Value bytes, Activations x,
              Value init, int64_t tokens, int64_t most)
      : TileLoops(v, weight, init, tokens, kFloatCols, most), bytes(bytes),
        x(x) {}

private:
  void allocate() override {
    tile = buffer({kFloatCols, kTileRows}, v.f32());
    copies = buffer({blockTokens, kFloatCols}, v.f32());
  }

  void fill(Value row, Value columns, int64_t cols) override {
    if (isFloatStrips(weight))
      fillFromStrips(row, columns, cols);
    else
      fillFromRows(row, columns, cols);
  }

  /// The last strip serves again behind the end.
  void fillFromStrips(Value row, Value columns, int64_t cols) {
    Value last = v.index(weight.getPaddedRows() - kStripRows);
    Value skipped = v.mul(columns, kFloatCols / 2 * kLineBytes);
    loop(v.index(0), v.index(kTileStrips), 1, [&](Value strip) {
      Value first = v.mul(strip, kTileLanes);
      Value source = v.min(v.add(row, first), last);
      Value start =
          v.add(v.mul(source, weight.getBlockRowBytes() / kStripRows), skipped);
      loop(v.index(0), v.index(cols), 2, [&](Value col) {
        Value at = v.add(start, v.mul(col, kLineBytes / 2)), halves[2];
        splitPairs(v, loadPairs(v, bytes, at), halves);
        for (int64_t i : {0, 1})
          v.store(halves[i], tile, {v.add(col, i), first});
        v.prefetch(bytes, v.add(at, kFloatCols / 2 * kLineBytes), 2);
      });
    });
  }

  /// Rows behind the last one repeat it.
  void fillFromRows(Value row, Value columns, int64_t cols) {
    auto plain = cast<PlainFormatAttr>(weight.getFormat());
    Type element = plain.getKind() == PlainKind::BF16 ? v.b.getBF16Type()
                                                      : v.b.getF16Type();
    loop(v.index(0), v.index(kTileStrips), 1, [&](Value strip) {
      Value first = v.add(row, v.mul(strip, kTileLanes));
      SmallVector<Value> starts;
      for (int64_t i = 0; i < kTileLanes; ++i) {
        Value source = v.min(v.add(first, i), v.index(weight.getRows() - 1));
        starts.push_back(v.add(v.mul(source, weight.getBlockRowBytes()),
                               v.mul(columns, 2 * kFloatCols)));
      }
      loop(v.index(0), v.index(cols), kTileLanes, [&](Value col) {
        SmallVector<Value> rows;
        for (Value start : starts) {
          Value at = v.add(start, v.mul(col, 2));
          rows.push_back(
              v.extF(v.loadAs(bytes, at, 2 * kTileLanes, kTileLanes, element)));
          v.prefetch(bytes, v.add(at, 2 * kFloatCols), 2);
        }
        transpose16(v, rows);
        for (auto [i, lanes] : llvm::enumerate(rows))
          v.store(lanes, tile, {v.add(col, i), v.mul(strip, kTileLanes)});
      });
    });
  }

  void copyToken(Value source, Value at, Value columns, int64_t cols) override {
    loop(v.index(0), v.index(cols), 2 * kTileLanes, [&](Value col) {
      for (int64_t half : {0, 1}) {
        Value to = v.add(col, kTileLanes * half);
        Value from = v.add(v.mul(columns, kFloatCols), to);
        v.store(x.lanes(v, source, from, kTileLanes), copies, {at, to});
      }
    });
  }

  SmallVector<Value> multiply(Value token, Value cols,
                              ValueRange sums) override {
    return v.loop(v.index(0), cols, kStep, sums,
                  [&](Value col, ValueRange before) {
                    SmallVector<Value> after(before);
                    for (int64_t i = 0; i < kStep; ++i)
                      addColumn(v.add(col, i), token, after);
                    return after;
                  });
  }

  void addColumn(Value col, Value token, MutableArrayRef<Value> sums) {
    Value weights[kTileStrips];
    for (int64_t strip = 0; strip < kTileStrips; ++strip)
      weights[strip] =
          v.load(tile, {col, v.index(kTileLanes * strip)}, kTileLanes);
    for (int64_t t = 0; t < tileTokens; ++t) {
      Value xs =
          v.repeat(v.load(copies, {v.add(token, t), col}, 1), 0, 1, kTileLanes);
      for (int64_t strip = 0; strip < kTileStrips; ++strip) {
        Value &sum = sums[t * kTileStrips + strip];
        sum = v.fma(weights[strip], xs, sum);
      }
    }
  }

  Value bytes;
  Activations x;
  Value tile;   // [column][row]
  Value copies; // [token][column]
};

} // namespace

bool headrace::cpu::canFloatMatmul(PackedType weight, Type x, int64_t tokens,
                                   DotKind dot) {
  return (isa<PlainFormatAttr>(weight.getFormat()) || isFloatStrips(weight)) &&
         !isa<PackedType>(x) && weight.getCols() % 32 == 0 && tokens >= 4 &&
         !isNeon(dot);
}

void headrace::cpu::emitFloatMatmul(VectorBuilder &v,
                                    TypedValue<PackedType> weight, Value x,
                                    Value init, int64_t tokens, DotKind dot,
                                    RowRange range) {
  PackedType type = weight.getType();
  Value bytes = weight.getDefiningOp<FromBytesOp>().getBytes();
  // Sums of 12 tokens fill 24 of 32 registers of 512 bits, those of 3 all but
  // four of 16 registers of 256.
  FloatMatmul(v, type, bytes, Activations(x, type.getCols()), init, tokens,
              dot == DotKind::Vnni ? 12 : 3)
      .emit(range);
}
