//===- LowerPrefill.cpp - attention of many queries as vectors ------------===//
//
// Rows (queries and their heads that share a head of keys) are lanes: scores,
// softmax and sums run lane by lane. Keys are taken in blocks, which are copied
// once for all parts of a workgroup; each block rescales what was summed before
// it. Only on an edge of what a part sees are keys masked.
//
//===----------------------------------------------------------------------===//

#include "passes/cpu/Passes.h"
#include "passes/cpu/PrefillPacking.h"
#include "passes/cpu/PrefillPart.h"
#include "passes/cpu/Transpose.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
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

constexpr int64_t kLanes = kPrefillLanes;
/// Keys of a block, a multiple of what is computed at a time.
constexpr int64_t kFloatBlock = 96;
/// Columns of a key and a value, so that scratch memory (up to 832 bytes for
/// each) fits the stack of a thread.
constexpr int64_t kMostColumns = 4096;
constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();
constexpr double kLn2 = 0.6931471805599453;

class PrefillKernel {
public:
  PrefillKernel(VectorBuilder &v, PrefillOp op, const PrefillForm &form,
                int64_t vectorBits)
      : v(v), op(op), form(form), rows(op), seen(v, op),
        keysOfBlock(form.precision ? headrace::qattn::kPrefillBlock
                                   : kFloatBlock) {
    // 32 registers of 512 bits hold 24 sums of 16 lanes, the others a share.
    tile = vectorBits >= 512 ? PrefillTile{rows.vectors, 24 / rows.vectors}
                             : PrefillTile{1, 6};
  }

  void emit() {
    allocate();
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    head = div(id, rows.blocks());
    Value block = blockOf(v.sub(id, v.mul(head, rows.blocks())));
    firstRow = v.mul(block, rows.groupRows());
    lastRow =
        v.min(v.add(firstRow, rows.groupRows() - 1), v.index(rows.count - 1));
    parts = v.add(div(v.sub(lastRow, firstRow), rows.partRows()), 1);
    forEachPart([&](Value part) { start(part); });
    auto [begin, unused] = seen(firstRow);
    auto [alsoUnused, end] = seen(lastRow);
    // Weights of 8 bits have a range for each block of the sequence.
    Value front = v.mul(div(begin, keysOfBlock), keysOfBlock);
    forEach(form.precision ? front : begin, end, keysOfBlock,
            [&, end = end](Value first) {
              addBlock(first, v.min(v.sub(end, first), v.index(keysOfBlock)));
            });
    forEachPart([&](Value part) { finish(part); });
  }

private:
  //===-- Short names -----------------------------------------------------===//

