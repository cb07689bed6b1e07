//===- SimtBuilder.h - short names for code of one lane ---------*- C++ -*-===//

#ifndef HEADRACE_PASSES_SIMT_SIMTBUILDER_H
#define HEADRACE_PASSES_SIMT_SIMTBUILDER_H

#include "passes/common/VectorBuilder.h"

#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::simt {

/// Vectors here are what one lane computes with: of four elements at most, as
/// GPUs have registers of one.
struct SimtBuilder : common::VectorBuilder {
  static constexpr int64_t kLanes = 4;

  SimtBuilder(mlir::OpBuilder &b, mlir::Location loc)
      : common::VectorBuilder{b, loc} {}

  /// Gives what computes `value`, or what a loop carries, a name, which emitted
  /// text keeps.
  Value named(Value value, llvm::StringRef name) {
    mlir::Location named = mlir::NameLoc::get(b.getStringAttr(name), loc);
    mlir::Operation *op = value.getDefiningOp();
    if (op && !mlir::isa<mlir::NameLoc>(op->getLoc()))
      op->setLoc(named);
    else if (auto argument = mlir::dyn_cast<mlir::BlockArgument>(value))
      argument.setLoc(named);
    return value;
  }

  mlir::VectorType f32x4() { return vec(kLanes, f32()); }
  /// Of vectors and of numbers.
  Value fma(Value lhs, Value rhs, Value acc) {
    return mlir::math::FmaOp::create(b, loc, lhs, rhs, acc);
  }
  Value div(Value lhs, int64_t rhs) {
    return mlir::arith::DivUIOp::create(b, loc, lhs, index(rhs));
  }
  Value rem(Value lhs, int64_t rhs) {
    return mlir::arith::RemUIOp::create(b, loc, lhs, index(rhs));
  }

  /// The bytes of a weight as whole elements of another type.
  Value viewAs(Value bytes, Type element) {
    auto type = mlir::cast<mlir::MemRefType>(bytes.getType());
    int64_t size = element.getIntOrFloatBitWidth() / 8;
    auto viewed = mlir::MemRefType::get({type.getDimSize(0) / size}, element);
    return mlir::memref::ViewOp::create(b, loc, viewed, bytes, index(0),
                                        mlir::ValueRange{});
  }
  Value loadOne(Value memref, Value at) {
    return mlir::memref::LoadOp::create(b, loc, memref, at);
  }
  /// A number in a narrow float format, as f32.
  Value loadNumber(Value memref, Value at) {
    return mlir::arith::ExtFOp::create(b, loc, f32(), loadOne(memref, at));
  }
  /// Four elements from `at` on, which is a multiple of `alignment` bytes.
  Value loadFour(Value memref, Value at, int64_t alignment) {
    Type element =
        mlir::cast<mlir::MemRefType>(memref.getType()).getElementType();
    return mlir::vector::LoadOp::create(b, loc, vec(kLanes, element), memref,
                                        at, /*nontemporal=*/false,
                                        llvm::MaybeAlign(alignment));
  }
  Value unsignedToFloat(Value v) {
    Type type = f32();
    if (mlir::isa<mlir::VectorType>(v.getType()))
      type = vec(lanes(v), type);
    return mlir::arith::UIToFPOp::create(b, loc, type, v);
  }
  /// `v` times a constant; `v` itself where that is one.
  Value scale(Value v, double factor) {
    if (factor == 1)
      return v;
    if (auto type = mlir::dyn_cast<mlir::VectorType>(v.getType()))
      return mulf(v, splat(type, factor));
    return mulf(v, constF(factor));
  }
  /// Two elements from an even one on.
  Value loadAligned(Value memref, Value at, int64_t count) {
    auto type = mlir::cast<mlir::MemRefType>(memref.getType());
    int64_t bytes = count * type.getElementTypeBitWidth() / 8;
    return mlir::vector::LoadOp::create(
        b, loc, vec(count, type.getElementType()), memref, at,
        /*nontemporal=*/false, llvm::MaybeAlign(bytes));
  }
  Value notLess(Value lhs, int64_t rhs) {
    return mlir::arith::CmpIOp::create(b, loc, mlir::arith::CmpIPredicate::uge,
                                       lhs, index(rhs));
  }
  Value toI16(Value index) {
    return mlir::arith::IndexCastUIOp::create(b, loc, i16(), index);
  }
  Value constI32(int64_t value) {
    return mlir::arith::ConstantOp::create(
        b, loc, b.getI32IntegerAttr(static_cast<int32_t>(value)));
  }
  Value vectorI32(llvm::ArrayRef<int32_t> values) {
    auto type = vec(static_cast<int64_t>(values.size()), i32());
    return mlir::arith::ConstantOp::create(
        b, loc, mlir::DenseElementsAttr::get(type, values));
  }
  Value fromElements(llvm::ArrayRef<Value> values) {
    auto type = vec(static_cast<int64_t>(values.size()), values[0].getType());
    return mlir::vector::FromElementsOp::create(b, loc, type, values);
  }
  Value splat4(Value scalar) { return broadcast(scalar, kLanes); }
  Value splatF(Value scalar) { return broadcast(scalar, kLanes); }
  Value zeros() { return splat(f32x4(), 0); }
};

} // namespace headrace::simt

#endif // HEADRACE_PASSES_SIMT_SIMTBUILDER_H
