//===- QAttnCosts.cpp - bytes and operations of qattn ---------------------===//
//
// Counts are doubles: a product of sizes need not fit an integer. docs/cost.md
// says what is counted and why.
//
//===----------------------------------------------------------------------===//

#include "dialects/QAttn/QAttnCosts.h"

#include "dialects/Interfaces/CostInterface.h"
#include "dialects/QAttn/InterfaceModels.h"

#include "mlir/IR/Matchers.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>

using namespace mlir;
using namespace headrace;
using namespace headrace::qattn;

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

static double elementsOf(Value value) {
  return static_cast<double>(
      cast<ShapedType>(value.getType()).getNumElements());
}

template <typename... Values> static double bytesOf(Values... values) {
  return (shapedBytes(Type(values.getType())) + ...);
}

//===----------------------------------------------------------------------===//
// Caches
//===----------------------------------------------------------------------===//

int64_t headrace::qattn::seenTokens(Type cache, Value table, int64_t length,
                                    std::optional<int64_t> window) {
  CacheGeometry geometry = geometryOf(cache);
  int64_t capacity = geometry.slots;
  // A table names pages, and tokens behind it have no slot. That two of its
  // pages are one is not assumed.
  if (table && !ShapedType::isDynamic(shapeOf(table)[0]))
    capacity = std::min(capacity, shapeOf(table)[0] * geometry.page);
  if (length < 0)
    length = capacity;
  int64_t oldest = window ? std::max<int64_t>(length - *window, 0) : 0;
  if (geometry.layout == CacheLayout::Ring)
    return std::min(length - oldest, capacity);
  return std::max<int64_t>(std::min(length, capacity) - oldest, 0);
}

static double tokenBytes(KVCacheType cache) {
  double scales =
      cache.hasScales() ? 8.0 * static_cast<double>(cache.getHeads()) : 0;
  return static_cast<double>(cache.getSlotBytes()) + scales;
}

static double tokenBytes(MlaCacheType cache) {
  return static_cast<double>(cache.getSlotBytes());
}

/// Bytes of the entries of a table for `tokens` tokens in a row.
static double tableBytes(Type cache, double tokens) {
  CacheGeometry geometry = geometryOf(cache);
  if (geometry.layout != CacheLayout::Paged)
    return 0;
  return 4 * std::ceil(tokens / static_cast<double>(geometry.page));
}

//===----------------------------------------------------------------------===//
// Softmax
//===----------------------------------------------------------------------===//

/// What each score takes beside the products: scaling, maximum, difference and
/// sum, and the exponential; with a cap two products and the tanh.
static Cost softmaxCost(double scores, bool capped) {
  return {0, 0, scores * (capped ? 6 : 4), scores * (capped ? 2 : 1)};
}

/// What each row of scores takes at the end: a division of the `dim` sums, and
/// the logarithm and its sum with the maximum.
static Cost finishCost(double rows, double dim) {
  return {0, 0, rows * (dim + 1), rows};
}

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

/// Number of pairs of a position in [first, end) and a key in [0, keys) with
/// key < position + distance.
static double pairsBelow(double first, double end, double keys,
                         double distance) {
  // The sum over u = position + distance of u, kept in [0, keys].
  double from = first + distance, to = end + distance;
  double low = std::max(from, 0.0), high = std::min(to, keys);
  double rising = high > low ? (high - low) * (low + high - 1) / 2 : 0;
  return rising + keys * std::max(to - std::max(from, keys), 0.0);
}

static Cost costOf(PrefillOp op, const CostAssumptions &) {
  ArrayRef<int64_t> q = shapeOf(op.getQ());
  auto queries = static_cast<double>(q[0]), heads = static_cast<double>(q[1]);
  auto keys = static_cast<double>(shapeOf(op.getK())[0]);
  // An offset that is not known: the queries are the last of the keys.
  double offset = 0;
  if (Value value = op.getOffset()) {
    DenseIntElementsAttr constant;
    offset = matchPattern(value, m_Constant(&constant))
                 ? static_cast<double>(
                       (*constant.value_begin<APInt>()).getSExtValue())
                 : keys - queries;
  }
  // A query sees the keys whose distance from it is in [nearest, farthest).
  double reach = op.getWindow() ? static_cast<double>(*op.getWindow())
                                : queries + keys + std::abs(offset);
  double nearest = 1 - reach;
  double farthest = op.getMask() == Mask::Causal ? 1 : reach;
  double end = offset + queries;
  double pairs = pairsBelow(offset, end, keys, farthest) -
                 pairsBelow(offset, end, keys, nearest);
  double seen =
      std::min(keys, end - 1 + farthest) - std::max(0.0, offset + nearest);
  double share = std::max(seen, 0.0) / keys;
  auto keyDim = static_cast<double>(q[2]);
  auto valueDim = static_cast<double>(shapeOf(op.getV())[2]);
  Cost cost{bytesOf(op.getQ()) + share * bytesOf(op.getK(), op.getV()) +
                (op.getOffset() ? 4 : 0),
            shapedBytes(op.getInits().getTypes()),
            pairs * heads * 2 * (keyDim + valueDim), 0};
  return cost + softmaxCost(pairs * heads, op.getSoftcap().has_value()) +
         finishCost(heads * queries, valueDim);
}

