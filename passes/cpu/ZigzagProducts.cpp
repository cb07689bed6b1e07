//===- ZigzagProducts.cpp - products with whole zigzag weights ------------===//
//
// One token: all columns are added to sums, as sparse products add some; of the
// two weights of a gated product one after the other. Several tokens: 64
// columns of 256 rows are decoded once into a tile of f32, which all tokens
// share; 64 rows and six tokens at a time are in registers.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/ZigzagProducts.h"

#include "passes/cpu/ZigzagSums.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;
using headrace::qlinear::ZigzagFormatAttr;

namespace {

constexpr int64_t kLanes = kSliceLanes;
constexpr int64_t kTileCols = 64;
/// Rows of a strip of the tile: four vectors.
constexpr int64_t kStripRows = 64;
constexpr int64_t kStripVectors = kStripRows / kLanes;
constexpr int64_t kStrips = kSliceRows / kStripRows;
constexpr int64_t kTogether = 6;

/// Columns of one group of a token's activations, as f32.
Value activationLanes(VectorBuilder &v, const Activations &x, Value token,
                      Value column, int64_t lanes) {
  if (!x.isI8())
    return x.lanes(v, token, column, lanes);
  Value group = arith::DivUIOp::create(v.b, v.loc, column, v.index(32));
  Value numbers = v.toFloat(v.extS(x.quants(v, token, column, lanes), v.i32()));
  return v.mulf(numbers, v.repeat(x.scales(v, token, group, 1), 0, 1, lanes));
}

/// Which of 16 rows from `row` exist, of `rows` in all; null if all do.
Value existing(VectorBuilder &v, Value row, int64_t rows) {
  if (rows % kSliceRows == 0)
    return {};
  // Past the end the count is negative, which create_mask takes for none.
  Value left = v.sub(v.index(rows), row);
  return vector::CreateMaskOp::create(v.b, v.loc,
                                      v.vec(kLanes, v.b.getI1Type()), left);
}

/// Stores 16 rows, those of them that exist; the last index is the row.
void storeRows(VectorBuilder &v, Value lanes, Value init, ArrayRef<Value> at,
               int64_t rows) {
  if (Value mask = existing(v, at.back(), rows))
    vector::MaskedStoreOp::create(v.b, v.loc, init, at, mask, lanes);
  else
    v.store(lanes, init, at);
}

/// Products of several tokens.
class ZigzagTile {
public:
  ZigzagTile(VectorBuilder &v, TypedValue<PackedType> weight, Value x,
             Value init, const SliceDecoder &decoder, RowRange range)
      : v(v), weight(weight.getType()),
        bytes(weight.getDefiningOp<FromBytesOp>().getBytes()),
        x(x, this->weight.getCols()), init(init), decoder(decoder),
        layout{sliceBand(this->weight), this->weight.getCols(),
               decoder.bytes()},
        range(range) {}

  void emit(int64_t tokens) {
    allocate();
    v.loop(v.index(0), v.index(weight.getCols()), kTileCols, {},
           [&](Value col, ValueRange) -> SmallVector<Value> {
             Value count = v.min(v.index(kTileCols),
                                 v.sub(v.index(weight.getCols()), col));
             v.loop(range.first, range.last, kSliceRows, {},
                    [&](Value row, ValueRange) -> SmallVector<Value> {
                      decode(row, col, count);
                      forTokens(tokens, [&](Value token, int64_t together) {
                        multiply(row, col, count, token, together);
                      });
                      return {};
                    });
             return {};
           });
  }

private:
  void allocate() {
    OpBuilder::InsertionGuard guard(v.b);
    Operation *parent = v.b.getInsertionBlock()->getParentOp();
    auto function = dyn_cast<func::FuncOp>(parent);
    if (!function)
      function = parent->getParentOfType<func::FuncOp>();
    v.b.setInsertionPointToStart(&function.getBody().front());
    auto buffer = [&](ArrayRef<int64_t> shape) -> Value {
      return memref::AllocaOp::create(v.b, v.loc,
                                      MemRefType::get(shape, v.f32()),
                                      v.b.getI64IntegerAttr(kCacheLine));
    };
    tile = buffer({kStrips, kTileCols, kStripRows});
    activations = buffer({kTogether, kTileCols});
  }

