//===- VectorBuilder.h - short names for vector code ------------*- C++ -*-===//
//
// Kernels of CPUs and GPUs are built op by op; these helpers keep that code
// about the kernel instead of about builders. Every method creates the op that
// its name says and returns its result.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_COMMON_VECTORBUILDER_H
#define HEADRACE_PASSES_COMMON_VECTORBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/TypeUtilities.h"

namespace headrace::common {

struct VectorBuilder {
  mlir::OpBuilder &b;
  mlir::Location loc;

  using Value = mlir::Value;
  using Type = mlir::Type;

  //===-- Types and constants ---------------------------------------------===//

  Type i8() { return b.getI8Type(); }
  Type i16() { return b.getI16Type(); }
  Type i32() { return b.getI32Type(); }
  Type f32() { return b.getF32Type(); }
  mlir::VectorType vec(int64_t lanes, Type element) {
    return mlir::VectorType::get({lanes}, element);
  }
  static int64_t lanes(Value v) {
    return mlir::cast<mlir::VectorType>(v.getType()).getNumElements();
  }
  Value index(int64_t value) {
    return mlir::arith::ConstantIndexOp::create(b, loc, value);
  }
  Value constF(double value) {
    return mlir::arith::ConstantOp::create(b, loc, b.getF32FloatAttr(value));
  }
  /// A vector of equal constants, integer or float by the element type.
  Value splat(mlir::VectorType type, double value) {
    mlir::Attribute element =
        mlir::isa<mlir::FloatType>(type.getElementType())
            ? mlir::Attribute(b.getFloatAttr(type.getElementType(), value))
            : mlir::Attribute(b.getIntegerAttr(type.getElementType(),
                                               static_cast<int64_t>(value)));
    return mlir::arith::ConstantOp::create(
        b, loc, mlir::DenseElementsAttr::get(type, element));
  }
  Value vectorI16(llvm::ArrayRef<int16_t> values) {
    auto type = vec(static_cast<int64_t>(values.size()), i16());
    return mlir::arith::ConstantOp::create(
        b, loc, mlir::DenseElementsAttr::get(type, values));
  }

  //===-- Index arithmetic ------------------------------------------------===//

  Value add(Value lhs, Value rhs) {
    return mlir::arith::AddIOp::create(b, loc, lhs, rhs);
  }
  Value add(Value lhs, int64_t rhs) {
    return rhs == 0 ? lhs : add(lhs, index(rhs));
  }
  Value mul(Value lhs, Value rhs) {
    return mlir::arith::MulIOp::create(b, loc, lhs, rhs);
  }
  Value mul(Value lhs, int64_t rhs) { return mul(lhs, index(rhs)); }
  Value min(Value lhs, Value rhs) {
    return mlir::arith::MinUIOp::create(b, loc, lhs, rhs);
  }

  //===-- Arithmetic on scalars and vectors -------------------------------===//

  Value sub(Value lhs, Value rhs) {
    return mlir::arith::SubIOp::create(b, loc, lhs, rhs);
  }
  Value andI(Value lhs, Value rhs) {
    return mlir::arith::AndIOp::create(b, loc, lhs, rhs);
  }
  /// `v & mask`, the mask repeated in every lane.
  Value andI(Value v, int64_t mask) { return andI(v, same(v, mask)); }
  Value orI(Value lhs, Value rhs) {
    return mlir::arith::OrIOp::create(b, loc, lhs, rhs);
  }
  Value xorI(Value v, int64_t mask) {
    return mlir::arith::XOrIOp::create(b, loc, v, same(v, mask));
  }
  Value shr(Value v, Value amount) {
    return mlir::arith::ShRUIOp::create(b, loc, v, amount);
  }
  Value shr(Value v, int64_t amount) {
    return amount == 0 ? v : shr(v, same(v, amount));
  }
  Value shl(Value v, Value amount) {
    return mlir::arith::ShLIOp::create(b, loc, v, amount);
  }
  Value shl(Value v, int64_t amount) {
    return amount == 0 ? v : shl(v, same(v, amount));
  }
  Value mulI(Value lhs, Value rhs) {
    return mlir::arith::MulIOp::create(b, loc, lhs, rhs);
  }
  Value addf(Value lhs, Value rhs) {
    return mlir::arith::AddFOp::create(b, loc, lhs, rhs);
  }
  Value subf(Value lhs, Value rhs) {
    return mlir::arith::SubFOp::create(b, loc, lhs, rhs);
  }
  Value mulf(Value lhs, Value rhs) {
    return mlir::arith::MulFOp::create(b, loc, lhs, rhs);
  }
  Value divf(Value lhs, Value rhs) {
    return mlir::arith::DivFOp::create(b, loc, lhs, rhs);
  }
  Value negf(Value v) { return mlir::arith::NegFOp::create(b, loc, v); }
  Value fma(Value lhs, Value rhs, Value acc) {
    return mlir::vector::FMAOp::create(b, loc, lhs, rhs, acc);
  }
  Value select(Value cond, Value yes, Value no) {
    return mlir::arith::SelectOp::create(b, loc, cond, yes, no);
  }
  Value lessF(Value lhs, Value rhs) {
    return mlir::arith::CmpFOp::create(b, loc, mlir::arith::CmpFPredicate::OLT,
                                       lhs, rhs);
  }

