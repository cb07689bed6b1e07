//===- AttentionMask.cpp - which keys a mask lets each query see ----------===//

#include "passes/common/AttentionMask.h"
#include "passes/common/LinalgBuilders.h"

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

// Below this, added to a score, the exponential of the difference to any score
// that is not masked is 0.
static constexpr double kHidden = -1e8;

// A few seconds of evaluation.
static constexpr int64_t kMaxElements = int64_t(1) << 24;

namespace {

/// The keys that a query sees: all of `first` to `last`.
struct KeyRange {
  int64_t first, last;
};

} // namespace

/// The keys of each query; none if they are not ranges or depend on the head.
static std::optional<SmallVector<KeyRange>>
rangesOf(const ElementTracer &tracer, const Element &mask, bool inverted) {
  std::optional<ElementFunction> function =
      ElementFunction::get(tracer, mask, /*allowInput=*/false);
  int64_t queries = tracer.getExtents()[1], keys = tracer.getExtents()[2];
  if (!function || queries < 1 || keys < 1 || keys > kMaxElements / queries)
    return std::nullopt;
  for (AffineExpr index : function->getIndices())
    if (index.isFunctionOfDim(0))
      return std::nullopt;
  Type type = getElementTypeOrSelf(mask.value.getType());
  bool isFloat = isa<FloatType>(type);
  if (!isFloat && !type.isInteger(1))
    return std::nullopt;

  SmallVector<KeyRange> ranges;
  for (int64_t query = 0; query < queries; ++query) {
    KeyRange range = {-1, -1};
    for (int64_t key = 0; key < keys; ++key) {
      double value = function->evaluate({0, query, key});
      if (isFloat && value != 0 && !(value <= kHidden))
        return std::nullopt;
      bool seen = (isFloat ? value == 0 : value != 0) != inverted;
      if (!seen)
        continue;
      if (range.first < 0)
        range.first = key;
      else if (range.last != key - 1)
        return std::nullopt;
      range.last = key;
    }
    if (range.first < 0)
      return std::nullopt;
    ranges.push_back(range);
  }
  return ranges;
}

static bool agrees(const VisibleKeys &visible, ArrayRef<KeyRange> ranges,
                   int64_t keys) {
  for (auto [query, range] : llvm::enumerate(ranges)) {
    int64_t token = static_cast<int64_t>(query) + visible.offset;
    int64_t first = 0, last = keys - 1;
    if (visible.window)
      first = std::max(first, token - *visible.window + 1);
    if (visible.mask == Mask::Causal)
      last = std::min(last, token);
    else if (visible.window)
      last = std::min(last, token + *visible.window - 1);
    if (range.first != first || range.last != last)
      return false;
  }
  return true;
}

std::optional<VisibleKeys>
headrace::common::visibleKeys(const ElementTracer &tracer, const Element &mask,
                              bool inverted) {
  int64_t keys = tracer.getExtents()[2];
  std::optional<SmallVector<KeyRange>> ranges =
      rangesOf(tracer, mask, inverted);
  if (!ranges)
    return std::nullopt;
  VisibleKeys all;
  if (agrees(all, *ranges, keys))
    return all;

  // The first query that does not see the first key fixes where windows begin,
  // one that does not see the last key where they end.
  std::optional<int64_t> begin, end;
  for (auto [query, range] : llvm::enumerate(*ranges)) {
    if (!begin && range.first > 0)
      begin = range.first - static_cast<int64_t>(query);
    if (!end && range.last < keys - 1)
      end = range.last - static_cast<int64_t>(query);
  }
  VisibleKeys causal;
  causal.mask = Mask::Causal;
  causal.offset = end.value_or(keys - 1);
  if (begin)
    causal.window = causal.offset - *begin + 1;
  bool isCausal =
      (!causal.window || *causal.window > 0) && agrees(causal, *ranges, keys);
  // A window around a query is a causal one of a later query as well: what
  // needs no offset is what was meant.
  if (isCausal && causal.offset == 0)
    return causal;
  if (begin && end && (*end - *begin) % 2 == 0) {
    VisibleKeys around;
    around.window = (*end - *begin) / 2 + 1;
    around.offset = *begin + *around.window - 1;
    if (*around.window > 0 && agrees(around, *ranges, keys) &&
        (around.offset == 0 || !isCausal))
      return around;
  }
  if (isCausal)
    return causal;
  return std::nullopt;
}

Value headrace::common::createPrefill(OpBuilder &b, Location loc,
                                      const PlainAttention &attention) {
  auto q = cast<RankedTensorType>(attention.q.getType());
  auto v = cast<RankedTensorType>(attention.v.getType());
  Value init =
      empty(b, loc, {q.getDimSize(0), q.getDimSize(1), v.getDimSize(2)},
            b.getF32Type());
  const VisibleKeys &visible = attention.visible;
  Value offset;
  if (visible.offset != 0)
    offset = arith::ConstantOp::create(
        b, loc,
        DenseIntElementsAttr::get(RankedTensorType::get({1}, b.getI32Type()),
                                  static_cast<int32_t>(visible.offset)));
  IntegerAttr window;
  if (visible.window)
    window = b.getI64IntegerAttr(*visible.window);
  FloatAttr softcap;
  if (attention.softcap)
    softcap = b.getF32FloatAttr(static_cast<float>(*attention.softcap));
  auto scale = static_cast<float>(attention.scale);
  return PrefillOp::create(b, loc, init.getType(),
                           MaskAttr::get(b.getContext(), visible.mask),
                           attention.q, attention.k, attention.v, offset, init,
                           b.getF32FloatAttr(scale), window, softcap,
                           /*precision=*/nullptr)
      ->getResult(0);
}
