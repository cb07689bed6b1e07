//===- LowerLutMatvec.cpp - products by table lookup ----------------------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

namespace headrace::common {
#define GEN_PASS_DEF_LOWERLUTMATVEC
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

bool hasTables(Value weight) {
  auto format = dyn_cast<CodebookFormatAttr>(
      cast<PackedType>(weight.getType()).getFormat());
  return format && format.hasTables();
}

/// The weights of a product, and its activations.
SmallVector<Value> weightsOf(Operation *op) {
  if (auto gated = dyn_cast<GatedMatvecOp>(op))
    return {gated.getGate(), gated.getUp()};
  return {op->getOperand(0)};
}
Value activationsOf(Operation *op) {
  return op->getOperand(op->getNumOperands() - 2);
}

/// Whether `op` becomes table lookup; an error where that was chosen but there
/// is no way.
FailureOr<bool> isByTable(Operation *op) {
  FailureOr<StringRef> kernel = chosenKernel(op);
  if (failed(kernel))
    return failure();
  if (!kernel->empty() && *kernel != "lut")
    return false;
  Type x = activationsOf(op).getType();
  bool tables = llvm::all_of(weightsOf(op), hasTables);
  if (tables && !isa<PackedType>(x))
    return true;
  if (kernel->empty())
    return false;
  if (!tables)
    return op->emitOpError()
           << "expected a weight with product tables for " << kKernelAttribute
           << " = \"lut\", but got "
           << cast<PackedType>(weightsOf(op).front().getType()).getFormat()
           << "; allowed: #qlinear.codebook with table = i8 or i4";
  return op->emitOpError()
         << "expected activations of f32 or bf16 to look up, but got " << x;
}

struct LowerLutMatvec
    : headrace::common::impl::LowerLutMatvecBase<LowerLutMatvec> {
  void runOnOperation() override {
    assigned.clear();
    extended.clear();
    WalkResult done = getOperation()->walk([&](Operation *op) {
      if (!isa<MatvecOp, MatmulOp, GatedMatvecOp>(op) ||
          op->getNumResults() == 0)
        return WalkResult::advance();
      FailureOr<bool> byTable = isByTable(op);
      if (failed(byTable))
        return WalkResult::interrupt();
      if (*byTable)
        rewrite(op);
      return WalkResult::advance();
    });
    if (done.wasInterrupted())
      signalPassFailure();
  }

private:
  /// By block, so that an assignment is before all that share it.
  llvm::DenseMap<std::tuple<Block *, Value, Value>, Value> assigned;
  llvm::DenseMap<std::pair<Block *, Value>, Value> extended;

  /// Activations of bf16 as f32.
  Value asFloat32(OpBuilder &b, Location loc, Value x) {
    auto type = cast<RankedTensorType>(x.getType());
    if (type.getElementType().isF32())
      return x;
    Value &found = extended[{b.getInsertionBlock(), x}];
    if (!found)
      found =
          elementwise(b, loc, x, empty(b, loc, type.getShape(), b.getF32Type()),
                      [](OpBuilder &nested, Location at, ValueRange args) {
                        return arith::ExtFOp::create(
                            nested, at, nested.getF32Type(), args[0]);
                      });
    return found;
  }

  /// The centroids of `x` among those of `weight`.
  Value assignment(OpBuilder &b, Location loc, Value weight, Value x) {
    Value &found = assigned[{b.getInsertionBlock(), weight, x}];
    if (found)
      return found;
    auto packed = cast<PackedType>(weight.getType());
    auto format = cast<CodebookFormatAttr>(packed.getFormat());
    auto shape =
        llvm::to_vector(cast<RankedTensorType>(x.getType()).getShape());
    shape.back() = packed.getPaddedCols() / format.getDim();
    Value init = empty(b, loc, shape, b.getI32Type());
    return found = AssignCentroidsOp::create(b, loc, init.getType(), weight,
                                             asFloat32(b, loc, x), init)
                       .getResult(0);
  }

  void rewrite(Operation *op) {
    OpBuilder b(op);
    Location loc = op->getLoc();
    Value x = activationsOf(op),
          init = op->getOperand(op->getNumOperands() - 1);
    auto gated = dyn_cast<GatedMatvecOp>(op);
    auto type = cast<RankedTensorType>(init.getType());
    SmallVector<Value> products;
    for (Value weight : weightsOf(op)) {
      Value indices = assignment(b, loc, weight, x);
      Value dest =
          gated ? empty(b, loc, type.getShape(), b.getF32Type()) : init;
      products.push_back(
          LutMatvecOp::create(b, loc, dest.getType(), weight, indices, dest)
              .getResult(0));
    }
    Value y = products.front();
    if (gated)
      y = GatedActivationOp::create(b, loc, type, gated.getActivation(),
                                    products[0], products[1], init)
              .getResult(0);
    op->getResult(0).replaceAllUsesWith(y);
    op->erase();
  }
};

} // namespace