static Cost costOf(DecodeOp op, const CostAssumptions &assumptions) {
  KVCacheType cache = op.getCache().getType();
  std::optional<int64_t> window;
  if (op.getWindow())
    window = static_cast<int64_t>(*op.getWindow());
  auto tokens = static_cast<double>(
      seenTokens(cache, op.getTable(), assumptions.length, window));
  auto dim = static_cast<double>(cache.getDim());
  auto heads = static_cast<double>(shapeOf(op.getQ())[0]);
  auto splits = static_cast<double>(op.getSplits().value_or(1));
  Cost cost{bytesOf(op.getQ(), op.getLength()) + tokens * tokenBytes(cache) +
                tableBytes(cache, tokens),
            bytesOf(op.getInit(), op.getLse()), 4 * dim * heads * tokens, 0};
  // The scale of a key times the score, that of a value times the weight.
  if (cache.hasScales())
    cost.operations += 2 * heads * tokens;
  return cost + softmaxCost(heads * tokens, op.getSoftcap().has_value()) +
         finishCost(heads * splits, dim);
}

static Cost costOf(MergePartialsOp op, const CostAssumptions &) {
  double parts = elementsOf(op.getLses()), rows = elementsOf(op.getLse());
  // For each part maximum, difference, sum and exponential, then the products.
  return {bytesOf(op.getPartials(), op.getLses()),
          bytesOf(op.getInit(), op.getLse()),
          3 * parts + 2 * elementsOf(op.getPartials()) +
              elementsOf(op.getInit()) + rows,
          parts + rows};
}

static Cost costOf(RopeOp op, const CostAssumptions &) {
  ArrayRef<int64_t> x = shapeOf(op.getX());
  auto heads = static_cast<double>(x[1]);
  double angles = static_cast<double>(x[0]) * elementsOf(op.getFrequencies());
  // The heads of a token share an angle with its sine and cosine.
  double perAngle = (op.getMagnitude() ? 3 : 1) + 6 * heads;
  return {bytesOf(op.getX(), op.getPositions(), op.getFrequencies()),
          bytesOf(op.getInit()), perAngle * angles, 2 * angles};
}

//===----------------------------------------------------------------------===//
// Appending and fetching
//===----------------------------------------------------------------------===//

/// Numbers that a cache scales take two operations each (magnitude and maximum)
/// for the scale, and a division; the others are only rounded.
static double encodeOperations(double values, bool scaled) {
  return scaled ? 3 * values : values;
}

/// How many of `tokens` new tokens stay in the cache, at most.
static double keptTokens(Type cache, Value table, int64_t tokens) {
  return static_cast<double>(seenTokens(cache, table, tokens));
}

static Cost costOf(AppendKVOp op, const CostAssumptions &) {
  KVCacheType cache = op.getCache().getType();
  double tokens = keptTokens(cache, op.getTable(), shapeOf(op.getK())[0]);
  double values =
      2 * tokens * static_cast<double>(cache.getHeads() * cache.getDim());
  return {4 * values + bytesOf(op.getPosition()) + tableBytes(cache, tokens),
          tokens * tokenBytes(cache),
          encodeOperations(values, cache.hasScales()), 0};
}

static Cost costOf(AppendMlaOp op, const CostAssumptions &) {
  MlaCacheType cache = op.getCache().getType();
  double tokens = keptTokens(cache, op.getTable(), shapeOf(op.getContent())[0]);
  double values =
      tokens * static_cast<double>(cache.getContent() + cache.getRope());
  return {4 * values + bytesOf(op.getPosition()) + tableBytes(cache, tokens),
          tokens * tokenBytes(cache),
          encodeOperations(values, cache.hasScales()), 0};
}

template <typename Op> static Cost costOfFetch(Op op, double values) {
  auto cache = op.getCache().getType();
  double tokens =
      keptTokens(cache, op.getTable(), shapeOf(op.getDpsInits()[0])[0]);
  return {tokens * tokenBytes(cache) + bytesOf(op.getStart()) +
              tableBytes(cache, tokens),
          shapedBytes(op.getDpsInits().getTypes()),
          cache.hasScales() ? tokens * values : 0, 0};
}

