//===- Cursor.h - a place in a buffer, in a register of its own -*- C++ -*-===//
//
// LLVM addresses all buffers of a loop by one register that counts, added to
// the register of each. x86 has instructions that take an operand at such a sum
// only as two: one more for each product. What follows in a row is better read
// from a pointer that nothing is added to but constants, which LLVM keeps where
// it cannot see how the pointer came about.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_CPU_CURSOR_H
#define HEADRACE_PASSES_CPU_CURSOR_H

#include "passes/cpu/VectorBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"

namespace headrace::cpu {

class Cursor {
public:
  /// Byte `at` of a memref whose elements follow each other.
  Cursor(VectorBuilder &v, mlir::Value memref, mlir::Value at) {
    mlir::Type i64 = v.b.getI64Type();
    auto base = mlir::memref::ExtractAlignedPointerAsIndexOp::create(v.b, v.loc,
                                                                     memref);
    mlir::Value address =
        mlir::arith::IndexCastOp::create(v.b, v.loc, i64, v.add(base, at));
    // No instruction, but not known to give what it takes.
    auto same = mlir::LLVM::InlineAsmOp::create(
        v.b, v.loc, i64, mlir::ValueRange{address}, /*asm_string=*/"",
        /*constraints=*/"=r,0", /*has_side_effects=*/false,
        /*is_align_stack=*/false, mlir::LLVM::TailCallKind::None,
        /*asm_dialect=*/nullptr, /*operand_attrs=*/nullptr);
    auto type = mlir::LLVM::LLVMPointerType::get(v.b.getContext());
    pointer = mlir::LLVM::IntToPtrOp::create(v.b, v.loc, type, same.getRes());
  }

  /// `lanes` of `element` from `offset` bytes further; needs no alignment.
  mlir::Value load(VectorBuilder &v, int64_t offset, int64_t lanes,
                   mlir::Type element) const {
    mlir::Value at = mlir::LLVM::GEPOp::create(
        v.b, v.loc, pointer.getType(), v.i8(), pointer,
        mlir::ArrayRef<mlir::LLVM::GEPArg>{static_cast<int32_t>(offset)});
    return mlir::LLVM::LoadOp::create(v.b, v.loc, v.vec(lanes, element), at,
                                      /*alignment=*/1);
  }

private:
  mlir::Value pointer;
};

} // namespace headrace::cpu

#endif // HEADRACE_PASSES_CPU_CURSOR_H
