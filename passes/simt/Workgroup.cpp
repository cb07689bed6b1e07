//===- Workgroup.cpp - the threads of a kernel's workgroup ----------------===//

#include "passes/simt/Workgroup.h"

#include "passes/simt/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;
using namespace headrace;

DictionaryAttr simt::kernelInfo(Operation *op) {
  auto kernel = op->getParentOfType<func::FuncOp>();
  return kernel ? kernel->getAttrOfType<DictionaryAttr>(common::kKernelAttr)
                : DictionaryAttr();
}

FailureOr<int64_t> simt::workgroupSubgroups(Operation *op, int64_t width) {
  DictionaryAttr info = kernelInfo(op);
  auto threads =
      info ? info.getAs<DenseI32ArrayAttr>(kWorkgroup) : DenseI32ArrayAttr();
  if (!threads || threads.size() != 3)
    return op->emitOpError() << "expected to be in a kernel (a function with "
                             << common::kKernelAttr << " and its " << kWorkgroup
                             << "); run simt-form-kernels first";
  if (threads[0] % width != 0)
    return op->emitOpError()
           << "expected a workgroup of whole subgroups of " << width
           << " lanes, but got " << threads[0] << " threads";
  return threads[0] / width;
}

Value simt::sharedMemory(SimtBuilder &v, ArrayRef<int64_t> shape,
                         Type element) {
  auto space = gpu::AddressSpaceAttr::get(v.b.getContext(),
                                          gpu::AddressSpace::Workgroup);
  auto type = MemRefType::get(shape, element, MemRefLayoutAttrInterface(),
                              Attribute(space));
  return memref::AllocaOp::create(v.b, v.loc, type);
}

Value simt::reduceLanes(SimtBuilder &v, Value value,
                        gpu::AllReduceOperation how) {
  return gpu::SubgroupReduceOp::create(v.b, v.loc, value, how,
                                       /*uniform=*/true);
}

void simt::when(SimtBuilder &v, Value condition,
                llvm::function_ref<void()> body) {
  auto branch = scf::IfOp::create(v.b, v.loc, condition,
                                  /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(v.b);
  v.b.setInsertionPointToStart(branch.thenBlock());
  body();
}
