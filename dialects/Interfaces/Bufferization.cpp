//===- Bufferization.cpp - tensors and views of bytes to memrefs ----------===//

#include "dialects/Interfaces/Bufferization.h"

#include "mlir/Dialect/Bufferization/Transforms/OneShotAnalysis.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace headrace;

FailureOr<SmallVector<Value>>
headrace::bufferOperands(Operation *op, RewriterBase &rewriter,
                         const BufferizationOptions &options,
                         BufferizationState &state) {
  SmallVector<Value> operands;
  for (Value operand : op->getOperands()) {
    if (isa<TensorType>(operand.getType())) {
      FailureOr<Value> buffer =
          bufferization::getBuffer(rewriter, operand, options, state);
      if (failed(buffer))
        return failure();
      operand = *buffer;
    }
    operands.push_back(operand);
  }
  return operands;
}

LogicalResult
headrace::bufferizeDestinations(Operation *op, RewriterBase &rewriter,
                                const BufferizationOptions &options,
                                BufferizationState &state) {
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPoint(op);
  FailureOr<SmallVector<Value>> operands =
      bufferOperands(op, rewriter, options, state);
  if (failed(operands))
    return failure();
  auto dest = cast<DestinationStyleOpInterface>(op);
  SmallVector<Value> results;
  for (OpOperand &init : dest.getDpsInitsMutable())
    results.push_back((*operands)[init.getOperandNumber()]);
  clone(rewriter, op, /*newResultTypes=*/{}, *operands);
  bufferization::replaceOpWithBufferizedValues(rewriter, op, results);
  return success();
}

