//===- ChooseSplits.cpp - in how many parts a cache is read ---------------===//

#include "passes/common/AttentionBuilders.h"
#include "passes/common/KernelChoice.h"
#include "passes/simt/DecodeTile.h"
#include "passes/simt/Passes.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTCHOOSESPLITS
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace;
using namespace headrace::simt;
using headrace::qattn::DecodeOp;

namespace {

/// Workgroups of a core: while one waits for memory, the other computes.
constexpr int64_t kCoreWorkgroups = 2;
/// A workgroup reads at least as much: less takes no longer than the launch of
/// the kernel that merges parts.
constexpr int64_t kLeastBytes = 128 * 1024;

struct SimtChooseSplits
    : headrace::simt::impl::SimtChooseSplitsBase<SimtChooseSplits> {
  using Base::Base;

  void runOnOperation() override {
    if (cores < 1) {
      getOperation()->emitError()
          << "simt-choose-splits: expected at least 1 core, but got "
          << cores.getValue();
      return signalPassFailure();
    }
    getOperation()->walk([&](DecodeOp op) {
      if (op.getSplits() || op->hasAttr(common::kSplitsAttribute))
        return;
      Builder b(op->getContext());
      op->setAttr(common::kSplitsAttribute, b.getI64IntegerAttr(partsOf(op)));
    });
  }

private:
  int64_t partsOf(DecodeOp op) {
    qattn::KVCacheType cache = op.getCache().getType();
    int64_t groups = decodeWorkgroups(op, subgroupWidth);
    int64_t tokens = common::tokenBound(cache, op.getTable());
    if (op.getWindow())
      tokens =
          static_cast<int64_t>(std::min<uint64_t>(tokens, *op.getWindow()));
    int64_t wanted = llvm::divideCeil(kCoreWorkgroups * cores, groups);
    int64_t headBytes = cache.getSlotBytes() / cache.getHeads();
    int64_t most = tokens * headBytes / kLeastBytes;
    return std::clamp<int64_t>(wanted, 1, std::max<int64_t>(most, 1));
  }
};

} // namespace
