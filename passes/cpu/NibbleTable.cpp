//===- NibbleTable.cpp - tables of 16 numbers -----------------------------===//

#include "passes/cpu/NibbleTable.h"

#include "passes/cpu/BlockDecoder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;

/// By a shuffle of the bytes of each 16 lanes.
static Value shuffleBytes(VectorBuilder &v, StringRef intrinsic, Value q,
                          ArrayRef<int8_t> table) {
  SmallVector<int8_t> tables;
  for (int64_t lane : tileLanes(16, VectorBuilder::lanes(q) / 16))
    tables.push_back(table[lane]);
  auto type = cast<VectorType>(q.getType());
  Value values = arith::ConstantOp::create(
      v.b, v.loc, DenseElementsAttr::get(type, ArrayRef(tables)));
  auto op = LLVM::CallIntrinsicOp::create(
      v.b, v.loc, type, v.b.getStringAttr(intrinsic), ValueRange{values, q});
  return op.getResult(0);
}

/// By its four bits, one after the other: 8 of 16 numbers are left, then 4, ...
static Value selectByBits(VectorBuilder &v, Value q, ArrayRef<int8_t> table) {
  auto type = cast<VectorType>(q.getType());
  SmallVector<Value> left;
  for (int8_t value : table)
    left.push_back(v.splat(type, value));
  for (int64_t bit = 1; left.size() > 1; bit *= 2) {
    Value isSet = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ne,
                                        v.andI(q, bit), v.splat(type, 0));
    SmallVector<Value> next;
    for (size_t i = 0; i < left.size(); i += 2)
      next.push_back(v.select(isSet, left[i + 1], left[i]));
    left = next;
  }
  return left[0];
}

/// By AArch64's shuffle of 16 bytes.
static Value lookUpNeon(VectorBuilder &v, Value q, ArrayRef<int8_t> table) {
  SmallVector<Value> parts;
  for (int64_t first = 0; first < VectorBuilder::lanes(q); first += 16)
    parts.push_back(shuffleBytes(
        v, "llvm.aarch64.neon.tbl1.v16i8",
        v.shuffle(q, llvm::to_vector(llvm::seq(first, first + 16))), table));
  for (; parts.size() > 1; parts.resize(parts.size() / 2))
    for (size_t i = 0; 2 * i < parts.size(); ++i)
      parts[i] =
          v.shuffle(parts[2 * i], parts[2 * i + 1],
                    tileLanes(2 * VectorBuilder::lanes(parts[2 * i]), 1));
  return parts[0];
}

Value headrace::cpu::lookUpNibbles(VectorBuilder &v, DotKind kind, Value q,
                                   ArrayRef<int8_t> table) {
  if (kind == DotKind::Portable)
    return selectByBits(v, q, table);
  if (isNeon(kind))
    return lookUpNeon(v, q, table);
  if (VectorBuilder::lanes(q) == 16)
    return shuffleBytes(v, "llvm.x86.ssse3.pshuf.b.128", q, table);
  if (kind == DotKind::Vnni)
    return shuffleBytes(v, "llvm.x86.avx512.pshuf.b.512", q, table);
  SmallVector<int64_t> upper;
  for (int64_t lane = 32; lane < 64; ++lane)
    upper.push_back(lane);
  Value low = shuffleBytes(v, "llvm.x86.avx2.pshuf.b",
                           v.shuffle(q, tileLanes(32, 1)), table);
  Value high =
      shuffleBytes(v, "llvm.x86.avx2.pshuf.b", v.shuffle(q, upper), table);
  return v.shuffle(low, high, tileLanes(64, 1));
}

Value headrace::cpu::lookUpFloats(VectorBuilder &v, Value q,
                                  ArrayRef<int8_t> table) {
  SmallVector<float> numbers;
  for (int8_t number : table)
    numbers.push_back(number);
  auto type = v.vec(16, v.f32());
  Value values = arith::ConstantOp::create(
      v.b, v.loc, DenseElementsAttr::get(type, ArrayRef<float>(numbers)));
  auto op = LLVM::CallIntrinsicOp::create(
      v.b, v.loc, type, v.b.getStringAttr("llvm.x86.avx512.permvar.sf.512"),
      ValueRange{values, q});
  return op.getResult(0);
}
