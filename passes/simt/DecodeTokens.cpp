//===- DecodeTokens.cpp - the tokens that a workgroup reads ---------------===//

#include "passes/simt/DecodeTokens.h"

#include "passes/common/AttentionBuilders.h"

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::SeenTokens;

DecodeTokens::DecodeTokens(SimtBuilder &v, DecodeOp op, Value part)
    : v(v), op(op), cache(op.getCache().getType()) {
  bool isRing = cache.getLayout() == CacheLayout::Ring;
  std::optional<int64_t> window;
  if (op.getWindow())
    window = static_cast<int64_t>(*op.getWindow());
  SeenTokens seen = common::seenTokens(
      v.b, v.loc, op.getLength(), common::tokenBound(cache, op.getTable()),
      isRing, window, static_cast<int64_t>(op.getSplits().value_or(1)));
  firstToken = seen.begin, tokens = seen.count;
  if (op.getSplits()) {
    Value skipped = v.min(v.mul(part, seen.perPart), seen.count);
    firstToken = v.add(seen.begin, skipped);
    tokens = v.min(v.sub(seen.count, skipped), seen.perPart);
  }
  v.named(tokens, "count");
  v.named(firstToken, "first_token");
  firstSlot = firstToken;
  if (isRing)
    firstSlot = v.named(v.rem(firstToken, cache.getSlots()), "first_slot");
}

Value DecodeTokens::less(Value lhs, Value rhs) {
  return arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult, lhs, rhs);
}

DecodeTokens::Token DecodeTokens::at(Value number, bool isPartial) {
  if (!isPartial)
    return inCache(number);
  Value seen = less(number, tokens);
  Token token = inCache(v.min(number, v.sub(tokens, v.index(1))));
  return {token.slot, token.seen ? v.andI(seen, token.seen) : seen};
}

DecodeTokens::Token DecodeTokens::inCache(Value number) {
  if (cache.getLayout() == CacheLayout::Paged)
    return inPage(v.add(firstToken, number));
  Value slot = v.add(firstSlot, number);
  if (cache.getLayout() == CacheLayout::Ring) {
    // A ring has at most as many tokens as slots: they wrap around once.
    Value slots = v.index(cache.getSlots());
    slot = v.select(less(slot, slots), slot, v.sub(slot, slots));
  }
  return {slot, {}};
}

/// The table has an entry for each token that is counted. Entries of pages that
/// do not exist may be negative, which no index is.
DecodeTokens::Token DecodeTokens::inPage(Value token) {
  int64_t page = cache.getPage();
  Value entry = v.loadOne(op.getTable(), v.div(token, page));
  Value exists = less(entry, v.constI32(cache.getSlots() / page));
  Value number = arith::IndexCastUIOp::create(
      v.b, v.loc, v.b.getIndexType(), v.select(exists, entry, v.constI32(0)));
  return {v.add(v.mul(number, page), v.rem(token, page)), exists};
}