  void forTokens(int64_t tokens,
                 llvm::function_ref<void(Value, int64_t)> body) {
    int64_t whole = tokens / kTogether * kTogether;
    if (whole > 0)
      v.loop(v.index(0), v.index(whole), kTogether, {},
             [&](Value token, ValueRange) -> SmallVector<Value> {
               body(token, kTogether);
               return {};
             });
    if (whole < tokens)
      body(v.index(whole), tokens - whole);
  }

  /// The weights of 256 rows and `count` columns, in strips.
  void decode(Value row, Value col, Value count) {
    Value base = layout.columnZero(v, row);
    Value one = arith::ConstantOp::create(v.b, v.loc, v.b.getF32FloatAttr(1.0));
    v.loop(v.index(0), count, 1, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             Value at = v.add(base, v.mul(v.add(col, i), layout.columnBytes()));
             for (int64_t line = 0; line < decoder.bytes(); line += kCacheLine)
               v.prefetch(bytes, v.add(at, 16 * layout.columnBytes() + line));
             Value coefficients = decoder.coefficients(v, bytes, at, one)[0];
             int64_t vectors = decoder.partVectors();
             for (int64_t n = 0; n < kSliceRows / kLanes; ++n) {
               if (n % vectors == 0)
                 numbers = decoder.numbers(v, bytes, at, n / vectors);
               storeWeights(coefficients, n, i);
             }
             return {};
           });
  }

  /// Scales the next numbers, those of vector `n` of a column.
  void storeWeights(Value coefficients, int64_t n, Value column) {
    int64_t group = n * kLanes / decoder.groupRows();
    Value scale = v.repeat(coefficients, group, 1, kLanes);
    Value weights = v.mulf(numbers[n % decoder.partVectors()], scale);
    if (decoder.hasOffsets())
      weights = v.addf(weights, v.repeat(coefficients, group + 8, 1, kLanes));
    v.store(weights, tile,
            {v.index(n / kStripVectors), column,
             v.index(n % kStripVectors * kLanes)});
  }

  /// Adds the share of `count` columns to the results of some tokens.
  void multiply(Value row, Value col, Value count, Value token,
                int64_t together) {
    for (int64_t t = 0; t < together; ++t)
      loadActivations(v.add(token, t), col, count, t);
    v.loop(v.index(0), v.index(kStrips), 1, {},
           [&](Value strip, ValueRange) -> SmallVector<Value> {
             Value first = v.add(row, v.mul(strip, kStripRows));
             SmallVector<Value> sums;
             for (int64_t t = 0; t < together; ++t)
               for (int64_t n = 0; n < kStripVectors; ++n)
                 sums.push_back(
                     loadSum({v.add(token, t), v.add(first, n * kLanes)}, col));
             sums = v.loop(v.index(0), count, 1, sums,
                           [&](Value i, ValueRange carried) {
                             return addColumn(strip, i, together, carried);
                           });
             for (int64_t t = 0; t < together; ++t)
               for (int64_t n = 0; n < kStripVectors; ++n)
                 storeRows(v, sums[t * kStripVectors + n], init,
                           {v.add(token, t), v.add(first, n * kLanes)},
                           weight.getRows());
             return {};
           });
  }

  SmallVector<Value> addColumn(Value strip, Value column, int64_t together,
                               ValueRange carried) {
    SmallVector<Value> weights, sums;
    for (int64_t n = 0; n < kStripVectors; ++n)
      weights.push_back(
          v.load(tile, {strip, column, v.index(n * kLanes)}, kLanes));
    for (int64_t t = 0; t < together; ++t) {
      Value one = memref::LoadOp::create(v.b, v.loc, activations,
                                         ValueRange{v.index(t), column});
      Value spread = v.broadcast(one, kLanes);
      for (Value lanes : weights)
        sums.push_back(v.fma(lanes, spread, carried[sums.size()]));
    }
    return sums;
  }

