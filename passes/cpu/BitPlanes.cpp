//===- BitPlanes.cpp - bits of codes that lie apart -----------------------===//

#include "passes/cpu/BitPlanes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

using namespace mlir;
using namespace headrace::cpu;

Value headrace::cpu::loadTwice(VectorBuilder &v, const Piece &piece,
                               int64_t at) {
  return v.shuffle(v.load(piece.bytes, v.add(piece.base, at), 32),
                   tileLanes(32, 2));
}

Value headrace::cpu::loadAtom(VectorBuilder &v, const Piece &piece,
                              int64_t at) {
  return v.extU(v.load(piece.bytes, v.add(piece.base, at), 16), v.i32());
}

Value headrace::cpu::half(VectorBuilder &v, const Piece &piece, int64_t at) {
  Value number =
      v.loadScalarAs(piece.bytes, v.add(piece.base, at), 2, v.b.getF16Type());
  return arith::ExtFOp::create(v.b, v.loc, v.f32(), number);
}

Value headrace::cpu::vectorI32(VectorBuilder &v, ArrayRef<int32_t> values) {
  auto type = v.vec(static_cast<int64_t>(values.size()), v.i32());
  return arith::ConstantOp::create(v.b, v.loc,
                                   DenseElementsAttr::get(type, values));
}

Value headrace::cpu::bitPlane(VectorBuilder &v, const Piece &piece, int64_t at,
                              int64_t step, int64_t target) {
  int64_t shift = 2 * step - target;
  Value moved = shiftHalves(v, loadTwice(v, piece, at), shift, shift + 1);
  return v.andI(moved, int64_t(1) << target);
}

Value headrace::cpu::bitPlaneAtom(VectorBuilder &v, const Piece &piece,
                                  int64_t at, int64_t atom, int64_t target) {
  Value bytes = loadAtom(v, piece, at + 16 * (atom % 2));
  return v.shl(v.andI(v.shr(bytes, atom / 2), 1), target);
}

Value headrace::cpu::pairPlane(VectorBuilder &v, const Piece &piece, int64_t at,
                               int64_t step, int64_t target) {
  int64_t shift = 4 * (step % 2) - target;
  Value twice = loadTwice(v, piece, at + 32 * (step / 2));
  Value moved = shiftHalves(v, twice, shift, shift + 2);
  return v.andI(moved, int64_t(3) << target);
}

Value headrace::cpu::pairPlaneAtom(VectorBuilder &v, const Piece &piece,
                                   int64_t at, int64_t atom, int64_t target) {
  Value bytes = loadAtom(v, piece, at + 32 * (atom / 8) + 16 * (atom % 2));
  return v.shl(v.andI(v.shr(bytes, 2 * (atom % 8 / 2)), 3), target);
}

Value headrace::cpu::rotate(VectorBuilder &v, Value q,
                            ArrayRef<int32_t> amounts) {
  Value words = v.cast(q, 16, v.i32());
  SmallVector<int32_t> right;
  for (int32_t amount : amounts)
    right.push_back(amount & 31);
  Value rotated = LLVM::FshrOp::create(v.b, v.loc, words.getType(), words,
                                       words, vectorI32(v, right));
  return v.cast(rotated, 64, v.i8());
}
