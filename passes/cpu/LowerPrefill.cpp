//===- LowerPrefill.cpp - attention of many queries as vectors ------------===//
//
// A workgroup has a block of rows (queries and their heads that share a head of
// keys), a lane for each: scores, softmax and sums run lane by lane, and keys
// and values are read as they lie, a number at a time for all lanes. Keys are
// taken in blocks; each block rescales what was summed before it. Only blocks
// on an edge of what is seen are masked.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/Exp2.h"
#include "passes/cpu/Passes.h"
#include "passes/cpu/PrefillRows.h"
#include "passes/cpu/Transpose.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

#include <limits>

namespace headrace::cpu {
#define GEN_PASS_DEF_CPULOWERPREFILL
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using headrace::qattn::PrefillOp;

namespace {

constexpr int64_t kLanes = 16;
/// Keys of a block.
constexpr int64_t kBlock = 64;
/// Vectors of sums that stay in registers.
constexpr int64_t kSums = 16;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
constexpr double kLog2E = 1.4426950408889634;
constexpr double kLn2 = 0.6931471805599453;

class PrefillKernel {
public:
  PrefillKernel(VectorBuilder &v, PrefillOp op)
      : v(v), op(op), rows(op), seen(v, op), vectors(rows.vectors()),
        dim(sizeOf(op.getQ(), 2)), valueDim(sizeOf(op.getV(), 2)) {}

  void emit() {
    allocate();
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    group = div(id, rows.blocks());
    firstRow =
        v.mul(blockOf(v.sub(id, v.mul(group, rows.blocks()))), rows.lanes());
    lastRow = v.min(v.add(firstRow, rows.lanes() - 1), v.index(rows.count - 1));
    forEachVector([&](Value lane) { packQueries(lane); });
    clear();
    addKeys();
    finish();
  }

private:
  static int64_t sizeOf(Value value, unsigned at) {
    return cast<MemRefType>(value.getType()).getDimSize(at);
  }

  //===-- Short names -----------------------------------------------------===//

  Value div(Value lhs, int64_t rhs) {
    return arith::DivUIOp::create(v.b, v.loc, lhs, v.index(rhs));
  }
  Value zero() { return v.splat(v.vec(kLanes, v.f32()), 0); }
  Value splat(double value) { return v.splat(v.vec(kLanes, v.f32()), value); }
  Value loadScalar(Value memref, ValueRange at) {
    return memref::LoadOp::create(v.b, v.loc, memref, at);
  }
  /// Lanes of vector `n` of a row of a buffer, or of a buffer of one row.
  Value at(int64_t n) { return v.index(n * kLanes); }
  void forEach(Value lower, Value upper, int64_t step,
               llvm::function_ref<void(Value)> body) {
    v.loop(lower, upper, step, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             body(i);
             return {};
           });
  }
  void forEachVector(llvm::function_ref<void(Value)> body) {
    forEach(v.index(0), v.index(rows.lanes()), kLanes, body);
  }
  /// Chunks of 16 columns; only the first `count` of one exist.
  void forEachChunk(int64_t size,
                    llvm::function_ref<void(Value, int64_t)> body) {
    int64_t whole = size / kLanes * kLanes;
    forEach(v.index(0), v.index(whole), kLanes,
            [&](Value col) { body(col, kLanes); });
    if (whole < size)
      body(v.index(whole), size - whole);
  }

  void allocate() {
    OpBuilder::InsertionGuard guard(v.b);
    Block &entry = op->getParentOfType<func::FuncOp>().getBody().front();
    v.b.setInsertionPointToStart(&entry);
    auto buffer = [&](ArrayRef<int64_t> shape, Type type) -> Value {
      return memref::AllocaOp::create(v.b, v.loc, MemRefType::get(shape, type),
                                      v.b.getI64IntegerAttr(64));
    };
    auto chunked = [](int64_t size) {
      return llvm::alignTo(size, static_cast<uint64_t>(kLanes));
    };
    int64_t lanes = rows.lanes();
    queries = buffer({static_cast<int64_t>(chunked(dim)), lanes}, v.f32());
    sums = buffer({static_cast<int64_t>(chunked(valueDim)), lanes}, v.f32());
    scores = buffer({kBlock, lanes}, v.f32());
    largest = buffer({lanes}, v.f32());
    total = buffer({lanes}, v.f32());
    keep = buffer({lanes}, v.f32());
    turned = buffer({kLanes, kLanes}, v.f32());
    if (!seen.isAll()) {
      firstSeen = buffer({lanes}, v.i32());
      countSeen = buffer({lanes}, v.i32());
    }
  }