  Value div(Value lhs, int64_t rhs) {
    return arith::DivUIOp::create(v.b, v.loc, lhs, v.index(rhs));
  }
  Value max(Value lhs, Value rhs) {
    return arith::MaxUIOp::create(v.b, v.loc, lhs, rhs);
  }
  Value splat(double value) { return v.splat(v.vec(kLanes, v.f32()), value); }
  void forEach(Value lower, Value upper, int64_t step,
               llvm::function_ref<void(Value)> body) {
    v.loop(lower, upper, step, {},
           [&](Value i, ValueRange) -> SmallVector<Value> {
             body(i);
             return {};
           });
  }
  void forEachPart(llvm::function_ref<void(Value)> body) {
    forEach(v.index(0), parts, 1, body);
  }
  void forEachVector(llvm::function_ref<void(Value)> body) {
    forEach(v.index(0), v.index(rows.partRows()), kLanes, body);
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
      return llvm::divideCeil(size, kLanes) * kLanes;
    };
    int64_t lanes = rows.partRows();
    int64_t dim = chunked(rows.dim), valueDim = chunked(rows.valueDim);
    Type word = form.wordType(v);
    buffers.queries = buffer({rows.parts, form.words(dim), lanes}, word);
    buffers.sums = buffer({rows.parts, valueDim, lanes}, v.f32());
    buffers.largest = buffer({rows.parts, lanes}, v.f32());
    buffers.total = buffer({rows.parts, lanes}, v.f32());
    if (!seen.isAll()) {
      buffers.firstSeen = buffer({rows.parts, lanes}, v.i32());
      buffers.countSeen = buffer({rows.parts, lanes}, v.i32());
    }
    buffers.keys = buffer({keysOfBlock, form.words(dim)}, word);
    buffers.values = buffer({form.words(keysOfBlock), valueDim}, word);
    // Scores of keys that are repeated behind the last one have room, too.
    buffers.scores = buffer({keysOfBlock + tile.width, lanes}, v.f32());
    buffers.keep = buffer({lanes}, v.f32());
    turned = buffer({kLanes, kLanes}, v.f32());
    if (!form.precision)
      return;
    buffers.column = buffer({dim, kLanes}, v.f32());
    buffers.queryFactors = buffer({rows.parts, lanes}, v.f32());
    for (Value *ofKeys : {&buffers.keyFactors, &buffers.keyInverses,
                          &buffers.valueInverses, &buffers.valueScales})
      *ofKeys = buffer({keysOfBlock}, v.f32());
    buffers.unit = buffer({lanes}, v.f32());
    if (form.sumsIntegers())
      buffers.start = buffer({rows.parts, lanes}, v.i32());
    if (form.perWord > 1)
      buffers.weights = buffer({form.words(keysOfBlock), lanes}, word);
  }

  /// Threads take workgroups in ranges. Blocks alternate between the front,
  /// whose queries may see few keys, and the back, so that ranges cost alike.
  Value blockOf(Value number) {
    Value half = div(number, 2);
    Value odd = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ne,
                                      number, v.mul(half, 2));
    return v.select(odd, v.sub(v.index(rows.blocks() - 1), half), half);
  }

  Value rowOf(Value part) {
    return v.add(firstRow, v.mul(part, rows.partRows()));
  }

  /// Token and head of a row.
  std::pair<Value, Value> placeOf(Value row) {
    Value token = div(row, rows.shared);
    Value query = v.sub(row, v.mul(token, rows.shared));
    return {token, v.add(v.mul(head, rows.shared), query)};
  }

  //===-- Start -----------------------------------------------------------===//

  void start(Value part) {
    forEachVector([&](Value lane) {
      packQueries(part, lane);
      v.store(splat(kMinusInfinity), buffers.largest, {part, lane});
      v.store(splat(0), buffers.total, {part, lane});
      forEach(v.index(0), v.index(rows.valueDim), 1, [&](Value col) {
        v.store(splat(0), buffers.sums, {part, col, lane});
      });
    });
    if (seen.isAll())
      return;
    auto store = [&](Value number, Value buffer, Value lane) {
      Value word = arith::IndexCastOp::create(v.b, v.loc, v.i32(), number);
      memref::StoreOp::create(v.b, v.loc, word, buffer, ValueRange{part, lane});
    };
    forEach(v.index(0), v.index(rows.partRows()), 1, [&](Value lane) {
      auto [first, last] = seen(v.min(v.add(rowOf(part), lane), lastRow));
      store(first, buffers.firstSeen, lane);
      store(v.sub(last, first), buffers.countSeen, lane);
    });
  }

  /// 16 rows to lanes; behind the last row it is repeated.
  void packQueries(Value part, Value lane) {
    SmallVector<std::pair<Value, Value>> places;
    for (int64_t i = 0; i < kLanes; ++i)
      places.push_back(
          placeOf(v.min(v.add(v.add(rowOf(part), lane), i), lastRow)));
    PrefillPacking(v, op, form, buffers).packQueries(part, lane, places);
  }

  //===-- Blocks of keys --------------------------------------------------===//

  void addBlock(Value first, Value count) {
    PrefillPacking(v, op, form, buffers).packBlock(head, first, count);
    PrefillPart kernel(v, op, form, tile, buffers);
    forEachPart([&](Value part) {
      if (seen.isAll())
        return kernel.add(part, first, {v.index(0), v.index(0), count, count});
      Value row = rowOf(part);
      auto [begin, allEnd] = seen(row);
      auto [allBegin, end] =
          seen(v.min(v.add(row, rows.partRows() - 1), lastRow));
      auto inBlock = [&](Value key) {
        return v.sub(v.min(max(key, first), v.add(first, count)), first);
      };
      // In order, also where no key is seen by all rows.
      PrefillKeys keys{inBlock(begin), inBlock(allBegin), {}, inBlock(end)};
      keys.allBegin = v.min(keys.allBegin, keys.end);
      keys.allEnd = max(keys.allBegin, inBlock(allEnd));
      Value some = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::ult,
                                         keys.begin, keys.end);
      auto op = scf::IfOp::create(v.b, v.loc, some);
      OpBuilder::InsertionGuard guard(v.b);
      v.b.setInsertionPointToStart(op.thenBlock());
      kernel.add(part, first, keys);
    });
  }

  //===-- End -------------------------------------------------------------===//

  void finish(Value part) {
    forEachVector([&](Value lane) {
      Value sum = v.load(buffers.total, {part, lane}, kLanes);
      Value none = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                         sum, splat(0));
      Value inverse = v.select(none, splat(0), v.divf(splat(1), sum));
      Value row = v.add(rowOf(part), lane);
      // The last vectors may have no row.
      Value end = v.add(lastRow, 1);
      Value count = v.min(v.sub(end, v.min(row, end)), v.index(kLanes));
      forEachChunk(rows.valueDim, [&](Value col, int64_t width) {
        storeColumns(part, lane, row, count, inverse, col, width);
      });
      if (op.getInits().size() > 1)
        storeLogarithms(part, lane, row, count, sum, none);
    });
  }

  /// Lanes to rows, of which `count` exist.
  void storeColumns(Value part, Value lane, Value row, Value count,
                    Value inverse, Value col, int64_t width) {
    SmallVector<Value> values;
    for (int64_t i = 0; i < kLanes; ++i)
      values.push_back(v.mulf(
          v.load(buffers.sums, {part, v.add(col, i), lane}, kLanes), inverse));
    transpose16(v, values);
    for (auto [i, value] : llvm::enumerate(values))
      v.store(value, turned, {v.index(i), v.index(0)});
    forEach(v.index(0), count, 1, [&](Value i) {
      auto [token, query] = placeOf(v.add(row, i));
      v.storeFirst(v.load(turned, {i, v.index(0)}, kLanes), op.getInits()[0],
                   {token, query, col}, width);
    });
  }

  /// Minus infinity where nothing is seen, and NaN stays.
  void storeLogarithms(Value part, Value lane, Value row, Value count,
                       Value sum, Value none) {
    Value log = math::LogOp::create(v.b, v.loc, sum);
    Value largest = v.load(buffers.largest, {part, lane}, kLanes);
    Value lse = v.fma(largest, splat(kLn2), log);
    lse = v.select(none, splat(kMinusInfinity), lse);
    v.store(lse, turned, {v.index(0), v.index(0)});
    forEach(v.index(0), count, 1, [&](Value i) {
      auto [token, query] = placeOf(v.add(row, i));
      Value one =
          memref::LoadOp::create(v.b, v.loc, turned, ValueRange{v.index(0), i});
      memref::StoreOp::create(v.b, v.loc, one, op.getInits()[1],
                              ValueRange{token, query});
    });
  }

  VectorBuilder &v;
  PrefillOp op;
  PrefillForm form;
  PrefillRows rows;
  SeenKeys seen;
  int64_t keysOfBlock;
  PrefillTile tile;
  PrefillBuffers buffers;
  Value turned;                  // [row][column], part of a result
  Value head, firstRow, lastRow; // of the workgroup
  Value parts;                   // that have rows
};

