//===- QAttnBufferization.cpp - qattn operations on memrefs ---------------===//
//
// A cache is a view of the memref that its bytes became, and appending writes
// through it: the new cache is the old view, and nothing is copied. This is
// right only if nobody uses the old cache afterwards, which is checked here.
// Taking bytes as a cache that something is appended to counts as writing them,
// so that one-shot analysis copies bytes that are read later.
//
//===----------------------------------------------------------------------===//

#include "dialects/Interfaces/Bufferization.h"
#include "dialects/QAttn/InterfaceModels.h"
#include "dialects/QAttn/QAttn.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StructuredOpsUtils.h"
#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/CallInterfaces.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/LoopLikeInterface.h"

using namespace mlir;
using namespace headrace;
using namespace headrace::qattn;

namespace {

//===----------------------------------------------------------------------===//
// Who appends
//===----------------------------------------------------------------------===//

bool mayAppend(OpOperand &use, llvm::SmallPtrSetImpl<Operation *> &calls);

bool anyAppends(Value cache, llvm::SmallPtrSetImpl<Operation *> &calls) {
  return llvm::any_of(cache.getUses(),
                      [&](OpOperand &use) { return mayAppend(use, calls); });
}

/// Whether something is appended to the cache of `use` by its owner, or by what
/// the owner passes it to.
bool mayAppend(OpOperand &use, llvm::SmallPtrSetImpl<Operation *> &calls) {
  Operation *user = use.getOwner();
  // Attention and fetches read.
  if (isa<CacheToBytesOp>(user) ||
      (isa_and_nonnull<QAttnDialect>(user->getDialect()) &&
       isa<DestinationStyleOpInterface>(user)))
    return false;
  auto call = dyn_cast<CallOpInterface>(user);
  if (!call)
    return true;
  auto callee = dyn_cast_or_null<CallableOpInterface>(call.resolveCallable());
  if (!callee || !callee.getCallableRegion())
    return true;
  if (!calls.insert(callee).second)
    return false;
  unsigned number =
      use.getOperandNumber() - call.getArgOperands().getBeginOperandIndex();
  return anyAppends(callee.getCallableRegion()->getArgument(number), calls);
}

bool mayAppend(OpOperand &use) {
  llvm::SmallPtrSet<Operation *, 4> calls;
  return mayAppend(use, calls);
}

/// Whether something is appended to `cache` itself.
bool isAppendedTo(Value cache) {
  llvm::SmallPtrSet<Operation *, 4> calls;
  return anyAppends(cache, calls);
}

/// Whether something is appended to the bytes of `view`.
bool isWritten(Value view) { return llvm::any_of(viewsOf(view), isAppendedTo); }

//===----------------------------------------------------------------------===//
// Old caches
//===----------------------------------------------------------------------===//

/// Whether `a` is done before `b` begins, wherever control goes.
bool isBefore(Operation *a, Operation *b, DominanceInfo &dominance) {
  for (; a && !a->isProperAncestor(b); a = a->getParentOp())
    if (dominance.properlyDominates(a, b))
      return true;
  return false;
}

/// The loop around `op` that does not contain `value`.
Operation *loopBetween(Value value, Operation *op) {
  Region *home = value.getParentRegion();
  for (Region *region = op->getParentRegion(); region && region != home;
       region = region->getParentRegion())
    if (isa<LoopLikeOpInterface>(region->getParentOp()))
      return region->getParentOp();
  return nullptr;
}

/// Checks that the cache that `append` writes to is not used any more.
LogicalResult expectLastUse(OpOperand &append) {
  Operation *op = append.getOwner();
  Value cache = append.get();
  auto fail = [&](Operation *user, StringRef how) {
    InFlightDiagnostic diag =
        user->emitError() << "'" << user->getName()
                          << "' expected the cache not to be used after it was "
                             "appended to"
                          << how;
    diag.attachNote(op->getLoc())
        << "'" << op->getName()
        << "' appends here; use its result, or fetch before";
    return failure();
  };
  if (loopBetween(cache, op))
    return fail(op, " by an earlier iteration");
  DominanceInfo dominance;
  for (OpOperand &use : cache.getUses()) {
    Operation *user = use.getOwner();
    if (user == op && &use == &append)
      continue;
    if (insideMutuallyExclusiveRegions(op, user) ||
        isBefore(user, op, dominance))
      continue;
    return fail(user, "");
  }
  return success();
}

/// Checks every use of the cache that `op` uses, since loops and calls that
/// append have no check of their own.
LogicalResult expectLastUses(Operation *op, Value cache) {
  for (OpOperand &use : cache.getUses())
    if (mayAppend(use) && failed(expectLastUse(use)))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Models
//===----------------------------------------------------------------------===//

/// Attention and fetches.
template <typename Op>
struct ReadBufferization : DestinationModel<ReadBufferization<Op>, Op> {
  LogicalResult verifyAnalysis(Operation *op, const AnalysisState &) const {
    return expectLastUses(op, cast<Op>(op).getCache());
  }
};

template <typename Op>
struct AppendBufferization
    : BufferizableOpInterface::ExternalModel<AppendBufferization<Op>, Op> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }
  LogicalResult verifyAnalysis(Operation *op, const AnalysisState &) const {
    return expectLastUses(op, cast<Op>(op).getCache());
  }
  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    FailureOr<SmallVector<Value>> operands =
        bufferOperands(op, rewriter, options, state);
    if (failed(operands))
      return failure();
    clone(rewriter, op, /*newResultTypes=*/{}, *operands);
    bufferization::replaceOpWithBufferizedValues(rewriter, op,
                                                 cast<Op>(op).getCache());
    return success();
  }
};

template <typename... Ops> void attachDestinations(MLIRContext *context) {
  (Ops::template attachInterface<DestinationBufferization<Ops>>(*context), ...);
}

template <typename... Ops> void attachReads(MLIRContext *context) {
  (Ops::template attachInterface<ReadBufferization<Ops>>(*context), ...);
}

template <typename... Ops> void attachAppends(MLIRContext *context) {
  (Ops::template attachInterface<AppendBufferization<Ops>>(*context), ...);
}

} // namespace

void headrace::qattn::registerBufferizationModels(DialectRegistry &registry) {
  registry.insert<bufferization::BufferizationDialect, memref::MemRefDialect>();
  registry.addExtension(+[](MLIRContext *context, QAttnDialect *) {
    context->loadDialect<bufferization::BufferizationDialect,
                         memref::MemRefDialect>();
    attachDestinations<PrefillOp, MergePartialsOp, RopeOp, QuantizeKVOp>(
        context);
    attachReads<DecodeOp, FetchKVOp, FetchMlaOp, MlaDecodeOp, MlaAttentionOp>(
        context);
    attachAppends<AppendKVOp, AppendMlaOp>(context);
    CacheFromBytesOp::attachInterface<
        FromBytesBufferization<CacheFromBytesOp, CacheToBytesOp, isWritten>>(
        *context);
    CacheToBytesOp::attachInterface<
        ToBytesBufferization<CacheFromBytesOp, CacheToBytesOp, isAppendedTo>>(
        *context);
  });
}