  /// Threads take workgroups in ranges. Blocks alternate between the front,
  /// whose queries may see few keys, and the back, so that ranges cost alike.
  Value blockOf(Value number) {
    Value half = div(number, 2);
    Value odd = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ne,
                                      number, v.mul(half, 2));
    return v.select(odd, v.sub(v.index(rows.blocks() - 1), half), half);
  }

  /// Token and head of a row.
  std::pair<Value, Value> placeOf(Value row) {
    Value token = div(row, rows.shared);
    Value head = v.sub(row, v.mul(token, rows.shared));
    return {token, v.add(v.mul(group, rows.shared), head)};
  }

  //===-- Start -----------------------------------------------------------===//

  /// Rows to lanes. The scale is part of the queries, and scores are logarithms
  /// to the base 2; with softcap they are what tanh takes.
  void packQueries(Value lane) {
    double factor = op.getScale().convertToFloat();
    factor = op.getSoftcap() ? factor / op.getSoftcap()->convertToFloat()
                             : factor * kLog2E;
    SmallVector<std::pair<Value, Value>> places;
    for (int64_t i = 0; i < kLanes; ++i)
      places.push_back(
          placeOf(v.min(v.add(v.add(firstRow, lane), i), lastRow)));
    forEachChunk(dim, [&](Value col, int64_t count) {
      SmallVector<Value> values;
      for (auto [token, head] : places)
        values.push_back(
            v.loadFirst(op.getQ(), {token, head, col}, kLanes, count));
      transpose16(v, values);
      for (auto [i, value] : llvm::enumerate(values))
        v.store(v.mulf(value, splat(factor)), queries, {v.add(col, i), lane});
    });
  }

  void clear() {
    for (int64_t n = 0; n < vectors; ++n) {
      v.store(splat(kMinusInfinity), largest, at(n));
      v.store(zero(), total, at(n));
    }
    forEach(v.index(0), v.index(sizeOf(sums, 0)), 1, [&](Value col) {
      for (int64_t n = 0; n < vectors; ++n)
        v.store(zero(), sums, {col, at(n)});
    });
    if (seen.isAll())
      return;
    auto store = [&](Value number, Value buffer, Value lane) {
      Value word = arith::IndexCastOp::create(v.b, v.loc, v.i32(), number);
      memref::StoreOp::create(v.b, v.loc, word, buffer, lane);
    };
    forEach(v.index(0), v.index(rows.lanes()), 1, [&](Value lane) {
      auto [first, last] = seen(v.min(v.add(firstRow, lane), lastRow));
      store(first, firstSeen, lane);
      store(v.sub(last, first), countSeen, lane);
    });
  }

  //===-- Blocks of keys --------------------------------------------------===//

