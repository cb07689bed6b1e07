//===- QAttnCanonicalization.cpp - folds and rewrites of qattn ------------===//

#include "dialects/QAttn/QAttn.h"

#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/PatternMatch.h"

using namespace mlir;
using namespace headrace::qattn;

/// A cache that is used otherwise may be appended to: its bytes as another
/// cache are then a copy of it that somebody asked for.
OpFoldResult CacheFromBytesOp::fold(FoldAdaptor) {
  auto source = getBytes().getDefiningOp<CacheToBytesOp>();
  if (source && source.getCache().getType() == getCache().getType() &&
      source.getCache().hasOneUse())
    return source.getCache();
  return {};
}

namespace {

/// Queries are from token 0 on anyway.
struct DropZeroOffset : OpRewritePattern<PrefillOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(PrefillOp op,
                                PatternRewriter &rewriter) const override {
    if (!op.getOffset() || !matchPattern(op.getOffset(), m_Zero()))
      return failure();
    rewriter.modifyOpInPlace(op, [&] { op.getOffsetMutable().clear(); });
    return success();
  }
};

/// Merging the only part of a decode gives that part: the decode without parts.
/// Another partial result may hold anything where it saw nothing, which the
/// merge makes zeros, so it is not replaced.
template <typename Decode>
struct MergeOnlyPart : OpRewritePattern<MergePartialsOp> {
  using OpRewritePattern<MergePartialsOp>::OpRewritePattern;
  LogicalResult matchAndRewrite(MergePartialsOp op,
                                PatternRewriter &rewriter) const override {
    auto decode = op.getPartials().getDefiningOp<Decode>();
    if (!decode || op.getResults().empty() || decode.getResults().size() != 2 ||
        decode.getSplits() != 1 || op.getPartials() != decode.getResult(0) ||
        op.getLses() != decode.getResult(1))
      return failure();
    IRMapping mapping;
    mapping.map(decode.getInit(), op.getInit());
    mapping.map(decode.getLse(), op.getLse());
    Operation *whole = rewriter.cloneWithoutRegions(*decode, mapping);
    rewriter.modifyOpInPlace(whole, [&] {
      cast<Decode>(whole).removeSplitsAttr();
      for (auto [result, like] :
           llvm::zip(whole->getResults(), op.getResults()))
        result.setType(like.getType());
    });
    rewriter.replaceOp(op, whole->getResults());
    return success();
  }
};

} // namespace

void PrefillOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                            MLIRContext *context) {
  patterns.add<DropZeroOffset>(context);
}

void MergePartialsOp::getCanonicalizationPatterns(RewritePatternSet &patterns,
                                                  MLIRContext *context) {
  patterns.add<MergeOnlyPart<DecodeOp>, MergeOnlyPart<MlaDecodeOp>>(context);
}
