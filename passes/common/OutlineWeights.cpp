//===- OutlineWeights.cpp - pack weights in a function of their own -------===//

#include "passes/common/Passes.h"

#include "dialects/QLinear/QLinear.h"

#include "mlir/Analysis/SliceAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "llvm/ADT/SetVector.h"

namespace headrace::common {
#define GEN_PASS_DEF_OUTLINEWEIGHTS
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::qlinear;

namespace {

/// A packed matrix and the operations that compute its bytes.
struct Weight {
  FromBytesOp op;
  SetVector<Operation *> slice;
};

/// The bytes of `op`, if they are computed from arguments of the function only.
std::optional<Weight> computedWeight(FromBytesOp op, Block &body) {
  Weight weight{op, {}};
  BackwardSliceOptions options;
  options.inclusive = true;
  options.omitUsesFromAbove = false;
  if (!op.getBytes().getDefiningOp() ||
      failed(getBackwardSlice(op.getBytes(), &weight.slice, options)))
    return std::nullopt;
  bool hasArgument = false;
  for (Operation *step : weight.slice) {
    if (step->getBlock() != &body || !isMemoryEffectFree(step))
      return std::nullopt;
    step->walk([&](Operation *inner) {
      for (Value operand : inner->getOperands())
        if (auto argument = dyn_cast<BlockArgument>(operand))
          hasArgument |= argument.getOwner() == &body;
    });
  }
  if (!hasArgument)
    return std::nullopt;
  return weight;
}

class Outliner {
public:
  explicit Outliner(func::FuncOp function)
      : function(function), body(function.getBody().front()) {}

  void run() {
    for (auto op : body.getOps<FromBytesOp>())
      if (std::optional<Weight> weight = computedWeight(op, body))
        weights.push_back(std::move(*weight));
    // What is used for anything else is no weight. Leaving one out may show
    // that of another.
    while (true) {
      SetVector<Operation *> all;
      for (const Weight &weight : weights)
        all.insert(weight.slice.begin(), weight.slice.end());
      size_t before = weights.size();
      llvm::erase_if(weights,
                     [&](const Weight &w) { return usedElsewhere(w, all); });
      if (weights.size() == before)
        break;
    }
    if (!weights.empty())
      outline();
  }

private:
  bool usedElsewhere(const Weight &weight,
                     const SetVector<Operation *> &all) const {
    auto within = [&](Operation *user) {
      Operation *ancestor = body.findAncestorOpInBlock(*user);
      return all.contains(ancestor) ||
             llvm::any_of(weights,
                          [&](const Weight &w) { return w.op == ancestor; });
    };
    DenseSet<Value> computed; // from arguments
    for (Operation *step : weight.slice) {
      bool depends = false, outside = false;
      step->walk([&](Operation *inner) {
        for (Value operand : inner->getOperands()) {
          auto argument = dyn_cast<BlockArgument>(operand);
          bool isArgument = argument && argument.getOwner() == &body;
          depends |= isArgument || computed.contains(operand);
          if (isArgument)
            outside |= !llvm::all_of(argument.getUsers(), within);
        }
      });
      if (depends) {
        computed.insert_range(step->getResults());
        outside |= !llvm::all_of(step->getUsers(), within);
      }
      if (outside)
        return true;
    }
    return false;
  }

  void outline() {
    SetVector<Operation *> steps;
    SetVector<Value> arguments;
    for (Operation &op : body)
      if (llvm::any_of(weights, [&](const Weight &weight) {
            return weight.slice.contains(&op);
          }))
        steps.insert(&op);
    for (BlockArgument argument : body.getArguments())
      if (llvm::any_of(argument.getUsers(), [&](Operation *user) {
            return steps.contains(body.findAncestorOpInBlock(*user));
          }))
        arguments.insert(argument);

    SmallVector<Type> inputs, results;
    for (Value argument : arguments)
      inputs.push_back(argument.getType());
    for (Weight &weight : weights)
      results.push_back(weight.op.getBytes().getType());
    OpBuilder b(function);
    auto packing = func::FuncOp::create(b, function.getLoc(),
                                        (function.getName() + "_weights").str(),
                                        b.getFunctionType(inputs, results));
    SymbolTable(function->getParentOp()).insert(packing);
    Block *block = packing.addEntryBlock();
    IRMapping mapping;
    for (auto [from, to] : llvm::zip_equal(arguments, block->getArguments()))
      mapping.map(from, to);
    b.setInsertionPointToStart(block);
    for (Operation *step : steps)
      b.clone(*step, mapping);
    SmallVector<Value> bytes;
    for (Weight &weight : weights)
      bytes.push_back(mapping.lookup(weight.op.getBytes()));
    func::ReturnOp::create(b, function.getLoc(), bytes);

    for (Weight &weight : weights) {
      unsigned last = function.getNumArguments();
      (void)function.insertArgument(last, weight.op.getBytes().getType(), {},
                                    weight.op.getLoc());
      weight.op.getBytesMutable().assign(function.getArgument(last));
    }
    for (Operation *step : llvm::reverse(steps))
      if (step->use_empty())
        step->erase();
    BitVector unused(function.getNumArguments());
    for (Value argument : arguments)
      if (argument.use_empty())
        unused.set(cast<BlockArgument>(argument).getArgNumber());
    (void)function.eraseArguments(unused);
  }

  func::FuncOp function;
  Block &body;
  SmallVector<Weight> weights;
};

struct OutlineWeightsPass
    : headrace::common::impl::OutlineWeightsBase<OutlineWeightsPass> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> functions;
    for (func::FuncOp function : getOperation().getOps<func::FuncOp>()) {
      // A function that is called keeps its signature.
      std::optional<SymbolTable::UseRange> uses =
          function.getSymbolUses(getOperation());
      if (function.getBody().hasOneBlock() && uses && uses->empty())
        functions.push_back(function);
    }
    for (func::FuncOp function : functions)
      Outliner(function).run();
  }
};

} // namespace
