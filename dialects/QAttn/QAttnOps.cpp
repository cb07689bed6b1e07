//===- QAttnOps.cpp - what verifiers share; operations on caches ----------===//

#include "dialects/QAttn/Verification.h"

using namespace mlir;
using namespace headrace::qattn;

#define GET_OP_CLASSES
#include "dialects/QAttn/QAttnOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Shared checks
//===----------------------------------------------------------------------===//

LogicalResult headrace::qattn::expectStatic(Operation *op, StringRef what,
                                            Value value) {
  if (isCountable(shaped(value)))
    return success();
  return op->emitOpError() << "expected " << what
                           << " of static, positive sizes and less than 2^59 "
                              "numbers, but got "
                           << shaped(value);
}

LogicalResult headrace::qattn::expectShape(Operation *op, StringRef what,
                                           Value value, ArrayRef<int64_t> want,
                                           const Twine &why) {
  ShapedType type = shaped(value);
  if (type.getShape() == want)
    return expectStatic(op, what, value);
  InFlightDiagnostic diag = op->emitOpError();
  diag << "expected " << what << " of the shape ";
  llvm::interleave(want, diag, "x");
  return diag << " (" << why << "), but got " << type;
}

LogicalResult headrace::qattn::expectOne(Operation *op, StringRef what,
                                         Value value) {
  return expectShape(op, what, value, {1}, "one number");
}

LogicalResult headrace::qattn::expectTable(Operation *op, Type cache,
                                           Value table) {
  bool paged = geometryOf(cache).layout == CacheLayout::Paged;
  if (paged && !table)
    return op->emitOpError() << "expected a table of pages for " << cache;
  if (!paged && table)
    return op->emitOpError() << "expected no table of pages for " << cache
                             << "; allowed: a cache with layout = paged<PAGE>";
  return table ? expectStatic(op, "table", table) : success();
}

LogicalResult headrace::qattn::expectGroups(Operation *op, int64_t heads,
                                            int64_t keyHeads) {
  if (heads % keyHeads == 0)
    return success();
  return op->emitOpError() << "expected heads of q in a multiple of the "
                           << keyHeads << " heads of the keys, but got "
                           << heads;
}

LogicalResult headrace::qattn::expectFinite(Operation *op, StringRef what,
                                            const APFloat &value) {
  if (value.isFinite())
    return success();
  SmallString<16> text;
  value.toString(text);
  return op->emitOpError() << "expected a finite " << what << ", but got "
                           << text;
}

LogicalResult
headrace::qattn::expectWindowAndCap(Operation *op,
                                    std::optional<uint64_t> window,
                                    const std::optional<APFloat> &softcap) {
  if (window && static_cast<int64_t>(*window) < 1)
    return op->emitOpError() << "expected window of at least 1, but got "
                             << static_cast<int64_t>(*window);
  if (!softcap)
    return success();
  if (failed(expectFinite(op, "softcap", *softcap)))
    return failure();
  if (!softcap->isNegative() && !softcap->isZero())
    return success();
  SmallString<16> text;
  softcap->toString(text);
  return op->emitOpError() << "expected a positive softcap, but got " << text;
}

LogicalResult headrace::qattn::expectDecodeOuts(Operation *op, Value init,
                                                Value lse, int64_t heads,
                                                int64_t dim,
                                                std::optional<uint64_t> parts) {
  auto splits = static_cast<int64_t>(parts.value_or(1));
  if (splits < 1)
    return op->emitOpError()
           << "expected splits of at least 1, but got " << splits;
  SmallVector<int64_t> result, logarithms;
  if (parts) {
    result.push_back(splits);
    logarithms.push_back(splits);
  }
  result.append({heads, dim});
  logarithms.push_back(heads);
  StringRef why = parts ? "splits, heads, values" : "heads, values";
  if (failed(expectShape(op, "the first of outs", init, result, why)))
    return failure();
  return expectShape(op, "the second of outs", lse, logarithms,
                     parts ? "splits, heads" : "heads");
}

//===----------------------------------------------------------------------===//
// Storage
//===----------------------------------------------------------------------===//

static LogicalResult expectStorage(Operation *op, Value bytes, Type cache) {
  int64_t want = geometryOf(cache).storageBytes;
  ShapedType got = shaped(bytes);
  if (got.getDimSize(0) == want)
    return success();
  return op->emitOpError() << "expected " << want << " bytes to store " << cache
                           << ", but got " << got;
}

LogicalResult CacheFromBytesOp::verify() {
  return expectStorage(*this, getBytes(), getCache().getType());
}

LogicalResult CacheToBytesOp::verify() {
  return expectStorage(*this, getBytes(), getCache().getType());
}

OpFoldResult CacheToBytesOp::fold(FoldAdaptor) {
  auto source = getCache().getDefiningOp<CacheFromBytesOp>();
  if (source && source.getBytes().getType() == getType())
    return source.getBytes();
  return {};
}

