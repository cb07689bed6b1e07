//===- PoisonScratch.cpp - scratch memory of kernels starts as NaN --------===//

#include "passes/cpu/Passes.h"
#include "passes/cpu/VectorBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPUPOISONSCRATCH
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;

namespace {

/// Bytes of one store: a cache line.
constexpr int64_t kStoreBytes = 64;

struct CpuPoisonScratch
    : headrace::cpu::impl::CpuPoisonScratchBase<CpuPoisonScratch> {
  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (!function->hasAttr(kKernelAttr))
        continue;
      WalkResult walk = function.walk([](memref::AllocaOp buffer) {
        return failed(fill(buffer)) ? WalkResult::interrupt()
                                    : WalkResult::advance();
      });
      if (walk.wasInterrupted())
        return signalPassFailure();
    }
  }

private:
  static LogicalResult fill(memref::AllocaOp buffer) {
    MemRefType type = buffer.getType();
    Type element = type.getElementType();
    if (!type.hasStaticShape() || !type.getLayout().isIdentity() ||
        !(element.isIntOrIndex() || isa<FloatType>(element)))
      return buffer.emitOpError("cpu-poison-scratch: expected a static shape "
                                "of integers or floats, but got ")
             << type;
    OpBuilder b(buffer->getContext());
    b.setInsertionPointAfter(buffer);
    VectorBuilder v{b, buffer.getLoc()};
    int64_t size = type.getNumElements();
    Value flat = memref::ReinterpretCastOp::create(
        b, v.loc, MemRefType::get({size}, element), buffer.getResult(),
        /*offset=*/0, /*sizes=*/ArrayRef<int64_t>{size},
        /*strides=*/ArrayRef<int64_t>{1});
    int64_t bytes = element.isIndex()
                        ? IndexType::kInternalStorageBitWidth / 8
                        : llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
    int64_t lanes = kStoreBytes / bytes, whole = size / lanes * lanes;
    fill(v, flat, 0, whole, lanes);
    fill(v, flat, whole, size, 1);
    return success();
  }

  /// Stores `lanes` elements at once to those from `first` to `last`.
  static void fill(VectorBuilder &v, Value flat, int64_t first, int64_t last,
                   int64_t lanes) {
    if (first == last)
      return;
    Type element = cast<MemRefType>(flat.getType()).getElementType();
    VectorType type = v.vec(lanes, element);
    Value ones = arith::ConstantOp::create(
        v.b, v.loc, DenseElementsAttr::get(type, allOnes(v.b, element)));
    v.loop(v.index(first), v.index(last), lanes, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             v.store(ones, flat, i);
             return {};
           });
  }

  static Attribute allOnes(OpBuilder &b, Type element) {
    if (auto type = dyn_cast<FloatType>(element))
      return b.getFloatAttr(
          type, APFloat(type.getFloatSemantics(),
                        APInt::getAllOnes(type.getIntOrFloatBitWidth())));
    return b.getIntegerAttr(element, -1);
  }
};

} // namespace