static Cost costOf(FetchKVOp op, const CostAssumptions &) {
  KVCacheType cache = op.getCache().getType();
  return costOfFetch(
      op, 2 * static_cast<double>(cache.getHeads() * cache.getDim()));
}

static Cost costOf(FetchMlaOp op, const CostAssumptions &) {
  MlaCacheType cache = op.getCache().getType();
  return costOfFetch(op,
                     static_cast<double>(cache.getContent() + cache.getRope()));
}

//===----------------------------------------------------------------------===//
// Latent attention
//===----------------------------------------------------------------------===//

static Cost costOf(QuantizeKVOp op, const CostAssumptions &) {
  return {bytesOf(op.getContent(), op.getRope()),
          bytesOf(op.getCodes(), op.getScale(), op.getScaledRope()),
          encodeOperations(elementsOf(op.getContent()), true) +
              elementsOf(op.getRope()),
          0};
}

static Cost costOf(MlaDecodeOp op, const CostAssumptions &assumptions) {
  MlaCacheType cache = op.getCache().getType();
  auto tokens =
      static_cast<double>(seenTokens(cache, op.getTable(), assumptions.length));
  auto content = static_cast<double>(cache.getContent());
  auto rope = static_cast<double>(cache.getRope());
  auto heads = static_cast<double>(shapeOf(op.getQ())[0]);
  auto splits = static_cast<double>(op.getSplits().value_or(1));
  double scores = heads * tokens;
  Cost cost{bytesOf(op.getQ(), op.getQRope(), op.getLength()) +
                tokens * tokenBytes(cache) + tableBytes(cache, tokens),
            bytesOf(op.getInit(), op.getLse()),
            scores * 2 * (content + rope + content), 0};
  if (Value scale = op.getQScale()) {
    cost.readBytes += bytesOf(scale);
    // q_scale and token_scale; the scale in f, its maximum, and f / s'; then
    // O and l times beta once a page.
    double pages = std::ceil(tokens / static_cast<double>(kRecurrencePage));
    cost.operations += 5 * scores + heads * pages * (content + 1);
  } else if (cache.hasScales()) {
    cost.operations += 2 * scores;
  }
  return cost + softmaxCost(scores, /*capped=*/false) +
         finishCost(heads * splits, content);
}

static Cost costOf(MlaAttentionOp op, const CostAssumptions &assumptions) {
  MlaCacheType cache = op.getCache().getType();
  auto tokens =
      static_cast<double>(seenTokens(cache, op.getTable(), assumptions.length));
  ArrayRef<int64_t> keys = shapeOf(op.getWK()), values = shapeOf(op.getWV());
  auto heads = static_cast<double>(keys[0]);
  auto content = static_cast<double>(keys[2]);
  auto keyDim = static_cast<double>(keys[1]);
  auto valueDim = static_cast<double>(values[1]);
  double scores = heads * tokens;
  // The keys and values of each head and token are formed.
  double formed = 2 * content * (keyDim + valueDim);
  double products =
      2 * (keyDim + static_cast<double>(cache.getRope()) + valueDim);
  Cost cost{bytesOf(op.getQ(), op.getQRope(), op.getWK(), op.getWV(),
                    op.getLength()) +
                tokens * tokenBytes(cache) + tableBytes(cache, tokens),
            bytesOf(op.getInit()), scores * (formed + products), 0};
  if (cache.hasScales())
    cost.operations +=
        tokens * (content + static_cast<double>(cache.getRope()));
  return cost + softmaxCost(scores, /*capped=*/false) +
         finishCost(heads, valueDim);
}

//===----------------------------------------------------------------------===//
// Registration
//===----------------------------------------------------------------------===//

namespace {
template <typename OpT>
struct CostModel : CostOpInterface::ExternalModel<CostModel<OpT>, OpT> {
  Cost getCost(Operation *op, const CostAssumptions &assumptions) const {
    return costOf(cast<OpT>(op), assumptions);
  }
};
} // namespace

template <typename... Ops> static void attach(MLIRContext *context) {
  (Ops::template attachInterface<CostModel<Ops>>(*context), ...);
}

void headrace::qattn::registerCostModels(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, QAttnDialect *) {
    attach<AppendKVOp, FetchKVOp, PrefillOp, DecodeOp, MergePartialsOp, RopeOp,
           QuantizeKVOp, AppendMlaOp, FetchMlaOp, MlaDecodeOp, MlaAttentionOp>(
        context);
  });
}