  /// First the keys that all rows see, then those before and behind them.
  void addKeys() {
    auto [begin, allEnd] = seen(firstRow);
    auto [allBegin, end] = seen(lastRow);
    if (seen.isAll())
      return addRange(begin, end, /*masked=*/false);
    Value some = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                       allBegin, allEnd);
    allBegin = v.select(some, allBegin, begin);
    allEnd = v.select(some, allEnd, begin);
    addRange(allBegin, allEnd, /*masked=*/false);
    if (!seen.hasWindow())
      return addRange(allEnd, end, /*masked=*/true);
    forEach(v.index(0), v.index(2), 1,
            [&, begin = begin, end = end, allBegin = allBegin,
             allEnd = allEnd](Value side) {
              Value before = arith::CmpIOp::create(
                  v.b, v.loc, arith::CmpIPredicate::eq, side, v.index(0));
              addRange(v.select(before, begin, allEnd),
                       v.select(before, allBegin, end),
                       /*masked=*/true);
            });
  }

  void addRange(Value begin, Value end, bool masked) {
    forEach(begin, end, kBlock, [&](Value first) {
      Value count = v.min(v.sub(end, first), v.index(kBlock));
      score(first, count, masked);
      weigh(count);
      forEachTile(valueDim, [&](Value col, int64_t width) {
        addValues(first, count, col, width, masked);
      });
    });
  }

  /// Whether the rows of vector `n` see a key.
  Value seenBy(int64_t n, Value key) {
    Value word = arith::IndexCastOp::create(v.b, v.loc, v.i32(), key);
    Value distance =
        v.sub(v.broadcast(word, kLanes), v.load(firstSeen, at(n), kLanes));
    return arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                 distance, v.load(countSeen, at(n), kLanes));
  }

  /// The larger, or `old` where `value` is NaN: its weight will be NaN.
  Value larger(Value value, Value old) {
    return v.select(v.lessF(old, value), value, old);
  }

  /// Scores of a block; the largest of each row, and what earlier sums are
  /// multiplied with. Behind the last key of the block it is repeated.
  void score(Value first, Value count, bool masked) {
    int64_t tile = kSums / vectors;
    SmallVector<Value> most;
    for (int64_t n = 0; n < vectors; ++n)
      most.push_back(v.load(largest, at(n), kLanes));
    Value last = v.sub(v.add(first, count), v.index(1));
    SmallVector<Value> after =
        v.loop(v.index(0), count, tile, most, [&](Value i, ValueRange carried) {
          SmallVector<Value> keys;
          for (int64_t t = 0; t < tile; ++t)
            keys.push_back(v.min(v.add(v.add(first, i), t), last));
          SmallVector<Value> dots(tile * vectors, zero());
          dots = v.loop(v.index(0), v.index(dim), 1, dots,
                        [&](Value col, ValueRange carried) {
                          return addColumn(keys, col, carried);
                        });
          SmallVector<Value> next(carried);
          for (int64_t t = 0; t < tile; ++t)
            for (int64_t n = 0; n < vectors; ++n) {
              Value score = capped(dots[t * vectors + n]);
              if (masked)
                score =
                    v.select(seenBy(n, keys[t]), score, splat(kMinusInfinity));
              v.store(score, scores, {v.add(i, t), at(n)});
              next[n] = larger(score, next[n]);
            }
          return next;
        });
    for (int64_t n = 0; n < vectors; ++n) {
      // Where nothing is seen yet, minus infinity minus itself would be NaN.
      Value ratio = exp2(v, v.subf(most[n], baseOf(after[n])));
      v.store(ratio, keep, at(n));
      v.store(v.mulf(v.load(total, at(n), kLanes), ratio), total, at(n));
      v.store(after[n], largest, at(n));
    }
  }

  SmallVector<Value> addColumn(ArrayRef<Value> keys, Value col,
                               ValueRange dots) {
    SmallVector<Value> lanes, next;
    for (int64_t n = 0; n < vectors; ++n)
      lanes.push_back(v.load(queries, {col, at(n)}, kLanes));
    for (Value key : keys) {
      Value number =
          v.broadcast(loadScalar(op.getK(), {key, group, col}), kLanes);
      for (Value lane : lanes)
        next.push_back(v.fma(lane, number, dots[next.size()]));
    }
    return next;
  }

  Value capped(Value score) {
    if (!op.getSoftcap())
      return score;
    double cap = op.getSoftcap()->convertToFloat();
    return v.mulf(math::TanhOp::create(v.b, v.loc, score), splat(cap * kLog2E));
  }

  Value baseOf(Value most) {
    Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                       most, splat(kMinusInfinity));
    return v.select(none, zero(), most);
  }

  /// Scores to weights.
  void weigh(Value count) {
    SmallVector<Value> state, bases;
    for (int64_t n = 0; n < vectors; ++n) {
      state.push_back(v.load(total, at(n), kLanes));
      bases.push_back(baseOf(v.load(largest, at(n), kLanes)));
    }
    state =
        v.loop(v.index(0), count, 1, state, [&](Value i, ValueRange carried) {
          SmallVector<Value> next;
          for (int64_t n = 0; n < vectors; ++n) {
            Value score = v.load(scores, {i, at(n)}, kLanes);
            Value weight = exp2(v, v.subf(score, bases[n]));
            v.store(weight, scores, {i, at(n)});
            next.push_back(v.addf(carried[n], weight));
          }
          return next;
        });
    for (int64_t n = 0; n < vectors; ++n)
      v.store(state[n], total, at(n));
  }

  /// Columns of values in tiles that fill the registers, and a rest.
  void forEachTile(int64_t size,
                   llvm::function_ref<void(Value, int64_t)> body) {
    int64_t width = kSums / vectors, whole = size / width * width;
    forEach(v.index(0), v.index(whole), width,
            [&](Value col) { body(col, width); });
    if (whole < size)
      body(v.index(whole), size - whole);
  }

  /// Adds weights times values to `width` columns. What a row does not see is
  /// left out: zero times NaN would be NaN.
  void addValues(Value first, Value count, Value col, int64_t width,
                 bool masked) {
    SmallVector<Value> state;
    for (int64_t c = 0; c < width; ++c)
      for (int64_t n = 0; n < vectors; ++n)
        state.push_back(v.mulf(v.load(sums, {v.add(col, c), at(n)}, kLanes),
                               v.load(keep, at(n), kLanes)));
    state =
        v.loop(v.index(0), count, 1, state, [&](Value i, ValueRange carried) {
          Value key = v.add(first, i);
          SmallVector<Value> weights, masks, next;
          for (int64_t n = 0; n < vectors; ++n) {
            weights.push_back(v.load(scores, {i, at(n)}, kLanes));
            if (masked)
              masks.push_back(seenBy(n, key));
          }
          for (int64_t c = 0; c < width; ++c) {
            Value number = v.broadcast(
                loadScalar(op.getV(), {key, group, v.add(col, c)}), kLanes);
            for (int64_t n = 0; n < vectors; ++n) {
              Value old = carried[next.size()];
              Value sum = v.fma(weights[n], number, old);
              next.push_back(masked ? v.select(masks[n], sum, old) : sum);
            }
          }
          return next;
        });
    for (int64_t c = 0; c < width; ++c)
      for (int64_t n = 0; n < vectors; ++n)
        v.store(state[c * vectors + n], sums, {v.add(col, c), at(n)});
  }

  //===-- End -------------------------------------------------------------===//

  void finish() {
    forEachVector([&](Value lane) {
      Value sum = v.load(total, lane, kLanes);
      Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                         sum, zero());
      Value inverse = v.select(none, zero(), v.divf(splat(1), sum));
      Value row = v.add(firstRow, lane);
      Value count =
          v.min(arith::MaxSIOp::create(
                    v.b, v.loc, v.sub(v.add(lastRow, 1), row), v.index(0)),
                v.index(kLanes));
      forEachChunk(valueDim, [&](Value col, int64_t width) {
        storeRows(lane, row, count, inverse, col, width);
      });
      if (op.getInits().size() > 1)
        storeLogarithms(lane, row, count, sum, none);
    });
  }

  /// Lanes to rows, of which `count` exist.
  void storeRows(Value lane, Value row, Value count, Value inverse, Value col,
                 int64_t width) {
    SmallVector<Value> values;
    for (int64_t i = 0; i < kLanes; ++i)
      values.push_back(
          v.mulf(v.load(sums, {v.add(col, i), lane}, kLanes), inverse));
    transpose16(v, values);
    for (auto [i, value] : llvm::enumerate(values))
      v.store(value, turned, {v.index(i), v.index(0)});
    forEach(v.index(0), count, 1, [&](Value i) {
      auto [token, head] = placeOf(v.add(row, i));
      v.storeFirst(v.load(turned, {i, v.index(0)}, kLanes), op.getInits()[0],
                   {token, head, col}, width);
    });
  }

  /// Minus infinity where nothing is seen, and NaN stays.
  void storeLogarithms(Value lane, Value row, Value count, Value sum,
                       Value none) {
    Value log = math::LogOp::create(v.b, v.loc, sum);
    Value lse = v.fma(v.load(largest, lane, kLanes), splat(kLn2), log);
    lse = v.select(none, splat(kMinusInfinity), lse);
    v.store(lse, turned, {v.index(0), v.index(0)});
    forEach(v.index(0), count, 1, [&](Value i) {
      auto [token, head] = placeOf(v.add(row, i));
      memref::StoreOp::create(v.b, v.loc, loadScalar(turned, {v.index(0), i}),
                              op.getInits()[1], ValueRange{token, head});
    });
  }

  VectorBuilder &v;
  PrefillOp op;
  PrefillRows rows;
  SeenKeys seen;
  int64_t vectors, dim, valueDim;
  Value group, firstRow, lastRow;

  Value queries;   // [column][row]
  Value sums;      // [column][row]
  Value scores;    // [key of the block][row], then weights
  Value largest;   // [row], the largest score so far
  Value total;     // [row], sum of weights
  Value keep;      // [row], what earlier sums are multiplied with
  Value turned;    // [row][column], part of a result
  Value firstSeen; // [row], i32, null where all is seen
  Value countSeen; // [row], i32, keys from there on
};

struct CpuLowerPrefill
    : headrace::cpu::impl::CpuLowerPrefillBase<CpuLowerPrefill> {
  void runOnOperation() override {
    getOperation()->walk([](PrefillOp op) {
      if (!op.getResults().empty())
        return;
      OpBuilder builder(op);
      VectorBuilder v{builder, op->getLoc()};
      PrefillKernel(v, op).emit();
      op->erase();
    });
  }
};

} // namespace
