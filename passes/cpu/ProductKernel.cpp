//===- ProductKernel.cpp - parts that all product kernels share -----------===//

#include "passes/cpu/ProductKernel.h"

#include "passes/cpu/FloatStrips.h"
#include "passes/cpu/PieceOrder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;

static SmallVector<int64_t> lanesFrom(int64_t first, int64_t count) {
  return llvm::to_vector(llvm::seq(first, first + count));
}

/// 8 sums of 4 products each of i8 x 32, with AVX2.
static Value dot4Avx2(VectorBuilder &v, Value q, Value x, int64_t largest) {
  auto call = [&](StringRef name, Type element, int64_t lanes, Value a,
                  Value b) -> Value {
    auto op = LLVM::CallIntrinsicOp::create(v.b, v.loc, v.vec(lanes, element),
                                            v.b.getStringAttr(name),
                                            ValueRange{a, b});
    return op.getResult(0);
  };
  auto addPairs = [&](Value a, Value b) {
    return call("llvm.x86.avx2.pmadd.wd", v.i32(), 8, a, b);
  };
  // Two products of up to 128 * 127 fit 16 bits.
  if (largest <= 128)
    return addPairs(call("llvm.x86.avx2.pmadd.ub.sw", v.i16(), 16, q, x),
                    v.splat(v.vec(16, v.i16()), 1));
  Value qs = v.cast(q, 16, v.i16()), xs = v.cast(x, 16, v.i16());
  auto signedHigh = [&](Value words) -> Value {
    Value eight = v.splat(v.vec(16, v.i16()), 8);
    return arith::ShRSIOp::create(v.b, v.loc, words, eight);
  };
  Value even = addPairs(v.andI(qs, 255), signedHigh(v.shl(xs, 8)));
  return v.add(even, addPairs(v.shr(qs, 8), signedHigh(xs)));
}

/// Products of vectors of 512 bits by those of 128: `multiply` gets a quarter
/// of each and returns the sum.
static Value inQuarters(VectorBuilder &v, Value q, Value x, Value sum,
                        function_ref<Value(Value, Value, Value)> multiply) {
  auto quarter = [&](Value whole, int64_t part) {
    int64_t lanes = VectorBuilder::lanes(whole) / 4;
    return v.shuffle(whole, lanesFrom(part * lanes, lanes));
  };
  SmallVector<Value> parts;
  for (int64_t part = 0; part < 4; ++part)
    parts.push_back(
        multiply(quarter(q, part), quarter(x, part), quarter(sum, part)));
  Value low = v.shuffle(parts[0], parts[1], lanesFrom(0, 8));
  Value high = v.shuffle(parts[2], parts[3], lanesFrom(0, 8));
  return v.shuffle(low, high, lanesFrom(0, 16));
}

/// 4 sums of 4 products each of i8 x 16, added to `sum`, of signed numbers. Two
/// neighbouring products of up to 128 * 127 fit 16 bits.
static Value dot4Signed(VectorBuilder &v, bool dotprod, Value q, Value x,
                        Value sum) {
  auto call = [&](StringRef name, VectorType type, ValueRange values) -> Value {
    auto op = LLVM::CallIntrinsicOp::create(v.b, v.loc, type,
                                            v.b.getStringAttr(name), values);
    return op.getResult(0);
  };
  if (dotprod)
    return call("llvm.aarch64.neon.sdot.v4i32.v16i8", v.vec(4, v.i32()),
                {sum, q, x});
  auto multiply = [&](ArrayRef<int64_t> half) {
    return call("llvm.aarch64.neon.smull.v8i16", v.vec(8, v.i16()),
                {v.shuffle(q, half), v.shuffle(x, half)});
  };
  Value low = multiply({0, 1, 2, 3, 4, 5, 6, 7});
  Value high = multiply({8, 9, 10, 11, 12, 13, 14, 15});
  Value pairs =
      call("llvm.aarch64.neon.addp.v8i16", v.vec(8, v.i16()), {low, high});
  return v.add(sum, call("llvm.aarch64.neon.saddlp.v4i32.v8i16",
                         v.vec(4, v.i32()), {pairs}));
}

/// The same of unsigned `q`, as in `dot4`.
static Value dot4Neon(VectorBuilder &v, DotKind kind, Value q, Value x,
                      Value sum, int64_t largest) {
  if (kind == DotKind::I8mm)
    return LLVM::CallIntrinsicOp::create(
               v.b, v.loc, sum.getType(),
               v.b.getStringAttr("llvm.aarch64.neon.usdot.v4i32.v16i8"),
               ValueRange{sum, q, x})
        .getResult(0);
  bool dotprod = kind == DotKind::Dotprod;
  if (largest <= 127)
    return dot4Signed(v, dotprod, q, x, sum);
  // As signed numbers 128 less, whose products, those of x alone, serve all
  // rows that are multiplied with it.
  Value none = v.splat(v.vec(4, v.i32()), 0);
  Value less =
      dot4Signed(v, dotprod, v.splat(v.vec(16, v.i8()), -128), x, none);
  return dot4Signed(v, dotprod, v.xorI(q, -128), x, v.sub(sum, less));
}

