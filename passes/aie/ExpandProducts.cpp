//===- ExpandProducts.cpp - products of small matrices, lane by lane ------===//

#include "passes/aie/Passes.h"
#include "passes/common/VectorBuilder.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/PatternMatch.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIEEXPANDPRODUCTS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using headrace::common::VectorBuilder;

namespace {

/// Sums of a vector of the machine.
constexpr int64_t kSums = 16;

/// A row-major matrix as one vector.
Value flatten(VectorBuilder &v, Value matrix) {
  auto type = cast<VectorType>(matrix.getType());
  return vector::ShapeCastOp::create(
      v.b, v.loc, v.vec(type.getNumElements(), type.getElementType()), matrix);
}

/// Numbers of the lanes of a row-major matrix, `first` lanes on.
using Lane = llvm::function_ref<int64_t(int64_t row, int64_t column)>;
SmallVector<int64_t> getLanes(int64_t first, int64_t width, Lane lane) {
  SmallVector<int64_t> lanes;
  for (int64_t at = first; at < first + kSums; ++at)
    lanes.push_back(lane(at / width, at % width));
  return lanes;
}

LogicalResult expand(vector::ContractionOp op) {
  AffineExpr m, n, k;
  bindDims(op.getContext(), m, n, k);
  auto is = [&](ArrayRef<AffineExpr> right) {
    return op.getIndexingMapsArray() ==
           AffineMap::inferFromExprList(
               ArrayRef<SmallVector<AffineExpr, 4>>{
                   {m, k}, SmallVector<AffineExpr, 4>(right), {m, n}},
               op.getContext());
  };
  bool turned = is({n, k});
  auto sums = dyn_cast<VectorType>(op.getResultType());
  if (op.getKind() != vector::CombiningKind::ADD || !sums ||
      !sums.getElementType().isF32() || sums.getRank() != 2 ||
      sums.getNumElements() % kSums || !(turned || is({k, n})))
    return op.emitOpError("expected a product of two matrices with a multiple "
                          "of 16 sums in f32");
  OpBuilder builder(op);
  VectorBuilder v{builder, op.getLoc()};
  auto widened = [&](Value matrix) {
    Value lanes = flatten(v, matrix);
    if (cast<VectorType>(lanes.getType()).getElementType().isF32())
      return lanes;
    return Value(arith::ExtFOp::create(v.b, v.loc,
                                       v.vec(v.lanes(lanes), v.f32()), lanes));
  };
  Value left = widened(op.getLhs()), right = widened(op.getRhs());
  Value result = flatten(v, op.getAcc());
  int64_t width = sums.getDimSize(1);
  int64_t depth = op.getLhsType().getDimSize(1);
  for (int64_t first = 0; first < sums.getNumElements(); first += kSums) {
    Value sum = vector::ExtractStridedSliceOp::create(
        v.b, v.loc, result, ArrayRef<int64_t>{first}, ArrayRef<int64_t>{kSums},
        ArrayRef<int64_t>{1});
    for (int64_t step = 0; step < depth; ++step) {
      Value a =
          v.shuffle(left, getLanes(first, width, [&](int64_t row, int64_t) {
                      return row * depth + step;
                    }));
      Value b = v.shuffle(
          right, getLanes(first, width, [&](int64_t, int64_t column) {
            return turned ? column * depth + step : step * width + column;
          }));
      sum = v.fma(a, b, sum);
    }
    result = vector::InsertStridedSliceOp::create(v.b, v.loc, sum, result,
                                                  ArrayRef<int64_t>{first},
                                                  ArrayRef<int64_t>{1});
  }
  op.replaceAllUsesWith(
      vector::ShapeCastOp::create(v.b, v.loc, sums, result).getResult());
  op.erase();
  return success();
}

struct AieExpandProducts
    : headrace::aie::impl::AieExpandProductsBase<AieExpandProducts> {
  void runOnOperation() override {
    SmallVector<vector::ContractionOp> products;
    getOperation()->walk(
        [&](vector::ContractionOp op) { products.push_back(op); });
    for (vector::ContractionOp op : products)
      if (failed(expand(op)))
        return signalPassFailure();
  }
};

} // namespace
