//===- LowerSelect.cpp - the list of large activations as vectors ---------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/VectorBuilder.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERSELECT
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using headrace::qlinear::SelectColumnsOp;

namespace {

/// A register's columns at a time: the numbers of the selected ones move to the
/// front of a vector, which is stored behind those found so far.
class SelectKernel {
public:
  SelectKernel(VectorBuilder &v, SelectColumnsOp op, int64_t lanes)
      : v(v), op(op), lanes(lanes),
        size(cast<MemRefType>(op.getX().getType()).getDimSize(0)) {}

  void emit() {
    Value steps =
        vector::StepOp::create(v.b, v.loc, v.vec(lanes, v.b.getIndexType()));
    numbers =
        arith::IndexCastOp::create(v.b, v.loc, v.vec(lanes, v.i32()), steps);
    int64_t whole = size / lanes * lanes;
    Value found = v.index(0);
    // No more are found than were looked at, so a whole vector fits.
    if (whole > 0)
      found = v.loop(found, v.index(whole), lanes, found,
                     [&](Value col, ValueRange carried) -> SmallVector<Value> {
                       auto [list, count] = compressed(col, lanes);
                       v.store(list, op.getIndices(), {carried[0]});
                       return {v.add(carried[0], count)};
                     })[0];
    if (whole < size) {
      auto [list, count] = compressed(v.index(whole), size - whole);
      storeInside(list, found);
      found = v.add(found, count);
    }
    Value zeros = v.splat(v.vec(lanes, v.i32()), 0);
    v.loop(found, v.index(size), lanes, {},
           [&](Value col, ValueRange) -> SmallVector<Value> {
             storeInside(zeros, col);
             return {};
           });
    Value count = arith::IndexCastOp::create(v.b, v.loc, v.i32(), found);
    memref::StoreOp::create(v.b, v.loc, count, op.getCount(), v.index(0));
  }

private:
  /// The selected ones of `count` columns from `col`, then zeros, and how many.
  std::pair<Value, Value> compressed(Value col, int64_t count) {
    // Zeros behind the end are never selected: no threshold is below 0.
    Value x = v.loadFirst(op.getX(), {col}, lanes, count);
    if (cast<MemRefType>(op.getX().getType()).getElementType().isBF16())
      x = v.extF(x);
    Value magnitude = math::AbsFOp::create(v.b, v.loc, x);
    Value threshold =
        v.splat(v.vec(lanes, v.f32()), op.getThreshold().convertToFloat());
    // Unordered too: a NaN is selected.
    Value large = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::UGT,
                                        magnitude, threshold);
    Value first = arith::IndexCastOp::create(v.b, v.loc, v.i32(), col);
    Value list = v.add(numbers, v.broadcast(first, lanes));
    auto compress = LLVM::CallIntrinsicOp::create(
        v.b, v.loc, list.getType(),
        v.b.getStringAttr("llvm.experimental.vector.compress"),
        ValueRange{list, large, v.splat(v.vec(lanes, v.i32()), 0)});
    Value bits = v.extract(v.cast(large, 1, v.b.getIntegerType(lanes)), 0);
    Value many = math::CtPopOp::create(v.b, v.loc, bits);
    return {compress.getResult(0),
            arith::IndexCastUIOp::create(v.b, v.loc, v.b.getIndexType(), many)};
  }

  /// Stores what of a vector lies inside of the list.
  void storeInside(Value values, Value at) {
    Value mask = vector::CreateMaskOp::create(
        v.b, v.loc, v.vec(lanes, v.b.getI1Type()), v.sub(v.index(size), at));
    vector::MaskedStoreOp::create(v.b, v.loc, op.getIndices(), at, mask,
                                  values);
  }

  VectorBuilder &v;
  SelectColumnsOp op;
  int64_t lanes;
  int64_t size;
  Value numbers; // 0, 1, ...
};

struct CpuLowerSelect
    : headrace::cpu::impl::CpuLowerSelectBase<CpuLowerSelect> {
  using Base::Base;

  void runOnOperation() override {
    // LLVM 22 compresses a vector of several SVE registers wrongly: what lies
    // behind the first ones' numbers overwrites the next ones'.
    int64_t lanes = vectorBits / 32;
    if (lanes != 4 && lanes != 8 && lanes != 16) {
      getOperation()->emitError()
          << "cpu-lower-select: expected vector-bits of "
             "128, 256 or 512, but got "
          << vectorBits.getValue();
      return signalPassFailure();
    }
    getOperation()->walk([&](SelectColumnsOp op) {
      if (op->getNumResults() > 0)
        return;
      OpBuilder builder(op);
      VectorBuilder v{builder, op->getLoc()};
      SelectKernel(v, op, lanes).emit();
      op->erase();
    });
  }
};

} // namespace
