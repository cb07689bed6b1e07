//===- SparsifyActivations.cpp - products with large activations only -----===//

#include "dialects/QLinear/QLinear.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

namespace headrace::common {
#define GEN_PASS_DEF_SPARSIFYACTIVATIONS
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// The threshold of `op`; none if it stays dense, an error if it cannot be
/// carried out.
FailureOr<std::optional<APFloat>> thresholdOf(Operation *op, Value x) {
  FailureOr<StringRef> kernel = chosenKernel(op);
  if (failed(kernel))
    return failure();
  Attribute attribute = op->getDiscardableAttr(kThresholdAttribute);
  if (*kernel == "dense" || *kernel == "lut" || (!attribute && kernel->empty()))
    return std::optional<APFloat>();
  auto number = dyn_cast_if_present<FloatAttr>(attribute);
  if (!number || !number.getType().isF32() || !number.getValue().isFinite() ||
      (number.getValue().isNegative() && !number.getValue().isZero())) {
    InFlightDiagnostic diag = op->emitOpError()
                              << "expected " << kThresholdAttribute
                              << " to be a finite f32 that is not negative, "
                                 "but got ";
    if (attribute)
      return diag << attribute;
    return diag << "none";
  }
  if (isa<PackedType>(x.getType()))
    return op->emitOpError()
           << "expected activations of f32 or bf16, whose size "
           << kThresholdAttribute << " can be compared with, but got "
           << x.getType();
  return std::optional(llvm::abs(number.getValue()));
}

struct SparsifyActivations
    : headrace::common::impl::SparsifyActivationsBase<SparsifyActivations> {
  void runOnOperation() override {
    selected.clear();
    WalkResult done = getOperation()->walk([&](Operation *op) {
      if (!isa<MatvecOp, GatedMatvecOp>(op) || op->getNumResults() == 0)
        return WalkResult::advance();
      Value x = op->getOperand(op->getNumOperands() - 2);
      FailureOr<std::optional<APFloat>> threshold = thresholdOf(op, x);
      if (failed(threshold))
        return WalkResult::interrupt();
      if (*threshold)
        rewrite(op, x, **threshold);
      return WalkResult::advance();
    });
    if (done.wasInterrupted())
      signalPassFailure();
  }

private:
  using Columns = std::pair<Value, Value>; // indices, count
  llvm::DenseMap<std::pair<Value, Attribute>, Columns> selected;

  /// The columns of `x`, selected once, where x comes into being.
  Columns columnsOf(Value x, APFloat threshold) {
    OpBuilder b(x.getContext());
    auto number = b.getF32FloatAttr(threshold.convertToFloat());
    auto [found, isNew] = selected.try_emplace({x, number});
    if (!isNew)
      return found->second;
    b.setInsertionPointAfterValue(x);
    Location loc = x.getLoc();
    int64_t size = cast<RankedTensorType>(x.getType()).getDimSize(0);
    Value indices = empty(b, loc, {size}, b.getI32Type());
    Value count = empty(b, loc, {1}, b.getI32Type());
    auto op = SelectColumnsOp::create(
        b, loc, TypeRange{indices.getType(), count.getType()}, x, indices,
        count, number);
    return found->second = {op.getResult(0), op.getResult(1)};
  }

  void rewrite(Operation *op, Value x, APFloat threshold) {
    auto [indices, count] = columnsOf(x, threshold);
    OpBuilder b(op);
    Location loc = op->getLoc();
    auto product = [&, indices = indices, count = count](Value weight) {
      int64_t rows = cast<PackedType>(weight.getType()).getRows();
      Value init = empty(b, loc, {rows}, b.getF32Type());
      auto sparse = SparseMatvecOp::create(b, loc, init.getType(), weight, x,
                                           indices, count, init);
      // Costs depend on it.
      if (Attribute density = op->getDiscardableAttr(kDensityAttribute))
        sparse->setAttr(kDensityAttribute, density);
      return sparse.getResult(0);
    };
    Value y;
    if (auto gated = dyn_cast<GatedMatvecOp>(op)) {
      Value gate = product(gated.getGate()), up = product(gated.getUp());
      y = GatedActivationOp::create(b, loc, gated.getInit().getType(),
                                    gated.getActivation(), gate, up,
                                    gated.getInit())
              .getResult(0);
    } else {
      y = product(cast<MatvecOp>(op).getWeight());
    }
    op->getResult(0).replaceAllUsesWith(y);
    op->erase();
  }
};

} // namespace