Value headrace::castBuffer(OpBuilder &b, Location loc, Value buffer,
                           Type type) {
  if (buffer.getType() == type)
    return buffer;
  return memref::CastOp::create(b, loc, type, buffer);
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// Adds what `use` makes of a view to `views`.
static void follow(OpOperand &use, llvm::SetVector<Value> &views) {
  Operation *user = use.getOwner();
  auto isView = [&](Value value) {
    return value.getType().getTypeID() == use.get().getType().getTypeID();
  };
  if (auto loop = dyn_cast<LoopLikeOpInterface>(user))
    if (BlockArgument argument = loop.getTiedLoopRegionIterArg(&use))
      views.insert(argument);
  if (user->hasTrait<OpTrait::IsTerminator>())
    user = user->getParentOp();
  // Which of the results is not asked: one too many does no harm.
  for (Value result : user->getResults())
    if (isView(result))
      views.insert(result);
}

llvm::SetVector<Value> headrace::viewsOf(Value view) {
  llvm::SetVector<Value> views;
  views.insert(view);
  for (size_t i = 0; i < views.size(); ++i) {
    Value next = views[i];
    for (OpOperand &use : next.getUses())
      follow(use, views);
  }
  return views;
}

/// The view that operations of its dialect wrote through to make `view`.
static Value writtenView(Value view) {
  while (Operation *op = view.getDefiningOp()) {
    auto same = llvm::make_filter_range(op->getOperands(), [&](Value operand) {
      return operand.getType() == view.getType();
    });
    if (op->getDialect() != &view.getType().getDialect() ||
        !llvm::hasSingleElement(same))
      break;
    view = *same.begin();
  }
  return view;
}

Value headrace::origin(Value view) {
  for (;;) {
    view = writtenView(view);
    auto result = dyn_cast<OpResult>(view);
    auto loop = dyn_cast_or_null<LoopLikeOpInterface>(view.getDefiningOp());
    if (!result || !loop)
      return view;
    // A loop that yields the view that it got.
    OpOperand *first = loop.getTiedLoopInit(result);
    BlockArgument argument = loop.getTiedLoopRegionIterArg(result);
    OpOperand *last =
        argument ? loop.getTiedLoopYieldedValue(argument) : nullptr;
    if (!first || !last || writtenView(last->get()) != argument)
      return view;
    view = first->get();
  }
}

OpOperand *headrace::findEscape(Value view) {
  Region *home = view.getParentRegion();
  for (Value alias : viewsOf(view))
    for (OpOperand &use : alias.getUses())
      if (use.getOwner()->hasTrait<OpTrait::IsTerminator>() &&
          use.getOwner()->getParentRegion() == home)
        return &use;
  return nullptr;
}

//===----------------------------------------------------------------------===//
// Copies
//===----------------------------------------------------------------------===//

/// Whether `a`, or an operation around it, is always done before `b` begins.
static bool happensBefore(Operation *a, Operation *b,
                          DominanceInfo &dominance) {
  for (; a && !a->isProperAncestor(b); a = a->getParentOp())
    if (dominance.properlyDominates(a, b))
      return true;
  return false;
}

bool headrace::isOverwritten(Operation *op, Value tensor,
                             const AnalysisState &state) {
  const auto *analysis = dyn_cast<bufferization::OneShotAnalysisState>(&state);
  // Nothing is known of aliases.
  if (!analysis)
    return true;
  DominanceInfo dominance;
  bool overwritten = false;
  analysis->applyOnAliases(tensor, [&](Value alias) {
    for (OpOperand &use : alias.getUses())
      overwritten |= use.getOwner() != op && analysis->isInPlace(use) &&
                     analysis->bufferizesToMemoryWrite(use) &&
                     !happensBefore(use.getOwner(), op, dominance);
  });
  return overwritten;
}

static FailureOr<Value> copyOf(Operation *op, Value tensor,
                               RewriterBase &rewriter,
                               const AnalysisState &analysis,
                               const BufferizationState &state) {
  return bufferization::allocateTensorForShapedValue(
      rewriter, op->getLoc(), tensor, analysis.getOptions(), state,
      /*copy=*/true);
}

/// Whether the buffer of `tensor` may be freed at the end of the block of `op`.
static bool isLocal(Operation *op, OpOperand &tensor,
                    const AnalysisState &analysis) {
  for (Value definition : analysis.findDefinitions(&tensor))
    if (definition.getParentRegion() == op->getParentRegion() &&
        !isa<BlockArgument>(definition))
      return true;
  return false;
}

LogicalResult headrace::keepViewed(Operation *op, OpOperand &tensor, Value view,
                                   RewriterBase &rewriter,
                                   const AnalysisState &analysis,
                                   const BufferizationState &state) {
  if (!isa<TensorType>(tensor.get().getType()))
    return success();
  bool copies =
      !analysis.isInPlace(tensor) || isOverwritten(op, tensor.get(), analysis);
  if (copies || isLocal(op, tensor, analysis))
    if (OpOperand *escape = findEscape(view)) {
      InFlightDiagnostic diag =
          op->emitOpError()
          << "expected the view to end with the block that has its buffer, but "
             "it is passed on; allowed: to pass on its bytes";
      diag.attachNote(escape->getOwner()->getLoc()) << "passed on here";
      return diag;
    }
  if (!copies)
    return success();
  FailureOr<Value> copy = copyOf(op, tensor.get(), rewriter, analysis, state);
  if (failed(copy))
    return failure();
  rewriter.modifyOpInPlace(op, [&] { tensor.set(*copy); });
  return success();
}

LogicalResult headrace::keepBytes(Operation *op, Value result, bool viewChanges,
                                  RewriterBase &rewriter,
                                  const AnalysisState &analysis,
                                  const BufferizationState &state) {
  if (!isa<TensorType>(result.getType()) ||
      (!viewChanges && !isOverwritten(op, result, analysis)))
    return success();
  OpBuilder::InsertionGuard guard(rewriter);
  rewriter.setInsertionPointAfter(op);
  FailureOr<Value> copy = copyOf(op, result, rewriter, analysis, state);
  if (failed(copy))
    return failure();
  rewriter.replaceAllUsesExcept(result, *copy, copy->getDefiningOp());
  return success();
}
