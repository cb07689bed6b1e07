//===- ProductKernel.cpp - parts that all product kernels share -----------===//

#include "passes/cpu/ProductKernel.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;
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

std::unique_ptr<ProductKernel> ProductKernel::create(PackedType weight,
                                                     DotKind dot, Bf16Kind bf16,
                                                     bool gfni,
                                                     int64_t tokens) {
  if (isa<qlinear::Q4NXFormatAttr>(weight.getFormat()))
    return createQ4NXKernel(weight, dot);
  if (auto strips = createStripKernel(weight, dot, bf16, gfni))
    return strips;
  if (auto strips = createFloatStripKernel(weight, dot, bf16))
    return strips;
  if (auto floats = createFloatKernel(weight, dot, bf16, tokens))
    return floats;
  return createBlockRowKernel(weight, dot, gfni);
}
