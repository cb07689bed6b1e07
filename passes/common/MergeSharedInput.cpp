//===- MergeSharedInput.cpp - one product for several weights -------------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/common/ElementTracer.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/MapVector.h"

namespace headrace::common {
#define GEN_PASS_DEF_MERGESHAREDINPUT
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// A matvec or a matmul on tensors.
struct Product {
  Operation *op;
  PackedType type;

  Value weight() const { return op->getOperand(0); }
  Value x() const { return op->getOperand(1); }
};

/// What products must have in common to be one: operation, activations (their
/// type, where they come from, and how), format, choices.
using Key =
    std::tuple<OperationName, Type, Value, Attribute, Attribute, Attribute>;

Key keyOf(const Product &product) {
  Value x = product.x();
  Attribute how;
  // The same tensor may be reshaped for each product.
  if (auto type = dyn_cast<RankedTensorType>(x.getType())) {
    ElementTracer tracer(x.getContext(), type.getShape());
    SmallVector<AffineExpr> at;
    for (unsigned i = 0; i < type.getRank(); ++i)
      at.push_back(tracer.coordinate(i));
    Element source = tracer.source(tracer.element(x, at));
    x = source.value;
    how = AffineMapAttr::get(source.at);
  }
  return {product.op->getName(),    product.x().getType(), x, how,
          product.type.getFormat(), choicesOf(product.op)};
}

/// Puts the weight of `product` before `first`; false if it comes into being
/// only later.
bool hoistWeight(const Product &product, Operation *first,
                 const DominanceInfo &dominance) {
  Value weight = product.weight();
  if (dominance.properlyDominates(weight, first))
    return true;
  auto bytes = weight.getDefiningOp<FromBytesOp>();
  if (!bytes || !dominance.properlyDominates(bytes.getBytes(), first))
    return false;
  bytes->moveBefore(first);
  return true;
}

/// Whether the bytes are at hand before the program runs (an argument of the
/// function, a constant, a global), so that they can be put together once.
bool isStored(Value weight) {
  if (auto bytes = weight.getDefiningOp<FromBytesOp>())
    weight = bytes.getBytes();
  if (auto argument = dyn_cast<BlockArgument>(weight))
    return argument.getOwner()->isEntryBlock() &&
           isa<FunctionOpInterface>(argument.getOwner()->getParentOp());
  return weight.getDefiningOp()->getNumOperands() == 0;
}

/// One product in place of `group`, which is in order of the program.
void merge(ArrayRef<Product> group, const DominanceInfo &dominance) {
  Operation *first = group.front().op;
  // Whole blocks of rows first; of what ends within one, one can be last.
  SmallVector<Product> merged, partial;
  int64_t most = 0;
  for (const Product &product : group) {
    // A packed type has so many rows at most.
    int64_t some = product.type.getRows();
    if (most + some > PackedType::kMaxSide ||
        !hoistWeight(product, first, dominance))
      continue;
    most += some;
    bool whole = some % product.type.getFormat().getBlockRows() == 0;
    (whole ? merged : partial).push_back(product);
  }
  if (!partial.empty())
    merged.push_back(partial.front());
  if (merged.size() < 2)
    return;

  OpBuilder b(first);
  Location loc = first->getLoc();
  SmallVector<Value> weights;
  int64_t rows = 0;
  for (const Product &product : merged) {
    weights.push_back(product.weight());
    rows += product.type.getRows();
  }
  PackedType type = merged.front().type;
  Value weight = ConcatOp::create(
      b, loc, PackedType::get(rows, type.getCols(), type.getFormat()), weights);
  auto shape = llvm::to_vector(
      cast<RankedTensorType>(first->getResult(0).getType()).getShape());
  shape.back() = rows;
  Value init = empty(b, loc, shape, b.getF32Type());
  OperationState state(loc, first->getName());
  state.addOperands({weight, group.front().x(), init});
  state.addTypes(init.getType());
  state.addAttributes(choicesOf(merged.front().op).getValue());
  Value y = b.create(state)->getResult(0);

  SmallVector<int64_t> offsets(shape.size(), 0), strides(shape.size(), 1);
  for (const Product &product : merged) {
    shape.back() = product.type.getRows();
    Value part = tensor::ExtractSliceOp::create(
        b, loc, y, getAsIndexOpFoldResult(b.getContext(), offsets),
        getAsIndexOpFoldResult(b.getContext(), shape),
        getAsIndexOpFoldResult(b.getContext(), strides));
    offsets.back() += shape.back();
    product.op->getResult(0).replaceAllUsesWith(part);
  }
  // Only now: the builder inserts in front of the first.
  for (const Product &product : merged)
    product.op->erase();
}

struct MergeSharedInput
    : headrace::common::impl::MergeSharedInputBase<MergeSharedInput> {
  void runOnOperation() override {
    auto &dominance = getAnalysis<DominanceInfo>();
    getOperation()->walk([&](Block *block) {
      llvm::MapVector<Key, SmallVector<Product>> groups;
      for (Operation &op : *block) {
        if (!isa<MatvecOp, MatmulOp>(op) || op.getNumResults() == 0)
          continue;
        Product product{&op, cast<PackedType>(op.getOperand(0).getType())};
        if (product.type.getHeaderBytes() == 0 && isStored(product.weight()))
          groups[keyOf(product)].push_back(product);
      }
      for (auto &[key, group] : groups)
        if (group.size() > 1)
          merge(group, dominance);
    });
  }
};

} // namespace