//===----------------------------------------------------------------------===//
// Keys and values
//===----------------------------------------------------------------------===//

/// An append on tensors yields the new cache; on memrefs it writes through the
/// view of the old one.
static LogicalResult verifyAppend(Operation *op, ValueRange inputs, Type cache,
                                  Type result) {
  bool tensors = isa<TensorType>(inputs.front().getType());
  for (Value input : inputs)
    if (input && isa<TensorType>(input.getType()) != tensors)
      return op->emitOpError()
             << "expected inputs all tensors or all memrefs, but got "
             << input.getType() << " and " << inputs.front().getType();
  if (tensors && result != cache) {
    InFlightDiagnostic diag = op->emitOpError() << "expected the result "
                                                << cache << ", but got ";
    if (result)
      return diag << result;
    return diag << "none";
  }
  if (!tensors && result)
    return op->emitOpError()
           << "expected no result for memrefs, but got " << result;
  return success();
}

/// Writes through the view on memrefs; on tensors there is no effect.
static void addAppendEffects(
    Value input,
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  if (isa<TensorType>(input.getType()))
    return;
  effects.emplace_back(MemoryEffects::Read::get());
  effects.emplace_back(MemoryEffects::Write::get());
}

static Type typeOrNull(Value value) { return value ? value.getType() : Type(); }

static SmallVector<Value> present(std::initializer_list<Value> values) {
  SmallVector<Value> found;
  for (Value value : values)
    if (value)
      found.push_back(value);
  return found;
}

LogicalResult AppendKVOp::verify() {
  KVCacheType cache = getCache().getType();
  if (failed(verifyAppend(*this,
                          present({getK(), getV(), getPosition(), getTable()}),
                          cache, typeOrNull(getResult()))) ||
      failed(expectStatic(*this, "k", getK())) ||
      failed(expectOne(*this, "position", getPosition())) ||
      failed(expectTable(*this, cache, getTable())))
    return failure();
  SmallVector<int64_t> want = {shaped(getK()).getDimSize(0), cache.getHeads(),
                               cache.getDim()};
  if (failed(expectShape(*this, "k", getK(), want,
                         "tokens, heads and dim of the cache")))
    return failure();
  return expectShape(*this, "v", getV(), want, "the shape of k");
}

void AppendKVOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  addAppendEffects(getK(), effects);
}

LogicalResult FetchKVOp::verify() {
  KVCacheType cache = getCache().getType();
  if (failed(expectOneWorld(*this, {getK(), getV()},
                            present({getStart(), getTable()}),
                            getResults().size())) ||
      failed(expectOne(*this, "start", getStart())) ||
      failed(expectTable(*this, cache, getTable())) ||
      failed(expectStatic(*this, "outs", getK())))
    return failure();
  SmallVector<int64_t> want = {shaped(getK()).getDimSize(0), cache.getHeads(),
                               cache.getDim()};
  for (Value init : {getK(), getV()})
    if (failed(expectShape(*this, "outs", init, want,
                           "tokens, heads and dim of the cache")))
      return failure();
  return success();
}

//===----------------------------------------------------------------------===//
// Latents
//===----------------------------------------------------------------------===//

LogicalResult AppendMlaOp::verify() {
  MlaCacheType cache = getCache().getType();
  if (failed(verifyAppend(
          *this, present({getContent(), getRope(), getPosition(), getTable()}),
          cache, typeOrNull(getResult()))) ||
      failed(expectStatic(*this, "content", getContent())) ||
      failed(expectOne(*this, "position", getPosition())) ||
      failed(expectTable(*this, cache, getTable())))
    return failure();
  int64_t tokens = shaped(getContent()).getDimSize(0);
  if (failed(expectShape(*this, "content", getContent(),
                         {tokens, cache.getContent()},
                         "tokens and content of the cache")))
    return failure();
  return expectShape(*this, "rope", getRope(), {tokens, cache.getRope()},
                     "tokens and rope of the cache");
}

void AppendMlaOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  addAppendEffects(getContent(), effects);
}

LogicalResult FetchMlaOp::verify() {
  MlaCacheType cache = getCache().getType();
  if (failed(expectOneWorld(*this, {getContent(), getRope()},
                            present({getStart(), getTable()}),
                            getResults().size())) ||
      failed(expectOne(*this, "start", getStart())) ||
      failed(expectTable(*this, cache, getTable())) ||
      failed(expectStatic(*this, "outs", getContent())))
    return failure();
  int64_t tokens = shaped(getContent()).getDimSize(0);
  if (failed(expectShape(*this, "the first of outs", getContent(),
                         {tokens, cache.getContent()},
                         "tokens and content of the cache")))
    return failure();
  return expectShape(*this, "the second of outs", getRope(),
                     {tokens, cache.getRope()}, "tokens and rope of the cache");
}
