//===- AttentionShapes.cpp - kernels of qattn operations ------------------===//

#include "passes/simt/AttentionShapes.h"

#include "passes/simt/DecodeTile.h"
#include "passes/simt/Passes.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KernelShape;

/// Most threads that merge the columns of a row.
static constexpr int64_t kMergeThreads = 256;

/// `_7x1152`.
static std::string sizesOf(Type type) {
  std::string text = "_";
  llvm::raw_string_ostream stream(text);
  llvm::interleave(cast<ShapedType>(type).getShape(), stream, "x");
  return text;
}

static void setThreads(KernelShape &shape, MLIRContext *context,
                       int64_t threads) {
  Builder b(context);
  shape.attributes.push_back(b.getNamedAttr(
      kWorkgroup,
      b.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1})));
}

static KernelShape decodeShape(DecodeOp op, int64_t width) {
  KVCacheType cache = op.getCache().getType();
  KernelShape shape;
  shape.rows = static_cast<int64_t>(op.getSplits().value_or(1)) *
               decodeWorkgroups(op, width);
  shape.format = "kv_" + stringifyCacheDtype(cache.getDtype()).str();
  shape.suffix = "_" + shape.format + sizesOf(op.getInit().getType()) + "_of_" +
                 std::to_string(cache.getSlots()) + "x" +
                 std::to_string(cache.getHeads());
  setThreads(shape, op->getContext(), tileDecode(op, width).subgroups * width);
  return shape;
}

static KernelShape mergeShape(MergePartialsOp op, int64_t width) {
  auto type = cast<ShapedType>(op.getPartials().getType());
  KernelShape shape;
  shape.rows =
      ShapedType::getNumElements(type.getShape().drop_front().drop_back());
  shape.suffix = sizesOf(type);
  auto columns =
      static_cast<int64_t>(llvm::alignTo(type.getShape().back(), width));
  setThreads(shape, op->getContext(), std::min(columns, kMergeThreads));
  return shape;
}

bool headrace::simt::hasAttentionKernel(Operation *op) {
  return isa<DecodeOp, MergePartialsOp>(op);
}

KernelShape headrace::simt::attentionShape(Operation *op, int64_t width) {
  if (auto decode = dyn_cast<DecodeOp>(op))
    return decodeShape(decode, width);
  return mergeShape(cast<MergePartialsOp>(op), width);
}
