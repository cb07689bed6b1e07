//===- FormKernels.cpp - operations to kernels, functions to plans --------===//

#include "passes/common/FormKernels.h"

#include "passes/simt/AttentionShapes.h"
#include "passes/simt/ColumnDecoder.h"
#include "passes/simt/MatmulTile.h"
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

/// Most threads of a workgroup that has a row of activations.
constexpr int64_t kRowThreads = 1024;
/// Threads, and values, of a workgroup where values do not depend on others.
constexpr int64_t kValueThreads = 256;
/// Subgroups that share the columns of a slice: half of the shared memory of
/// small devices is their sums.
constexpr int64_t kSliceSubgroups = 16;

bool hasKernel(Operation *op) {
  return isa<MatvecOp, MatmulOp, GatedMatvecOp, SelectColumnsOp, SparseMatvecOp,
             RmsNormOp, GatedActivationOp>(op) ||
         hasAttentionKernel(op);
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

/// As many threads as there are columns, or all that a workgroup may have.
NamedAttribute rowThreads(Operation *op, int64_t columns, int64_t width) {
  int64_t most = std::min(width, kRowThreads / width);
  int64_t subgroups =
      std::clamp<int64_t>(llvm::divideCeil(columns, width), 1, most);
  Builder b(op->getContext());
  auto threads = static_cast<int32_t>(subgroups * width);
  return b.getNamedAttr(kWorkgroup, b.getDenseI32ArrayAttr({threads, 1, 1}));
}

/// A workgroup for each row of a norm, or for some values of a gate.
KernelShape rowsShape(Operation *op, int64_t width) {
  auto type = cast<ShapedType>(op->getOperands().back().getType());
  KernelShape shape;
  for (int64_t size : type.getShape())
    shape.suffix += (shape.suffix.empty() ? "_" : "x") + std::to_string(size);
  if (auto gated = dyn_cast<GatedActivationOp>(op)) {
    shape.suffix += "_" + stringifyActivation(gated.getActivation()).str();
    shape.rows = type.getNumElements();
    shape.rowsPerGroup = kValueThreads;
    shape.attributes = {rowThreads(op, kValueThreads, width)};
  } else {
    shape.rows = type.getRank() > 1 ? type.getDimSize(0) : 1;
    shape.attributes = {rowThreads(op, type.getShape().back(), width)};
  }
  return shape;
}

/// One workgroup.
KernelShape selectShape(SelectColumnsOp op, int64_t width) {
  Type x = op.getX().getType();
  int64_t columns = cast<ShapedType>(x).getDimSize(0);
  KernelShape shape;
  shape.suffix = "_" + std::to_string(columns) + "_" +
                 headrace::common::precision(x).str();
  shape.attributes = {rowThreads(op, columns, width)};
  return shape;
}

/// What kernels are made for.
struct Device {
  int64_t width, cores;
};

/// The rows of a workgroup: a slice of all columns, or a part of one where
/// there are fewer slices than cores.
int64_t workgroupRows(PackedType weight, const Device &device) {
  int64_t rows = sliceRows(weight), least = leastRows(weight);
  auto groups = [&] {
    return static_cast<int64_t>(llvm::divideCeil(weight.getRows(), rows));
  };
  while (rows > least && groups() < device.cores)
    rows /= 2;
  return rows;
}

/// A product of `weights` zigzag matrices of one type.
FailureOr<KernelShape> sliceShape(Operation *op, PackedType weight, Type x,
                                  int64_t weights, const Device &device) {
  if (!sliceRows(weight))
    return op->emitOpError() << "has no GPU kernel for " << weight.getFormat();
  KernelShape shape;
  shape.rows = weight.getRows();
  shape.rowsPerGroup = workgroupRows(weight, device);
  shape.matrix = weight;
  shape.x = x;
  Builder b(op->getContext());
  auto threads = static_cast<int32_t>(kSliceSubgroups / weights * device.width);
  shape.attributes = {
      b.getNamedAttr(kWorkgroup, b.getDenseI32ArrayAttr({threads, 1, 1}))};
  return shape;
}

/// Whether the list of `op` is one that select_columns made of as many
/// activations as there are columns: in order, each once.
bool isSelected(SparseMatvecOp op) {
  auto select = op.getIndices().getDefiningOp<SelectColumnsOp>();
  return select && op.getIndices() == select->getResult(0) &&
         op.getCount() == select->getResult(1) &&
         cast<ShapedType>(select.getX().getType()).getDimSize(0) ==
             op.getWeight().getType().getCols();
}

FailureOr<KernelShape> sparseShape(SparseMatvecOp op, const Device &device) {
  FailureOr<KernelShape> shape =
      sliceShape(op, op.getWeight().getType(), op.getX().getType(), 1, device);
  if (succeeded(shape) && isSelected(op)) {
    shape->suffix = "_selected";
    Builder b(op->getContext());
    shape->attributes.push_back(b.getNamedAttr(kAscending, b.getUnitAttr()));
  }
  return shape;
}

/// A product with all columns of `weights` matrices of one type.
FailureOr<KernelShape> denseShape(Operation *op, PackedType weight, Type x,
                                  int64_t weights, const Device &device) {
  if (isa<ZigzagFormatAttr>(weight.getFormat()))
    return sliceShape(op, weight, x, weights, device);
  return productShape(op, weight, x, weights, device.width);
}

/// A workgroup for each slice of rows and tile of tokens.
FailureOr<KernelShape> matmulShape(MatmulOp op, int64_t width) {
  PackedType weight = op.getWeight().getType();
  auto init = cast<ShapedType>(op.getInit().getType());
  FailureOr<KernelShape> shape =
      sliceShape(op, weight, op.getX().getType(), 1, {width, /*cores=*/0});
  if (failed(shape))
    return failure();
  MatmulTile tile = tileMatmul(weight, init);
  shape->rows = static_cast<int64_t>(
      llvm::alignTo(weight.getRows(), tile.rows) * tile.count);
  shape->tokens = init.getDimSize(0);
  shape->suffix = "_n" + std::to_string(shape->tokens);
  Builder b(op->getContext());
  auto threads = static_cast<int32_t>(kMatmulSubgroups * width);
  shape->attributes = {
      b.getNamedAttr(kWorkgroup, b.getDenseI32ArrayAttr({threads, 1, 1}))};
  return shape;
}

FailureOr<KernelShape> shapeOf(Operation *op, const Device &device) {
  int64_t width = device.width;
  if (hasAttentionKernel(op))
    return attentionShape(op, width);
  if (auto sparse = dyn_cast<SparseMatvecOp>(op))
    return sparseShape(sparse, device);
  if (auto matmul = dyn_cast<MatmulOp>(op))
    return matmulShape(matmul, width);
  if (auto select = dyn_cast<SelectColumnsOp>(op))
    return selectShape(select, width);
  if (isa<RmsNormOp, GatedActivationOp>(op))
    return rowsShape(op, width);
  if (auto matvec = dyn_cast<MatvecOp>(op))
    return denseShape(op, matvec.getWeight().getType(), matvec.getX().getType(),
                      1, device);
  auto gated = cast<GatedMatvecOp>(op);
  FailureOr<KernelShape> shape = denseShape(op, gated.getGate().getType(),
                                            gated.getX().getType(), 2, device);
  if (succeeded(shape))
    shape->suffix = "_" + stringifyActivation(gated.getActivation()).str();
  return shape;
}

struct SimtFormKernels
    : headrace::simt::impl::SimtFormKernelsBase<SimtFormKernels> {
  using Base::Base;

  void runOnOperation() override {
    Device device{subgroupWidth, cores};
    auto shape = [&](Operation *op) { return shapeOf(op, device); };
    if (failed(headrace::common::formKernels(
            getOperation(), {"simt-form-kernels", "GPU", hasKernel, shape})))
      signalPassFailure();
  }
};

} // namespace
