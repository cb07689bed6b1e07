//===- BitMatrix.cpp - bytes times matrices of bits -----------------------===//

#include "passes/cpu/BitMatrix.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;

Value headrace::cpu::timesBits(VectorBuilder &v, Value bytes, Value matrix) {
  Value none = arith::ConstantIntOp::create(v.b, v.loc, 0, 8);
  auto op = LLVM::CallIntrinsicOp::create(
      v.b, v.loc, bytes.getType(),
      v.b.getStringAttr("llvm.x86.vgf2p8affineqb.512"),
      ValueRange{bytes, matrix, none});
  return op.getResult(0);
}

Value headrace::cpu::moveBits(
    VectorBuilder &v, Value bytes,
    function_ref<SmallVector<int64_t>(int64_t)> from) {
  SmallVector<int8_t> rows(64, 0);
  for (int64_t lane = 0; lane < 8; ++lane)
    for (auto [bit, place] : llvm::enumerate(from(lane)))
      if (place >= 0)
        rows[8 * lane + 7 - bit] = static_cast<int8_t>(1 << place);
  Value matrix = arith::ConstantOp::create(
      v.b, v.loc,
      DenseElementsAttr::get(v.vec(64, v.i8()), ArrayRef<int8_t>(rows)));
  return timesBits(v, bytes, matrix);
}

Value headrace::cpu::moveBits(VectorBuilder &v, Value bytes,
                              ArrayRef<int64_t> from) {
  return moveBits(v, bytes,
                  [&](int64_t) { return SmallVector<int64_t>(from); });
}

Value headrace::cpu::blendBits(VectorBuilder &v, int64_t mask, Value yes,
                               Value no) {
  return v.orI(v.andI(yes, mask), v.andI(no, ~mask & 255));
}

Value headrace::cpu::lowCodes(VectorBuilder &v, Value nibbles, Value upper) {
  return blendBits(v, 0x0f, nibbles, upper);
}

Value headrace::cpu::highCodes(VectorBuilder &v, Value nibbles, Value upper,
                               ArrayRef<int64_t> places) {
  SmallVector<int64_t> from = {4, 5, 6, 7};
  from.append(places.begin(), places.end());
  return moveBits(v, blendBits(v, 0xf0, nibbles, upper), from);
}
