//===- BindWorkgroupIds.cpp - the workgroup id as kernel arguments --------===//

#include "passes/cpu/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPUBINDWORKGROUPIDS
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;

namespace {

struct CpuBindWorkgroupIds
    : headrace::cpu::impl::CpuBindWorkgroupIdsBase<CpuBindWorkgroupIds> {
  void runOnOperation() override {
    for (auto function :
         llvm::make_early_inc_range(getOperation().getOps<func::FuncOp>())) {
      if (function->hasAttr(kPlanAttr))
        function.erase();
      else if (function->hasAttr(kKernelAttr))
        bind(function);
    }
  }

private:
  static void bind(func::FuncOp kernel) {
    Type index = IndexType::get(kernel.getContext());
    SmallVector<Value> ids;
    for (int dimension = 0; dimension < 3; ++dimension) {
      unsigned at = kernel.getNumArguments();
      (void)kernel.insertArgument(at, index, {}, kernel.getLoc());
      ids.push_back(kernel.getArgument(at));
    }
    kernel.walk([&](gpu::BlockIdOp op) {
      op.replaceAllUsesWith(ids[static_cast<int>(op.getDimension())]);
      op.erase();
    });
  }
};

} // namespace
