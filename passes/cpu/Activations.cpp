//===- Activations.cpp - activations as product kernels take them ---------===//

#include "passes/cpu/ProductKernel.h"

#include "passes/cpu/FloatStrips.h"
#include "passes/cpu/PieceOrder.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;

Activations::Activations(Value value, int64_t cols) : data(value), cols(cols) {
  if (auto packed = dyn_cast<PackedType>(value.getType())) {
    data = value.getDefiningOp<FromBytesOp>().getBytes();
    rowBytes = packed.getBlockRowBytes();
  }
}

Value Activations::lanes(VectorBuilder &v, Value token, Value col,
                         int64_t lanes) const {
  Value loaded = stored(v, token, col, lanes);
  return isBF16() ? v.extF(loaded) : loaded;
}

Value Activations::stored(VectorBuilder &v, Value token, Value col,
                          int64_t lanes) const {
  auto type = cast<MemRefType>(data.getType());
  return type.getRank() == 1 ? v.load(data, {col}, lanes)
                             : v.load(data, {token, col}, lanes);
}

void Activations::spreadPair(VectorBuilder &v, Value token, Value col,
                             Value (&xs)[2]) const {
  if (isBF16())
    return splitPairs(v, spreadWord(v, stored(v, token, col, 2)), xs);
  for (int64_t i : {0, 1})
    xs[i] = v.repeat(lanes(v, token, v.add(col, i), 1), 0, 1, 16);
}

/// Columns of a packed token for which there is room: 48 KiB of stack.
static constexpr int64_t kMostColumns = 1 << 15;

static Value scratch(VectorBuilder &v, ArrayRef<int64_t> shape, Type element) {
  return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, element),
                                  v.b.getI64IntegerAttr(kCacheLine));
}

void Activations::prepareFloatSums(VectorBuilder &v) {
  constexpr int64_t kMostGroups = 1 << 13; // 32 KiB of stack
  int64_t groups = cols / 32;
  if (!isVector() || groups > kMostGroups)
    return;
  Value zero = v.index(0);
  Value buffer = scratch(v, {groups}, v.f32());
  v.loop(zero, v.index(groups), 1, {},
         [&](Value group, ValueRange) -> SmallVector<Value> {
           Value sum = v.sum(lanes(v, zero, v.mul(group, 32), 32));
           memref::StoreOp::create(v.b, v.loc, sum, buffer, ValueRange{group});
           return {};
         });
  floatSumBuffer = buffer;
}

void Activations::prepareScaledSums(VectorBuilder &v) {
  int64_t groups = cols / 32;
  if (floatSumBuffer || cols > kMostColumns)
    return;
  floatSumBuffer = scratch(v, {groups}, v.f32());
  int64_t step = groups % 8 == 0 ? 8 : 1;
  Value token = v.index(0);
  v.loop(token, v.index(groups), step, {},
         [&](Value group, ValueRange) -> SmallVector<Value> {
           Value sum = v.toFloat(sums(v, token, group, step));
           v.store(v.mulf(scales(v, token, group, step), sum), floatSumBuffer,
                   {group});
           return {};
         });
}

Value Activations::halfOf(VectorBuilder &v, Value low, Value high,
                          int64_t which) {
  SmallVector<int64_t> mask;
  for (int64_t group = 0; group < 4; ++group)
    for (int64_t lane = 0; lane < 16; ++lane)
      mask.push_back(32 * group + 16 * which + lane);
  return v.shuffle(low, high, mask);
}

void Activations::prepareHalves(VectorBuilder &v, DotKind dot,
                                int64_t zeroPoint) {
  int64_t quads = cols / 128;
  if (halfBuffer || quads == 0 || cols > kMostColumns)
    return;
  halfBuffer = scratch(v, {quads, 128}, v.i8());
  startZero = zeroPoint;
  if (zeroPoint)
    startBuffer = scratch(v, {quads, 16}, v.i32());
  Value token = v.index(0);
  v.loop(token, v.index(quads), 1, {},
         [&](Value quad, ValueRange) -> SmallVector<Value> {
           Value col = v.mul(quad, 128);
           Value low = quants(v, token, col, 64);
           Value high = quants(v, token, v.add(col, 64), 64);
           Value zero =
               v.splat(v.vec(64, v.i8()), static_cast<double>(zeroPoint));
           Value sum;
           for (int64_t which : {0, 1}) {
             Value half = halfOf(v, low, high, which);
             v.store(half, halfBuffer, {quad, v.index(64 * which)});
             if (zeroPoint)
               sum = dot4(v, dot, zero, half, sum, zeroPoint);
           }
           if (zeroPoint)
             v.store(v.sub(v.splat(v.vec(16, v.i32()), 0), sum), startBuffer,
                     {quad, v.index(0)});
           return {};
         });
}

void Activations::prepareOrdered(VectorBuilder &v, DotKind dot,
                                 const PieceOrder &order) {
  constexpr int64_t kPieceCols = 256;
  if (ordered(order) || cols < kPieceCols || cols > kMostColumns)
    return;
  orders.push_back(std::make_shared<OrderedActivations>(v, *this, dot, order,
                                                        cols / kPieceCols));
}

const OrderedActivations *Activations::ordered(const PieceOrder &order) const {
  for (const auto &own : orders)
    if (own->order() == order)
      return own.get();
  return nullptr;
}