  /// Columns of one token as f32, into row `place` of the buffer.
  void loadActivations(Value token, Value col, Value count, int64_t place) {
    v.loop(v.index(0), count, kLanes, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             v.store(activationLanes(v, x, token, v.add(col, i), kLanes),
                     activations, {v.index(place), i});
             return {};
           });
  }

  //===-- Rows ------------------------------------------------------------===//

  /// What has been added up before column `col`: nothing before the first, as
  /// what `init` held is void.
  Value loadSum(ArrayRef<Value> at, Value col) {
    auto type = v.vec(kLanes, v.f32());
    Value zero = v.splat(type, 0);
    Value mask = existing(v, at.back(), weight.getRows());
    Value before = mask ? Value(vector::MaskedLoadOp::create(
                              v.b, v.loc, type, init, at, mask, zero))
                        : v.load(init, at, kLanes);
    Value first = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::eq,
                                        col, v.index(0));
    return v.select(first, zero, before);
  }

  VectorBuilder &v;
  PackedType weight;
  Value bytes;
  Activations x;
  Value init;
  const SliceDecoder &decoder;
  SliceLayout layout;
  RowRange range;
  SmallVector<Value> numbers; // of a part of a slice
  Value tile;                 // [strip][column][row]
  Value activations;          // [token][column]
};

std::unique_ptr<SliceDecoder> decoderOf(PackedType weight, DotKind dot) {
  if (!sliceBand(weight))
    return nullptr;
  return SliceDecoder::create(
      cast<ZigzagFormatAttr>(weight.getFormat()).getFormat(),
      dot == DotKind::Vnni ? NibbleKind::Avx512 : NibbleKind::Portable);
}

} // namespace

bool headrace::cpu::canMultiplyZigzag(PackedType weight) {
  return weight.getCols() % 32 == 0 && decoderOf(weight, DotKind::Portable);
}

void headrace::cpu::emitZigzagVector(VectorBuilder &v,
                                     ArrayRef<TypedValue<PackedType>> weights,
                                     Value activations, Value init, DotKind dot,
                                     RowRange range, ZigzagEpilogue epilogue) {
  PackedType first = weights[0].getType();
  Activations x(activations, first.getCols());
  auto all = [](Value at) { return at; };
  auto factor = [&](Value column) {
    return v.extract(activationLanes(v, x, v.index(0), column, 1), 0);
  };
  SmallVector<std::unique_ptr<SliceDecoder>> decoders;
  SmallVector<std::unique_ptr<SliceSums>> sums;
  for (TypedValue<PackedType> weight : weights) {
    decoders.push_back(decoderOf(weight.getType(), dot));
    sums.push_back(std::make_unique<SliceSums>(
        v, weight.getDefiningOp<FromBytesOp>().getBytes(), *decoders.back(),
        weight.getType(), range, dot, /*exact=*/!x.isBF16()));
    sums.back()->clear();
    sums.back()->addAll(v.index(first.getCols()), {all, factor});
  }
  v.loop(v.index(0), v.sub(range.last, range.first), kLanes, {},
         [&](Value row, ValueRange) -> SmallVector<Value> {
           SmallVector<Value> products;
           for (const std::unique_ptr<SliceSums> &one : sums)
             products.push_back(one->load(row));
           storeRows(v, epilogue(v, products), init, v.add(range.first, row),
                     first.getRows());
           return {};
         });
}

void headrace::cpu::emitZigzagTokens(VectorBuilder &v,
                                     TypedValue<PackedType> weight, Value x,
                                     Value init, int64_t tokens, DotKind dot,
                                     RowRange range) {
  std::unique_ptr<SliceDecoder> decoder = decoderOf(weight.getType(), dot);
  ZigzagTile(v, weight, x, init, *decoder, range).emit(tokens);
}
