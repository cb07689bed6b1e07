//===- FormKernels.cpp - operations to kernels, functions to plans --------===//

#include "passes/common/FormKernels.h"

#include "passes/cpu/KernelInfo.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPUFORMKERNELS
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using headrace::common::KernelShape;

namespace {

struct CpuFormKernels
    : headrace::cpu::impl::CpuFormKernelsBase<CpuFormKernels> {
  void runOnOperation() override {
    auto shape = [](Operation *op) -> FailureOr<KernelShape> {
      return shapeOf(op);
    };
    if (failed(headrace::common::formKernels(
            getOperation(), {"cpu-form-kernels", "CPU", hasKernel, shape})))
      signalPassFailure();
  }
};

} // namespace
