//===- FormKernels.cpp - operations to kernels, functions to plans --------===//

#include "passes/common/FormKernels.h"

#include "passes/simt/ColumnDecoder.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Tiling.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTFORMKERNELS
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qlinear;
using headrace::common::KernelShape;

namespace {

/// Most threads that look for large activations.
constexpr int64_t kSelectThreads = 1024;
/// Subgroups that share the columns of 256 rows: half of the shared memory of
/// small devices is their sums.
constexpr int64_t kSparseSubgroups = 16;

bool hasKernel(Operation *op) {
  return isa<MatvecOp, GatedMatvecOp, SelectColumnsOp, SparseMatvecOp>(op);
}

/// A product of `weights` matrices of one type with the vector `x`.
FailureOr<KernelShape> productShape(Operation *op, PackedType weight, Type x,
                                    int64_t weights, int64_t width) {
  std::optional<Tiling> tiling = tileProduct(weight, weights);
  if (!tiling)
    return op->emitOpError() << "has no GPU kernel for " << weight.getFormat();
  Builder b(op->getContext());
  KernelShape shape;
  shape.rows = weight.getRows();
  shape.rowsPerGroup = tiling->workgroupRows();
  shape.matrix = weight;
  shape.x = x;
  auto threads = static_cast<int32_t>(tiling->subgroups * width);
  shape.attributes = {
      b.getNamedAttr(kSubgroupRows, b.getI64IntegerAttr(tiling->rows)),
      b.getNamedAttr(kWorkgroup, b.getDenseI32ArrayAttr({threads, 1, 1}))};
  return shape;
}

/// One workgroup with as many threads as there are columns, or all it may have.
KernelShape selectShape(SelectColumnsOp op, int64_t width) {
  Type x = op.getX().getType();
  int64_t columns = cast<ShapedType>(x).getDimSize(0);
  KernelShape shape;
  shape.suffix = "_" + std::to_string(columns) + "_" +
                 headrace::common::precision(x).str();
  int64_t most = std::min(width, kSelectThreads / width);
  int64_t subgroups =
      std::clamp<int64_t>(llvm::divideCeil(columns, width), 1, most);
  Builder b(op->getContext());
  auto threads = static_cast<int32_t>(subgroups * width);
  shape.attributes = {
      b.getNamedAttr(kWorkgroup, b.getDenseI32ArrayAttr({threads, 1, 1}))};
  return shape;
}

/// One workgroup has 256 rows, which are whole blocks of all formats.
FailureOr<KernelShape> sparseShape(SparseMatvecOp op, int64_t width) {
  PackedType weight = op.getWeight().getType();
  if (!hasColumnDecoder(weight))
    return op->emitOpError() << "has no GPU kernel for " << weight.getFormat();
  KernelShape shape;
  shape.rows = weight.getRows();
  shape.rowsPerGroup = kSliceRows;
  shape.matrix = weight;
  shape.x = op.getX().getType();
  Builder b(op->getContext());
  auto threads = static_cast<int32_t>(kSparseSubgroups * width);
  shape.attributes = {
      b.getNamedAttr(kWorkgroup, b.getDenseI32ArrayAttr({threads, 1, 1}))};
  return shape;
}

FailureOr<KernelShape> shapeOf(Operation *op, int64_t width) {
  if (auto sparse = dyn_cast<SparseMatvecOp>(op))
    return sparseShape(sparse, width);
  if (auto select = dyn_cast<SelectColumnsOp>(op))
    return selectShape(select, width);
  if (auto matvec = dyn_cast<MatvecOp>(op))
    return productShape(op, matvec.getWeight().getType(),
                        matvec.getX().getType(), 1, width);
  auto gated = cast<GatedMatvecOp>(op);
  FailureOr<KernelShape> shape = productShape(op, gated.getGate().getType(),
                                              gated.getX().getType(), 2, width);
  if (succeeded(shape))
    shape->suffix = "_" + stringifyActivation(gated.getActivation()).str();
  return shape;
}

struct SimtFormKernels
    : headrace::simt::impl::SimtFormKernelsBase<SimtFormKernels> {
  using Base::Base;

  void runOnOperation() override {
    auto shape = [&](Operation *op) { return shapeOf(op, subgroupWidth); };
    if (failed(headrace::common::formKernels(
            getOperation(), {"simt-form-kernels", "GPU", hasKernel, shape})))
      signalPassFailure();
  }
};

} // namespace
