//===- Workgroup.cpp - which rows a workgroup computes --------------------===//

#include "passes/cpu/Workgroup.h"

#include "passes/cpu/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

using namespace mlir;
using namespace headrace::cpu;

FailureOr<RowRange> headrace::cpu::workgroupRows(VectorBuilder &v,
                                                 Operation *op, int64_t rows) {
  auto kernel = op->getParentOfType<func::FuncOp>();
  auto info = kernel ? kernel->getAttrOfType<DictionaryAttr>(kKernelAttr)
                     : DictionaryAttr();
  auto perGroup =
      info ? info.getAs<IntegerAttr>(kWorkgroupRows) : IntegerAttr();
  if (!perGroup)
    return op->emitOpError()
           << "expected to be in a kernel (a function with " << kKernelAttr
           << " and its " << kWorkgroupRows << "); run cpu-form-kernels first";
  Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
  Value first = v.mul(id, perGroup.getInt());
  return RowRange{first, v.min(v.add(first, perGroup.getInt()), v.index(rows)),
                  perGroup.getInt()};
}
