//===- QLinearTiling.cpp - tiling of qlinear operations -------------------===//
//
// Products are cut along rows of the weight and along tokens. Columns, which
// are summed, are not cut: a block of a packed weight spans many of them, and
// a part of the columns of a matrix is not a matrix in the same format. What
// looks at all columns or at all positions of a vector (select_columns, one
// row of a norm, centroids of one token) has no loops to cut.
//
//===----------------------------------------------------------------------===//

#include "dialects/Interfaces/Tiling.h"
#include "dialects/QLinear/InterfaceModels.h"
#include "dialects/QLinear/OpVerification.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"

#include <numeric>

using namespace mlir;
using namespace headrace;
using namespace headrace::qlinear;

namespace {

using Dims = SmallVector<TiledDim>;

Value sliceRows(OpBuilder &b, Location loc, Value packed, OpFoldResult offset,
                int64_t size) {
  return b.createOrFold<SliceOp>(loc, packed, offset, size);
}

/// The rows of `weights`, which are of one shape, in blocks of all of them.
TileLoop rowsOf(ArrayRef<PackedType> weights) {
  TileLoop loop{"rows", weights.front().getRows(),
                weights.front().getPaddedRows()};
  for (PackedType weight : weights) {
    bool whole = !SliceOp::canSlice(weight);
    int64_t block =
        whole ? weight.getPaddedRows() : weight.getFormat().getBlockRows();
    loop.padded = std::min(loop.padded, weight.getPaddedRows());
    if (loop.granule % block == 0)
      continue;
    loop.granule = std::lcm(loop.granule, block);
    loop.why = ((whole ? "all rows of " : "the block of ") +
                weight.getFormat().getFormatName())
                   .str();
  }
  return loop;
}

TileLoop tokensOf(Value rows) {
  int64_t count = shaped(rows).getDimSize(0);
  return {"tokens", count, count};
}

/// A loop for each dimension of `value`, which has rows or elements.
Dims dimensions(Value value, TilePlan &plan) {
  Dims dims;
  for (int64_t size : shaped(value).getShape()) {
    dims.push_back({static_cast<int64_t>(plan.loops.size())});
    plan.loops.push_back({"elements", size, size});
  }
  return dims;
}

/// The rows of a matrix ([N, K]); a vector is one row, with nothing to cut.
Dims rowsOfMatrix(Value value, TilePlan &plan) {
  if (shaped(value).getRank() == 1)
    return {kWholeDim};
  plan.loops.push_back(tokensOf(value));
  return {{0}, kWholeDim};
}

TilePlan planMatvec(MatvecOp op) {
  return {{rowsOf(op.getWeight().getType())}, {{{0}}, {}, {{0}}}, sliceRows};
}

TilePlan planGatedMatvec(GatedMatvecOp op) {
  TileLoop rows = rowsOf({op.getGate().getType(), op.getUp().getType()});
  return {{rows}, {{{0}}, {{0}}, {}, {{0}}}, sliceRows};
}

TilePlan planSparseMatvec(SparseMatvecOp op) {
  return {{rowsOf(op.getWeight().getType())},
          {{{0}}, {}, {}, {}, {{0}}},
          sliceRows};
}

TilePlan planMatmul(MatmulOp op) {
  Dims x = {{0}};
  if (!isa<PackedType>(op.getX().getType()))
    x.push_back(kWholeDim);
  return {{tokensOf(op.getInit()), rowsOf(op.getWeight().getType())},
          {{{1}}, x, {{0}, {1}}},
          sliceRows};
}

TilePlan planDequantize(DequantizeOp op) {
  return {
      {rowsOf(op.getPacked().getType())}, {{{0}}, {{0}, kWholeDim}}, sliceRows};
}

TilePlan planLutMatvec(LutMatvecOp op) {
  TileLoop rows = rowsOf(op.getWeight().getType());
  if (shaped(op.getInit()).getRank() == 1)
    return {{rows}, {{{0}}, {}, {{0}}}, sliceRows};
  return {{tokensOf(op.getInit()), rows},
          {{{1}}, {{0}, kWholeDim}, {{0}, {1}}},
          sliceRows};
}

TilePlan planAssignCentroids(AssignCentroidsOp op) {
  TilePlan plan;
  Dims dims = rowsOfMatrix(op.getX(), plan);
  plan.operands = {{}, dims, dims};
  return plan;
}

TilePlan planRmsNorm(RmsNormOp op) {
  TilePlan plan;
  Dims dims = rowsOfMatrix(op.getX(), plan);
  plan.operands = {dims, {}, dims};
  return plan;
}

TilePlan planLayerNorm(LayerNormOp op) {
  TilePlan plan;
  Dims dims = rowsOfMatrix(op.getX(), plan);
  plan.operands = {dims, {}, {}, dims};
  return plan;
}

TilePlan planGatedActivation(GatedActivationOp op) {
  TilePlan plan;
  Dims dims = dimensions(op.getGate(), plan);
  plan.operands = {dims, dims, dims};
  return plan;
}

template <typename Op, TilePlan (*plan)(Op)> void attach(MLIRContext *context) {
  Op::template attachInterface<TilingModel<Op, plan>>(*context);
}

} // namespace

void headrace::qlinear::registerTilingModels(DialectRegistry &registry) {
  registry.insert<affine::AffineDialect>();
  registry.addExtension(+[](MLIRContext *context, QLinearDialect *) {
    context->loadDialect<affine::AffineDialect>();
    attach<MatvecOp, planMatvec>(context);
    attach<MatmulOp, planMatmul>(context);
    attach<GatedMatvecOp, planGatedMatvec>(context);
    attach<SparseMatvecOp, planSparseMatvec>(context);
    attach<LutMatvecOp, planLutMatvec>(context);
    attach<AssignCentroidsOp, planAssignCentroids>(context);
    attach<DequantizeOp, planDequantize>(context);
    attach<RmsNormOp, planRmsNorm>(context);
    attach<LayerNormOp, planLayerNorm>(context);
    attach<GatedActivationOp, planGatedActivation>(context);
  });
}
