//===- ProductKernel.cpp - parts that all product kernels share -----------===//

#include "passes/cpu/ProductKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::FromBytesOp;
using headrace::qlinear::PackedType;

Value headrace::cpu::dot4(VectorBuilder &v, DotKind kind, Value q, Value x,
                          Value sum) {
  if (kind == DotKind::Vnni) {
    if (!sum)
      sum = v.splat(v.vec(16, v.i32()), 0);
    auto op = LLVM::CallIntrinsicOp::create(
        v.b, v.loc, sum.getType(),
        v.b.getStringAttr("llvm.x86.avx512.vpdpbusd.512"),
        ValueRange{sum, q, x});
    return op.getResult(0);
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

Value headrace::cpu::dot2(VectorBuilder &v, Value w, Value x, Value sum) {
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

void headrace::cpu::prefetchAhead(VectorBuilder &v, Value bytes, Value at) {
  constexpr int64_t kFar = 8192, kNear = 2048;
  v.prefetch(bytes, v.add(at, kFar), 2);
  v.prefetch(bytes, v.add(at, kNear), 3);
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

void Activations::prepareFloatSums(VectorBuilder &v) {
  constexpr int64_t kMostGroups = 1 << 13; // 32 KiB of stack
  int64_t groups = cols / 32;
  if (!isVector() || groups > kMostGroups)
    return;
  Value zero = v.index(0);
  Value buffer =
      memref::AllocaOp::create(v.b, v.loc, MemRefType::get({groups}, v.f32()),
                               v.b.getI64IntegerAttr(kCacheLine));
  v.loop(zero, v.index(groups), 1, {},
         [&](Value group, ValueRange) -> SmallVector<Value> {
           Value sum = v.sum(lanes(v, zero, v.mul(group, 32), 32));
           memref::StoreOp::create(v.b, v.loc, sum, buffer, ValueRange{group});
           return {};
         });
  floatSumBuffer = buffer;
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

std::unique_ptr<ProductKernel> ProductKernel::create(PackedType weight,
                                                     DotKind dot, Bf16Kind bf16,
                                                     int64_t tokens) {
  if (isa<qlinear::Q4NXFormatAttr>(weight.getFormat()))
    return createQ4NXKernel(weight, dot);
  if (auto strips = createStripKernel(weight, dot, bf16))
    return strips;
  if (auto floats = createFloatKernel(weight, bf16, tokens))
    return floats;
  return createBlockRowKernel(weight, dot);
}