  //===-- Conversions -----------------------------------------------------===//

  /// Integer lanes widened to `element`, unsigned or signed.
  Value extU(Value v, Type element) {
    return mlir::arith::ExtUIOp::create(b, loc, vec(lanes(v), element), v);
  }
  Value extS(Value v, Type element) {
    return mlir::arith::ExtSIOp::create(b, loc, vec(lanes(v), element), v);
  }
  /// Signed integer lanes to f32.
  Value toFloat(Value v) {
    return mlir::arith::SIToFPOp::create(b, loc, vec(lanes(v), f32()), v);
  }
  /// bf16 or f16 lanes to f32.
  Value extF(Value v) {
    if (mlir::getElementTypeOrSelf(v).isBF16()) {
      // As integers: where a load is hoisted away from its extension, LLVM
      // keeps bf16 values of a CPU without bf16 as f32 and converts them back
      // with a call to a library.
      Value bits = extU(cast(v, lanes(v), b.getIntegerType(16)), i32());
      return cast(shl(bits, 16), lanes(v), f32());
    }
    return mlir::arith::ExtFOp::create(b, loc, vec(lanes(v), f32()), v);
  }
  /// The same bits with other lanes.
  Value cast(Value v, int64_t lanes, Type element) {
    return mlir::vector::BitCastOp::create(b, loc, vec(lanes, element), v);
  }

  //===-- Lanes -----------------------------------------------------------===//

  Value broadcast(Value scalar, int64_t lanes) {
    return mlir::vector::BroadcastOp::create(
        b, loc, vec(lanes, scalar.getType()), scalar);
  }
  Value extract(Value v, int64_t lane) {
    return mlir::vector::ExtractOp::create(b, loc, v, lane);
  }
  Value insert(Value scalar, Value v, int64_t lane) {
    return mlir::vector::InsertOp::create(b, loc, scalar, v, lane);
  }
  Value shuffle(Value lhs, Value rhs, llvm::ArrayRef<int64_t> mask) {
    return mlir::vector::ShuffleOp::create(b, loc, lhs, rhs, mask);
  }
  Value shuffle(Value v, llvm::ArrayRef<int64_t> mask) {
    return shuffle(v, v, mask);
  }
  /// Each of `v[first .. first + count)` repeated `times`.
  Value repeat(Value v, int64_t first, int64_t count, int64_t times) {
    llvm::SmallVector<int64_t> mask;
    for (int64_t lane = first; lane < first + count; ++lane)
      mask.append(times, lane);
    return shuffle(v, mask);
  }
  /// `v` in the low lanes of a vector of `lanes`, zeros above.
  Value padZero(Value v, int64_t total) {
    int64_t have = lanes(v);
    if (have == total)
      return v;
    llvm::SmallVector<int64_t> mask;
    for (int64_t lane = 0; lane < total; ++lane)
      mask.push_back(lane < have ? lane : have);
    auto type = mlir::cast<mlir::VectorType>(v.getType());
    return shuffle(v, splat(type, 0), mask);
  }
  Value sum(Value v) {
    return mlir::vector::ReductionOp::create(
        b, loc, mlir::vector::CombiningKind::ADD, v,
        mlir::arith::FastMathFlags::reassoc);
  }
  Value sumI(Value v) {
    return mlir::vector::ReductionOp::create(
        b, loc, mlir::vector::CombiningKind::ADD, v);
  }