Value Activations::half(VectorBuilder &v, Value quad, int64_t which) const {
  return v.load(halfBuffer, {quad, v.index(64 * which)}, 64);
}

Value Activations::start(VectorBuilder &v, Value quad,
                         int64_t zeroPoint) const {
  if (!startBuffer || zeroPoint != startZero)
    return {};
  return v.load(startBuffer, {quad, v.index(0)}, 16);
}

Value Activations::quants(VectorBuilder &v, Value token, Value col,
                          int64_t lanes) const {
  return v.load(data, {v.add(v.mul(token, rowBytes), col)}, lanes);
}

Cursor Activations::quantsAt(VectorBuilder &v, Value token, Value col) const {
  return Cursor(v, data, v.add(v.mul(token, rowBytes), col));
}

Cursor Activations::scalesAt(VectorBuilder &v, Value token, Value group) const {
  Value at = v.add(v.mul(token, rowBytes), v.mul(group, 4));
  return Cursor(v, data, v.add(at, cols));
}

Value Activations::words(VectorBuilder &v, Value token, Value group,
                         int64_t first, int64_t lanes, Type element) const {
  Value at = v.add(v.add(v.mul(token, rowBytes), v.mul(group, 4)), first);
  return v.loadAs(data, at, 4 * lanes, lanes, element);
}

Value Activations::scales(VectorBuilder &v, Value token, Value group,
                          int64_t lanes) const {
  return words(v, token, group, cols, lanes, v.f32());
}

Value Activations::sums(VectorBuilder &v, Value token, Value group,
                        int64_t lanes) const {
  return words(v, token, group, cols + cols / 32 * 4, lanes, v.i32());
}

void Activations::prepareZeroSums(VectorBuilder &v, DotKind dot,
                                  int64_t zeroPoint, int64_t tokens) {
  if (zeroSumBuffer || tokens * cols > 4 * kMostColumns)
    return;
  zeroSumBuffer = scratch(v, {tokens, cols / 16}, v.i32());
  int64_t whole = cols / 64 * 64;
  auto store = [&](Value sum, Value token, Value col) {
    sum = v.sub(v.splat(cast<VectorType>(sum.getType()), 0), sum);
    v.store(sum, zeroSumBuffer, {token, v.shr(col, 4)});
  };
  Value zero = v.splat(v.vec(64, v.i8()), static_cast<double>(zeroPoint));
  auto addNeighbours = [&](Value sums, int64_t distance) {
    SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < 16; ++lane)
      mask.push_back(lane ^ distance);
    return v.add(sums, v.shuffle(sums, mask));
  };
  v.loop(v.index(0), v.index(tokens), 1, {},
         [&](Value token, ValueRange) -> SmallVector<Value> {
           v.loop(v.index(0), v.index(whole), 64, {},
                  [&](Value col, ValueRange) -> SmallVector<Value> {
                    Value xs = quants(v, token, col, 64);
                    Value sums = dot4(v, dot, zero, xs, {}, zeroPoint);
                    sums = addNeighbours(addNeighbours(sums, 1), 2);
                    store(v.shuffle(sums, {0, 4, 8, 12}), token, col);
                    return {};
                  });
           for (int64_t col = whole; col < cols; col += 16) {
             Value xs = quants(v, token, v.index(col), 16);
             Value sum = v.broadcast(v.sumI(v.extS(xs, v.i32())), 1);
             Value factor =
                 v.splat(v.vec(1, v.i32()), static_cast<double>(zeroPoint));
             store(v.mulI(sum, factor), token, v.index(col));
           }
           return {};
         });
}

Value Activations::zeroSum(VectorBuilder &v, Value token, Value col) const {
  if (!zeroSumBuffer)
    return {};
  return v.load(zeroSumBuffer, {token, v.shr(col, 4)}, 1);
}

void Activations::prefetchColumns(VectorBuilder &v, Value token, Value col,
                                  int64_t count) const {
  auto type = cast<MemRefType>(data.getType());
  int64_t perLine = 8 * kCacheLine / type.getElementTypeBitWidth();
  for (int64_t i = 0; i < count; i += perLine) {
    Value at = v.add(col, i);
    if (isI8())
      v.prefetch(data, v.add(v.mul(token, rowBytes), at));
    else if (type.getRank() == 1)
      v.prefetch(data, at);
    else
      v.prefetch(data, {token, at});
  }
}

void Activations::prefetchLine(VectorBuilder &v, Value token, Value col,
                               Value line) const {
  auto compare = [&](arith::CmpIPredicate predicate, int64_t rhs) -> Value {
    return arith::CmpIOp::create(v.b, v.loc, predicate, line, v.index(rhs));
  };
  // A scale and a sum for each 32 columns.
  Value scales = v.add(v.shr(col, 3), cols);
  Value numbers = v.select(compare(arith::CmpIPredicate::eq, kLines - 2),
                           scales, v.add(scales, cols / 32 * 4));
  Value at = v.select(compare(arith::CmpIPredicate::ult, kLines - 2),
                      v.add(col, v.mul(line, kCacheLine)), numbers);
  v.prefetch(data, v.add(v.mul(token, rowBytes), at), 2);
}
