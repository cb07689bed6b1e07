//===- AttentionShapes.cpp - kernels of qattn operations ------------------===//

#include "passes/simt/AttentionShapes.h"

#include "passes/simt/DecodeTile.h"
#include "passes/simt/Passes.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KernelShape;

/// Most threads of a workgroup whose threads have columns of a row.
static constexpr int64_t kColumnThreads = 256;

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

/// A thread for each column, or all that such a workgroup may have.
static void setColumnThreads(KernelShape &shape, MLIRContext *context,
                             int64_t columns, int64_t width) {
  auto threads = static_cast<int64_t>(llvm::alignTo(columns, width));
  setThreads(shape, context, std::min(threads, kColumnThreads));
}

static std::string formatOf(KVCacheType cache) {
  return "kv_" + stringifyCacheDtype(cache.getDtype()).str();
}

static KernelShape decodeShape(DecodeOp op, int64_t width) {
  KVCacheType cache = op.getCache().getType();
  KernelShape shape;
  shape.rows = static_cast<int64_t>(op.getSplits().value_or(1)) *
               decodeWorkgroups(op, width);
  shape.format = formatOf(cache);
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
  setColumnThreads(shape, op->getContext(), type.getShape().back(), width);
  return shape;
}

/// A subgroup for each head of a token, or of pages for each head.
static KernelShape appendShape(AppendKVOp op, int64_t width) {
  KVCacheType cache = op.getCache().getType();
  int64_t tokens = cast<ShapedType>(op.getK().getType()).getDimSize(0);
  if (cache.getLayout() == CacheLayout::Paged)
    tokens = 1;
  else if (cache.getLayout() == CacheLayout::Ring)
    tokens = std::min(tokens, cache.getSlots());
  KernelShape shape;
  shape.rows = tokens * cache.getHeads();
  shape.format = formatOf(cache);
  shape.suffix = "_" + shape.format + sizesOf(op.getK().getType()) + "_of_" +
                 std::to_string(cache.getSlots());
  setThreads(shape, op->getContext(), width);
  return shape;
}

static KernelShape fetchShape(FetchKVOp op, int64_t width) {
  KVCacheType cache = op.getCache().getType();
  auto type = cast<ShapedType>(op.getK().getType());
  KernelShape shape;
  shape.rows = type.getDimSize(0);
  shape.format = formatOf(cache);
  shape.suffix = "_" + shape.format + sizesOf(type) + "_of_" +
                 std::to_string(cache.getSlots());
  setColumnThreads(shape, op->getContext(), cache.getHeads() * cache.getDim(),
                   width);
  return shape;
}

/// A workgroup for each head of a token.
static KernelShape ropeShape(RopeOp op, int64_t width) {
  auto type = cast<ShapedType>(op.getX().getType());
  KernelShape shape;
  shape.rows = type.getDimSize(0) * type.getDimSize(1);
  shape.suffix = sizesOf(type);
  setColumnThreads(
      shape, op->getContext(),
      cast<ShapedType>(op.getFrequencies().getType()).getDimSize(0), width);
  return shape;
}

bool headrace::simt::hasAttentionKernel(Operation *op) {
  return isa<DecodeOp, MergePartialsOp, AppendKVOp, FetchKVOp, RopeOp>(op);
}

KernelShape headrace::simt::attentionShape(Operation *op, int64_t width) {
  if (auto decode = dyn_cast<DecodeOp>(op))
    return decodeShape(decode, width);
  if (auto append = dyn_cast<AppendKVOp>(op))
    return appendShape(append, width);
  if (auto fetch = dyn_cast<FetchKVOp>(op))
    return fetchShape(fetch, width);
  if (auto rope = dyn_cast<RopeOp>(op))
    return ropeShape(rope, width);
  return mergeShape(cast<MergePartialsOp>(op), width);
}