  //===-- Memory ----------------------------------------------------------===//

  Value load(Value memref, mlir::ValueRange at, int64_t lanes) {
    Type element =
        mlir::cast<mlir::MemRefType>(memref.getType()).getElementType();
    return mlir::vector::LoadOp::create(b, loc, vec(lanes, element), memref,
                                        at);
  }
  void store(Value v, Value memref, mlir::ValueRange at) {
    mlir::vector::StoreOp::create(b, loc, v, memref, at);
  }
  /// `count` bytes at `at` as `lanes` of `element`; needs no alignment.
  Value loadAs(Value bytes, Value at, int64_t count, int64_t lanes,
               Type element) {
    return cast(load(bytes, at, count), lanes, element);
  }
  Value loadScalarAs(Value bytes, Value at, int64_t count, Type element) {
    return extract(loadAs(bytes, at, count, 1, element), 0);
  }
  /// `lanes` of which only the first `count` are read, zeros above, and the
  /// same for stores.
  Value loadFirst(Value memref, mlir::ValueRange at, int64_t lanes,
                  int64_t count) {
    if (count == lanes)
      return load(memref, at, lanes);
    auto type = vec(
        lanes, mlir::cast<mlir::MemRefType>(memref.getType()).getElementType());
    return mlir::vector::MaskedLoadOp::create(
        b, loc, type, memref, at, first(lanes, count), splat(type, 0));
  }
  void storeFirst(Value v, Value memref, mlir::ValueRange at, int64_t count) {
    if (count == lanes(v))
      return store(v, memref, at);
    if (count == 1) {
      // LLVM 22 stores all four bytes of a lane that was narrowed to one where
      // a mask has a single lane.
      mlir::memref::StoreOp::create(b, loc, extract(v, 0), memref, at);
      return;
    }
    mlir::vector::MaskedStoreOp::create(b, loc, memref, at,
                                        first(lanes(v), count), v);
  }
  /// Whether a lane is one of the first `count`.
  Value first(int64_t lanes, int64_t count) {
    return mlir::vector::ConstantMaskOp::create(
        b, loc, vec(lanes, b.getI1Type()), llvm::ArrayRef<int64_t>{count});
  }
  /// `locality` 3: into the first cache, 2: into the second.
  void prefetch(Value bytes, mlir::ValueRange at, uint32_t locality = 3) {
    mlir::memref::PrefetchOp::create(b, loc, bytes, at, /*isWrite=*/false,
                                     locality, /*isDataCache=*/true);
  }

  //===-- Loops -----------------------------------------------------------===//

  /// `for i in [lower, upper) step`, carrying `init`; `body` gets the index and
  /// the carried values and returns the next ones.
  llvm::SmallVector<Value>
  loop(Value lower, Value upper, int64_t step, mlir::ValueRange init,
       llvm::function_ref<llvm::SmallVector<Value>(Value, mlir::ValueRange)>
           body) {
    auto op = mlir::scf::ForOp::create(
        b, loc, lower, upper, index(step), init,
        [&](mlir::OpBuilder &nested, mlir::Location at, Value i,
            mlir::ValueRange carried) {
          mlir::OpBuilder::InsertionGuard guard(b);
          b.setInsertionPoint(nested.getInsertionBlock(),
                              nested.getInsertionPoint());
          llvm::SmallVector<Value> next = body(i, carried);
          mlir::scf::YieldOp::create(b, at, next);
        });
    return llvm::SmallVector<Value>(op.getResults().begin(),
                                    op.getResults().end());
  }

private:
  /// `value` in the type of `v`, scalar or vector.
  Value same(Value v, int64_t value) {
    if (auto type = mlir::dyn_cast<mlir::VectorType>(v.getType()))
      return splat(type, static_cast<double>(value));
    return mlir::arith::ConstantOp::create(
        b, loc, b.getIntegerAttr(v.getType(), value));
  }
};

} // namespace headrace::common

#endif // HEADRACE_PASSES_COMMON_VECTORBUILDER_H
