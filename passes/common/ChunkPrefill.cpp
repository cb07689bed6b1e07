//===- ChunkPrefill.cpp - attention of many queries in chunks -------------===//
//
// FlowQKV (arXiv 2602.06063): chunks of queries pass by chunks of keys with a
// running result, so that no matrix of all scores exists.
//
//===----------------------------------------------------------------------===//

#include "dialects/QAttn/QAttn.h"
#include "passes/common/DecomposeQAttn.h"
#include "passes/common/LinalgBuilders.h"
#include "passes/common/Passes.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/PatternMatch.h"

#include <limits>

namespace headrace::common {
#define GEN_PASS_DEF_CHUNKPREFILL
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qattn;

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
/// A window beyond every token; sums with it do not overflow.
constexpr int64_t kWide = int64_t(1) << 40;

ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

class Chunks {
public:
  Chunks(IRRewriter &b, PrefillOp op, int64_t keys)
      : b(b), loc(op.getLoc()), op(op), keys(keys),
        heads(shapeOf(op.getQ())[1]), dim(shapeOf(op.getV())[2]),
        tokens(shapeOf(op.getK())[0]) {
    base = op.getOffset() ? scalarIndex(b, loc, op.getOffset()) : index(0);
  }

  /// The results, from chunks of `queries` and a shorter one at the end.
  SmallVector<Value> inQueryChunks(int64_t queries) {
    int64_t size = shapeOf(op.getQ())[0];
    int64_t whole = queries < size ? size / queries * queries : 0;
    SmallVector<Value> results(op.getInits());
    if (whole > 0)
      results = loop(index(0), index(whole), queries, results,
                     [&](Value start, ValueRange state) {
                       return queryChunk(start, queries, state);
                     });
    if (whole < size)
      results = queryChunk(index(whole), size - whole, results);
    return results;
  }

private:
  using State = SmallVector<Value>;

  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(b, loc, value);
  }
  Value add(Value lhs, Value rhs) {
    return arith::AddIOp::create(b, loc, lhs, rhs);
  }
  Value add(Value lhs, int64_t rhs) { return add(lhs, index(rhs)); }
  Value sub(Value lhs, Value rhs) {
    return arith::SubIOp::create(b, loc, lhs, rhs);
  }
  Value less(Value lhs, Value rhs) {
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::slt, lhs, rhs);
  }
  Value clamped(Value value, int64_t least, int64_t most) {
    value = arith::MaxSIOp::create(b, loc, value, index(least));
    return arith::MinSIOp::create(b, loc, value, index(most));
  }
  Value filled(ArrayRef<int64_t> shape, double value) {
    Value init = empty(b, loc, shape, b.getF32Type());
    return linalg::FillOp::create(b, loc, constant(b, loc, value), init)
        .getResult(0);
  }

  State loop(Value first, Value end, int64_t step, ValueRange state,
             llvm::function_ref<State(Value, ValueRange)> body) {
    auto forOp = scf::ForOp::create(b, loc, first, end, index(step), state);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(forOp.getBody());
    scf::YieldOp::create(
        b, loc, body(forOp.getInductionVar(), forOp.getRegionIterArgs()));
    return State(forOp.getResults());
  }

  /// `size` rows of `x` from `start` on.
  Value slice(Value x, Value start, int64_t size) {
    auto [offsets, sizes, strides] = rows(shapeOf(x), start, size);
    return tensor::ExtractSliceOp::create(b, loc, x, offsets, sizes, strides);
  }
  Value insert(Value part, Value into, Value start, int64_t size) {
    auto [offsets, sizes, strides] = rows(shapeOf(into), start, size);
    return tensor::InsertSliceOp::create(b, loc, part, into, offsets, sizes,
                                         strides);
  }
  using Slice = SmallVector<OpFoldResult>;
  std::tuple<Slice, Slice, Slice> rows(ArrayRef<int64_t> shape, Value start,
                                       int64_t size) {
    Slice offsets(shape.size(), b.getIndexAttr(0));
    Slice strides(shape.size(), b.getIndexAttr(1));
    Slice sizes = getAsIndexOpFoldResult(b.getContext(), shape);
    offsets[0] = getAsOpFoldResult(start);
    sizes[0] = b.getIndexAttr(size);
    return {offsets, sizes, strides};
  }

  /// `state` with the results of `size` queries from `start` on.
  State queryChunk(Value start, int64_t size, ValueRange state) {
    Value q = slice(op.getQ(), start, size);
    Value position = add(base, start);
    State chunk;
    if (keys < tokens) {
      chunk = keyChunks(q, position, size);
    } else {
      for (Value whole : state)
        chunk.push_back(slice(whole, start, size));
      chunk = prefill(q, op.getK(), op.getV(), position, chunk);
    }
    State next;
    for (auto [part, whole] : llvm::zip(chunk, state))
      next.push_back(insert(part, whole, start, size));
    return next;
  }

  /// Attention of `size` queries, the first of which is token `position`, by a
  /// running result over chunks of keys. Chunks that none of them sees are not
  /// visited.
  State keyChunks(Value q, Value position, int64_t size) {
    auto [first, end] = seen(position, size);
    int64_t whole = tokens / keys * keys;
    State running{filled({size, heads, dim}, 0.0),
                  filled({size, heads}, kMinusInfinity)};
    auto step = [&](Value start, int64_t count, ValueRange state) {
      State inits{empty(b, loc, {size, heads, dim}, b.getF32Type()),
                  empty(b, loc, {size, heads}, b.getF32Type())};
      State part =
          prefill(q, slice(op.getK(), start, count),
                  slice(op.getV(), start, count), sub(position, start), inits);
      return merge(state, part);
    };
    if (whole > 0) {
      Value begin = arith::DivUIOp::create(b, loc, first, index(keys));
      begin = arith::MulIOp::create(b, loc, begin, index(keys));
      Value last = arith::MinSIOp::create(b, loc, end, index(whole));
      running =
          loop(begin, last, keys, running, [&](Value start, ValueRange state) {
            return step(start, keys, state);
          });
    }
    if (whole == tokens)
      return running;
    Value isSeen = less(index(whole), end);
    if (op.getWindow())
      isSeen = arith::AndIOp::create(b, loc, isSeen, less(first, end));
    auto ifOp = scf::IfOp::create(b, loc, ValueRange(running).getTypes(),
                                  isSeen, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(ifOp.thenBlock());
    scf::YieldOp::create(b, loc, step(index(whole), tokens - whole, running));
    b.setInsertionPointToStart(ifOp.elseBlock());
    scf::YieldOp::create(b, loc, running);
    return State(ifOp.getResults());
  }

  /// The range of tokens that hold all that `size` queries see.
  std::pair<Value, Value> seen(Value position, int64_t size) {
    Value first = index(0), end = index(tokens);
    bool causal = op.getMask() == Mask::Causal;
    int64_t window = std::min<uint64_t>(op.getWindow().value_or(kWide), kWide);
    if (causal || op.getWindow())
      end = clamped(add(position, size + (causal ? 0 : window - 1)), 0, tokens);
    if (op.getWindow())
      first = clamped(add(position, 1 - window), 0, tokens);
    return {first, end};
  }

  State prefill(Value q, Value k, Value v, Value offset, ValueRange inits) {
    // A sum with an offset known at run time only may leave i32; no query
    // sees other tokens for being moved to its ends.
    if (op.getOffset())
      offset = clamped(offset, std::numeric_limits<int32_t>::min(),
                       std::numeric_limits<int32_t>::max());
    Value number = arith::IndexCastOp::create(b, loc, b.getI32Type(), offset);
    Value offsets = tensor::FromElementsOp::create(b, loc, ValueRange{number});
    auto part =
        PrefillOp::create(b, loc, inits.getTypes(), op.getMaskAttr(), q, k, v,
                          offsets, inits, op.getScaleAttr(), op.getWindowAttr(),
                          op.getSoftcapAttr(), op.getPrecisionAttr());
    return State(part.getResults());
  }

  /// Attention to the tokens of two parts, in the memory of the first.
  State merge(ValueRange running, ValueRange part) {
    State stacked;
    for (auto [one, other] : llvm::zip_equal(running, part)) {
      SmallVector<int64_t> both{2};
      llvm::append_range(both, shapeOf(one));
      Value pair = empty(b, loc, both, b.getF32Type());
      pair = insert(one, pair, index(0), 1);
      stacked.push_back(insert(other, pair, index(1), 1));
    }
    auto merged =
        MergePartialsOp::create(b, loc, running.getTypes(), stacked[0],
                                stacked[1], running[0], running[1]);
    return State(merged.getResults());
  }

  IRRewriter &b;
  Location loc;
  PrefillOp op;
  int64_t keys, heads, dim, tokens;
  Value base;
};

struct ChunkPrefill : headrace::common::impl::ChunkPrefillBase<ChunkPrefill> {
  using ChunkPrefillBase::ChunkPrefillBase;

  void runOnOperation() override {
    if (queries < 0 || keys < 0) {
      getOperation()->emitError()
          << "chunk-prefill: expected queries and keys "
             "of at least 0 (all), but got "
          << queries.getValue() << " and " << keys.getValue();
      return signalPassFailure();
    }
    // The chunks are prefills themselves, so that all are collected first.
    SmallVector<PrefillOp> found;
    getOperation()->walk([&](PrefillOp op) { found.push_back(op); });
    for (PrefillOp op : found) {
      int64_t allQueries = shapeOf(op.getQ())[0];
      int64_t allKeys = shapeOf(op.getK())[0];
      int64_t queryChunk = queries > 0 ? queries.getValue() : allQueries;
      int64_t keyChunk = keys > 0 ? keys.getValue() : allKeys;
      if (op.getResults().empty() ||
          (queryChunk >= allQueries && keyChunk >= allKeys))
        continue;
      IRRewriter b(op);
      Chunks chunks(b, op, keyChunk);
      b.replaceOp(op, chunks.inQueryChunks(queryChunk));
    }
  }
};

} // namespace
