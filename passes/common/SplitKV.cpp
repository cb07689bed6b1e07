//===- SplitKV.cpp - one query's tokens in parts --------------------------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/common/AttentionBuilders.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/IR/PatternMatch.h"

namespace headrace::common {
#define GEN_PASS_DEF_SPLITKV
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

int64_t mostTokens(DecodeOp op) {
  int64_t bound = tokenBound(op.getCache().getType(), op.getTable());
  // A window beyond the cache is no bound.
  return std::min<uint64_t>(bound, op.getWindow().value_or(bound));
}

int64_t mostTokens(MlaDecodeOp op) {
  return tokenBound(op.getCache().getType(), op.getTable());
}

/// Replaces `op` by itself on `parts` parts, and their merge.
template <typename Op> void split(Op op, int64_t parts) {
  IRRewriter b(op);
  Location loc = op.getLoc();
  SmallVector<Value> partial;
  for (OpOperand &init : op.getDpsInitsMutable()) {
    auto type = cast<RankedTensorType>(init.get().getType());
    SmallVector<int64_t> shape{parts};
    shape.append(type.getShape().begin(), type.getShape().end());
    partial.push_back(empty(b, loc, shape, type.getElementType()));
  }
  auto inParts = cast<Op>(b.clone(*op));
  inParts->removeAttr(kSplitsAttribute);
  inParts->removeAttr(kCostAttribute);
  inParts.setSplits(parts);
  for (auto [init, value, result] : llvm::zip_equal(
           inParts.getDpsInitsMutable(), partial, inParts->getResults())) {
    init.set(value);
    result.setType(value.getType());
  }
  b.replaceOpWithNewOp<MergePartialsOp>(
      op, op->getResultTypes(), inParts->getResult(0), inParts->getResult(1),
      op.getInit(), op.getLse());
}

struct SplitKV : headrace::common::impl::SplitKVBase<SplitKV> {
  using SplitKVBase::SplitKVBase;

  void runOnOperation() override {
    if (splits < 0 || tokensPerSplit < 0 ||
        (splits > 0 && tokensPerSplit > 0)) {
      getOperation()->emitError()
          << "split-kv: expected one of splits and tokens-per-split, at least "
             "1, but got splits "
          << splits.getValue() << " and tokens-per-split "
          << tokensPerSplit.getValue();
      return signalPassFailure();
    }
    // Splitting adds operations, so they are collected first.
    SmallVector<Operation *> found;
    getOperation()->walk([&](Operation *op) {
      if (isa<DecodeOp, MlaDecodeOp>(op))
        found.push_back(op);
    });
    for (Operation *op : found) {
      LogicalResult result = isa<DecodeOp>(op)
                                 ? trySplit(cast<DecodeOp>(op))
                                 : trySplit(cast<MlaDecodeOp>(op));
      if (failed(result))
        return signalPassFailure();
    }
  }

private:
  /// Fails where the attribute is not what it should be.
  template <typename Op> LogicalResult trySplit(Op op) {
    int64_t most = mostTokens(op);
    int64_t parts = splits;
    if (tokensPerSplit > 0)
      parts = llvm::divideCeilSigned(most, tokensPerSplit.getValue());
    if (Attribute chosen = op->getAttr(kSplitsAttribute)) {
      auto number = dyn_cast<IntegerAttr>(chosen);
      if (!number || number.getValue().getSignificantBits() > 63 ||
          number.getValue().getSExtValue() < 1) {
        return op.emitOpError()
               << "split-kv: expected " << kSplitsAttribute
               << " to be an integer of at least 1, but got " << chosen;
      }
      parts = number.getValue().getSExtValue();
    }
    parts = std::min(parts, most);
    if (parts > 1 && !op.getSplits() && !op.getResults().empty())
      split(op, parts);
    return success();
  }
};

} // namespace