struct CpuLowerPrefill
    : headrace::cpu::impl::CpuLowerPrefillBase<CpuLowerPrefill> {
  using Base::Base;

  void runOnOperation() override {
    if (vectorBits < 128) {
      getOperation()->emitError()
          << "cpu-lower-prefill: expected vector-bits of at least 128, but got "
          << vectorBits.getValue();
      return signalPassFailure();
    }
    DotKind kind = dot == "vnni" ? DotKind::Vnni : DotKind::Portable;
    Bf16Kind pairs = bf16 == "avx512" ? Bf16Kind::Avx512 : Bf16Kind::Portable;
    WalkResult result = getOperation()->walk([&](PrefillOp op) {
      if (!op.getResults().empty())
        return WalkResult::advance();
      PrefillRows rows(op);
      if (rows.dim + rows.valueDim > kMostColumns) {
        op.emitOpError() << "expected at most " << kMostColumns
                         << " columns of a key and a value together, but got "
                         << rows.dim + rows.valueDim;
        return WalkResult::interrupt();
      }
      OpBuilder builder(op);
      VectorBuilder v{builder, op->getLoc()};
      PrefillKernel(v, op, PrefillForm::of(op, kind, pairs),
                    vectorBits.getValue())
          .emit();
      op->erase();
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