Value headrace::cpu::dot4(VectorBuilder &v, DotKind kind, Value q, Value x,
                          Value sum, int64_t largest) {
  if (kind == DotKind::Vnni) {
    if (!sum)
      sum = v.splat(v.vec(16, v.i32()), 0);
    auto op = LLVM::CallIntrinsicOp::create(
        v.b, v.loc, sum.getType(),
        v.b.getStringAttr("llvm.x86.avx512.vpdpbusd.512"),
        ValueRange{sum, q, x});
    return op.getResult(0);
  }
  if (kind == DotKind::Avx2) {
    auto half = [&](int64_t first) {
      SmallVector<int64_t> mask;
      for (int64_t lane = first; lane < first + 32; ++lane)
        mask.push_back(lane);
      return dot4Avx2(v, v.shuffle(q, mask), v.shuffle(x, mask), largest);
    };
    SmallVector<int64_t> both;
    for (int64_t lane = 0; lane < 16; ++lane)
      both.push_back(lane);
    Value total = v.shuffle(half(0), half(32), both);
    return sum ? v.add(sum, total) : total;
  }
  if (isNeon(kind)) {
    if (!sum)
      sum = v.splat(v.vec(16, v.i32()), 0);
    return inQuarters(v, q, x, sum, [&](Value q, Value x, Value sum) {
      return dot4Neon(v, kind, q, x, sum, largest);
    });
  }
  // 255 * 127 fits i16; the sums do not, so neighbours are added as i32.
  Value products = v.mulI(v.extU(q, v.i16()), v.extS(x, v.i16()));
  auto pairs = [&](Value lanes) -> Value {
    auto split = vector::DeinterleaveOp::create(v.b, v.loc, lanes);
    return v.add(split.getRes1(), split.getRes2());
  };
  auto split = vector::DeinterleaveOp::create(v.b, v.loc, products);
  Value total = pairs(v.add(v.extS(split.getRes1(), v.i32()),
                            v.extS(split.getRes2(), v.i32())));
  return sum ? v.add(sum, total) : total;
}

Value headrace::cpu::dot2(VectorBuilder &v, Bf16Kind kind, Value w, Value x,
                          Value sum) {
  if (kind == Bf16Kind::Neon)
    return inQuarters(v, w, x, sum, [&](Value w, Value x, Value sum) -> Value {
      auto op = LLVM::CallIntrinsicOp::create(
          v.b, v.loc, sum.getType(),
          v.b.getStringAttr("llvm.aarch64.neon.bfdot.v4f32.v8bf16"),
          ValueRange{sum, w, x});
      return op.getResult(0);
    });
  auto op = LLVM::CallIntrinsicOp::create(
      v.b, v.loc, sum.getType(),
      v.b.getStringAttr("llvm.x86.avx512bf16.dpbf16ps.512"),
      ValueRange{sum, w, x});
  return op.getResult(0);
}

Value headrace::cpu::spreadWord(VectorBuilder &v, Value lanes) {
  auto type = cast<VectorType>(lanes.getType());
  Value word = v.extract(v.cast(lanes, 1, v.i32()), 0);
  return v.cast(v.broadcast(word, 16), 16 * type.getNumElements(),
                type.getElementType());
}

void headrace::cpu::prefetchAhead(VectorBuilder &v, Value bytes, Value at,
                                  int64_t near, int64_t far) {
  v.prefetch(bytes, v.add(at, far), 2);
  v.prefetch(bytes, v.add(at, near), 3);
}

//===----------------------------------------------------------------------===//
// Activations
//===----------------------------------------------------------------------===//

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

std::unique_ptr<ProductKernel> ProductKernel::create(PackedType weight,
                                                     DotKind dot, Bf16Kind bf16,
                                                     int64_t tokens) {
  if (isa<qlinear::Q4NXFormatAttr>(weight.getFormat()))
    return createQ4NXKernel(weight, dot);
  if (auto strips = createStripKernel(weight, dot, bf16))
    return strips;
  if (auto strips = createFloatStripKernel(weight, dot, bf16))
    return strips;
  if (auto floats = createFloatKernel(weight, dot, bf16, tokens))
    return floats;
  return createBlockRowKernel(weight, dot);
}
