//===- VerifyLimits.cpp - what a device allows a kernel -------------------===//

#include "passes/simt/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <limits>

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTVERIFYLIMITS
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::common;
using namespace headrace::simt;

namespace {

/// Grids count workgroups in 32 bits, as ids in kernels do.
constexpr int64_t kMostWorkgroups = std::numeric_limits<int32_t>::max();

int64_t bytesOf(MemRefType type) {
  return type.getNumElements() *
         llvm::divideCeil(type.getElementTypeBitWidth(), 8);
}

struct SimtVerifyLimits
    : headrace::simt::impl::SimtVerifyLimitsBase<SimtVerifyLimits> {
  using Base::Base;

  void runOnOperation() override {
    bool fits = true;
    for (auto function : getOperation().getOps<func::FuncOp>()) {
      if (function->hasAttr(kKernelAttr))
        fits &= succeeded(verifyKernel(function));
      else if (function->hasAttr(kPlanAttr))
        fits &= succeeded(verifyPlan(function));
    }
    if (!fits)
      signalPassFailure();
  }

private:
  /// Emits an error that names the limit where `need` is above it.
  LogicalResult expect(Operation *op, StringRef what, int64_t need,
                       int64_t limit) {
    if (need <= limit)
      return success();
    return op->emitOpError() << "needs " << need << " " << what
                             << ", but the device has a limit of " << limit;
  }

  LogicalResult verifyKernel(func::FuncOp kernel) {
    auto info = kernel->getAttrOfType<DictionaryAttr>(kKernelAttr);
    auto threads = info.getAs<DenseI32ArrayAttr>(kWorkgroup);
    if (!threads || threads.size() != 3)
      return kernel.emitOpError()
             << "expected " << kWorkgroup << " of three sizes in "
             << kKernelAttr << "; run simt-form-kernels first";
    int64_t count = 1;
    for (int32_t size : threads.asArrayRef())
      count *= size;
    if (failed(expect(kernel, "threads in a workgroup", count, maxThreads)))
      return failure();
    if (failed(expect(kernel, "buffers", kernel.getNumArguments(), maxBuffers)))
      return failure();
    for (Type type : kernel.getArgumentTypes())
      if (failed(expect(kernel, "bytes in one buffer",
                        bytesOf(cast<MemRefType>(type)), maxBufferBytes)))
        return failure();
    int64_t shared = 0;
    kernel.walk([&](memref::AllocaOp op) {
      if (gpu::GPUDialect::hasWorkgroupMemoryAddressSpace(op.getType()))
        shared += bytesOf(op.getType());
    });
    return expect(kernel, "bytes of shared memory in a workgroup", shared,
                  sharedMemory);
  }

  LogicalResult verifyPlan(func::FuncOp plan) {
    for (auto call : plan.getOps<func::CallOp>())
      for (int64_t size :
           call->getAttrOfType<DenseI64ArrayAttr>(kGridAttr).asArrayRef())
        if (failed(expect(call, "workgroups in a grid", size, kMostWorkgroups)))
          return failure();
    return success();
  }
};

} // namespace
