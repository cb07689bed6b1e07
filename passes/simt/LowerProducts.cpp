//===- LowerProducts.cpp - matvec and gated_matvec for lanes --------------===//

#include "passes/common/GateFunction.h"
#include "passes/simt/Passes.h"
#include "passes/simt/RowDecoder.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERPRODUCTS
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace;
using namespace headrace::simt;
using namespace headrace::qlinear;

namespace {

/// What both operations have in common.
struct Product {
  Operation *op;
  SmallVector<TypedValue<PackedType>, 2> weights; // one, or gate and up
  Value x, init;
  std::optional<Activation> activation;
};

/// Which part of the work a subgroup has.
struct Share {
  int64_t rows, subgroups; // of a subgroup, and of a workgroup
  Value lane, firstRow;
};

FailureOr<Share> shareOf(SimtBuilder &v, Operation *op, int64_t width) {
  auto kernel = op->getParentOfType<func::FuncOp>();
  auto info = kernel
                  ? kernel->getAttrOfType<DictionaryAttr>(common::kKernelAttr)
                  : DictionaryAttr();
  auto rows = info ? info.getAs<IntegerAttr>(kSubgroupRows) : IntegerAttr();
  if (!rows)
    return op->emitOpError()
           << "expected to be in a kernel (a function with "
           << common::kKernelAttr << ", its " << kSubgroupRows << " and its "
           << kWorkgroup << "); run simt-form-kernels first";
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  Share share;
  share.rows = rows.getInt();
  share.subgroups = *subgroups;
  Value group = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
  Value subgroup = gpu::SubgroupIdOp::create(v.b, v.loc, IntegerAttr());
  share.lane = gpu::LaneIdOp::create(v.b, v.loc, IntegerAttr());
  share.firstRow =
      v.mul(v.add(v.mul(group, share.subgroups), subgroup), share.rows);
  return share;
}

/// A decoder for some rows of its matrix, which come in units.
struct Matrix {
  std::unique_ptr<RowDecoder> decoder;
  Value bytes;
  SmallVector<RowPlace> units;
};

/// Where the rows of a subgroup are in `matrix`.
void placeRows(SimtBuilder &v, Matrix &matrix, PackedType weight,
               const Share &share) {
  int64_t unit = matrix.decoder->unitRows();
  for (int64_t row = 0; row < share.rows; row += unit) {
    Value at = v.add(share.firstRow, row);
    // There is something to read behind the last rows, too: these.
    if (weight.getPaddedRows() % (share.rows * share.subgroups))
      at = v.min(at, v.index(weight.getPaddedRows() - unit));
    matrix.units.push_back(matrix.decoder->place(v, v.named(at, "row")));
  }
}

/// The sums over all columns: [matrix][row], f32, in all lanes.
SmallVector<SmallVector<Value>> multiply(SimtBuilder &v, const Product &product,
                                         MutableArrayRef<Matrix> matrices,
                                         const Share &share, int64_t width) {
  PackedType weight = product.weights[0].getType();
  const RowDecoder &first = *matrices[0].decoder;
  int64_t lanes = first.blockLanes();
  Value lane = v.named(v.rem(share.lane, lanes), "part");
  SmallVector<Value> zeros;
  for (Matrix &matrix : matrices) {
    matrix.decoder->open(v, matrix.bytes, lane);
    placeRows(v, matrix, weight, share);
    for (size_t unit = 0; unit < matrix.units.size(); ++unit)
      zeros.append(matrix.decoder->zeros(v));
  }
  size_t count = zeros.size() / matrices.size() / matrices[0].units.size();
  SmallVector<Value> sums = v.loop(
      v.div(share.lane, lanes), v.index(weight.getCols() / first.blockCols()),
      width / lanes, zeros, [&](Value block, ValueRange carried) {
        LaneInputs inputs = first.inputs(v, product.x, block);
        SmallVector<Value> next;
        for (const Matrix &matrix : matrices)
          for (const RowPlace &place : matrix.units) {
            auto old = carried.slice(next.size(), count);
            next.append(matrix.decoder->multiply(v, inputs, place, block,
                                                 LaneSums(old)));
          }
        return next;
      });
  v.named(sums[0], "block");
  SmallVector<SmallVector<Value>> results;
  ArrayRef<Value> left = sums;
  for (const Matrix &matrix : matrices) {
    SmallVector<Value> &rows = results.emplace_back();
    for (size_t unit = 0; unit < matrix.units.size(); ++unit) {
      LaneSums own(left.take_front(count));
      left = left.drop_front(count);
      for (Value sum : matrix.decoder->finish(v, own))
        rows.push_back(gpu::SubgroupReduceOp::create(
            v.b, v.loc, sum, gpu::AllReduceOperation::ADD, /*uniform=*/true));
    }
  }
  return results;
}

Value compare(SimtBuilder &v, arith::CmpIPredicate kind, Value lhs, Value rhs) {
  return arith::CmpIOp::create(v.b, v.loc, kind, lhs, rhs);
}

/// The first lane writes the rows that there are.
void store(SimtBuilder &v, const Product &product, const Share &share,
           ArrayRef<SmallVector<Value>> sums) {
  int64_t rows = product.weights[0].getType().getRows();
  bool whole = rows % (share.rows * share.subgroups) == 0;
  Value isFirst = compare(v, arith::CmpIPredicate::eq, share.lane, v.index(0));
  when(v, isFirst, [&] {
    for (int64_t row = 0; row < share.rows; ++row) {
      Value at = v.add(share.firstRow, row);
      auto write = [&] {
        Value result = sums[0][row];
        if (product.activation)
          result = v.mulf(common::activate(v, *product.activation, result),
                          sums[1][row]);
        memref::StoreOp::create(v.b, v.loc, result, product.init, at);
      };
      if (whole)
        write();
      else
        when(v, compare(v, arith::CmpIPredicate::ult, at, v.index(rows)),
             write);
    }
  });
}

LogicalResult lower(const Product &product, int64_t width) {
  Operation *op = product.op;
  SmallVector<Matrix> matrices;
  for (auto weight : product.weights) {
    auto view = weight.getDefiningOp<FromBytesOp>();
    if (!isa<MemRefType>(product.x.getType()) || !view ||
        !isa<MemRefType>(view.getBytes().getType()))
      return op->emitOpError("expected packed operands from qlinear.from_bytes "
                             "of a memref; run simt-form-kernels first");
    matrices.push_back(
        {RowDecoder::create(weight.getType()), view.getBytes(), {}});
    if (!matrices.back().decoder)
      return op->emitOpError()
             << "has no GPU kernel for " << weight.getType().getFormat();
    if (weight.getType() != product.weights[0].getType())
      return op->emitOpError() << "expected gate and up in one format, but got "
                               << product.weights[0].getType().getFormat()
                               << " and " << weight.getType().getFormat();
  }
  if (!getElementTypeOrSelf(product.x.getType()).isF32())
    return op->emitOpError()
           << "has no GPU kernel for activations of "
           << getElementTypeOrSelf(product.x.getType()) << "; allowed: f32";
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  FailureOr<Share> share = shareOf(v, op, width);
  if (failed(share))
    return failure();
  store(v, product, *share, multiply(v, product, matrices, *share, width));
  op->erase();
  return success();
}

struct SimtLowerProducts
    : headrace::simt::impl::SimtLowerProductsBase<SimtLowerProducts> {
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation()->walk([&](Operation *op) {
      LogicalResult lowered = success();
      if (auto matvec = dyn_cast<MatvecOp>(op))
        lowered = lower(
            {op, {matvec.getWeight()}, matvec.getX(), matvec.getInit(), {}},
            subgroupWidth);
      else if (auto gated = dyn_cast<GatedMatvecOp>(op))
        lowered = lower({op,
                         {gated.getGate(), gated.getUp()},
                         gated.getX(),
                         gated.getInit(),
                         gated.getActivation()},
                        subgroupWidth);
      return failed(lowered) ? WalkResult::interrupt() : WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
