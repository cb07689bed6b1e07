//===- LowerAppend.cpp - keys and values of new tokens by lanes -----------===//

#include "passes/simt/CacheNumbers.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTLOWERAPPEND
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace::simt;
using namespace headrace::qattn;
using headrace::common::KVPart;
using headrace::common::Slot;

namespace {

/// A head of some tokens by one subgroup. Lanes always have the same columns.
class AppendKernel {
public:
  AppendKernel(SimtBuilder &v, AppendKVOp op, Value bytes, int64_t width)
      : v(v), op(op), cache(op.getCache().getType()), numbers(v, cache, bytes),
        width(width),
        tokens(cast<MemRefType>(op.getK().getType()).getDimSize(0)) {}

  void emit() {
    Value id = gpu::BlockIdOp::create(v.b, v.loc, gpu::Dimension::x);
    lane = gpu::LaneIdOp::create(v.b, v.loc, IntegerAttr());
    head = v.named(v.rem(id, cache.getHeads()), "head");
    Value start = v.loadOne(op.getPosition(), v.index(0));
    if (cache.getLayout() == CacheLayout::Paged) {
      // A table may name a page twice: one token after the other.
      v.loop(v.index(0), v.index(tokens), 1, {},
             [&](Value token, ValueRange) -> SmallVector<Value> {
               append(start, token);
               return {};
             });
      return;
    }
    // Of tokens of the same slot of a ring, the last one stays.
    Value token = v.div(id, cache.getHeads());
    if (cache.getLayout() == CacheLayout::Ring)
      token = v.add(token, std::max<int64_t>(tokens - cache.getSlots(), 0));
    append(start, v.named(token, "token"));
  }

private:
  void append(Value start, Value token) {
    Slot slot = slotFrom(v, cache, op.getTable(), start, token);
    v.named(slot.index, "slot");
    when(v, slot.valid, [&] {
      store(op.getK(), token, slot.index, KVPart::Key);
      store(op.getV(), token, slot.index, KVPart::Value);
    });
  }

  Value load(Value from, Value token, Value column) {
    return memref::LoadOp::create(v.b, v.loc, from,
                                  ValueRange{token, head, column});
  }

  void store(Value from, Value token, Value slot, KVPart part) {
    Value scale;
    if (cache.hasScales()) {
      scale = headrace::common::scaleOf(v.b, v.loc,
                                        largestMagnitude(from, token), 127.0);
      v.named(scale, "scale");
      Value isFirst = arith::CmpIOp::create(
          v.b, v.loc, arith::CmpIPredicate::eq, lane, v.index(0));
      when(v, isFirst, [&] { numbers.storeScale(scale, part, slot, head); });
    }
    Value place = numbers.place(part, slot, head);
    overColumns({}, [&](Value column, ValueRange) -> SmallVector<Value> {
      Value number = load(from, token, column);
      if (scale)
        number = v.divf(number, scale);
      numbers.store(number, v.add(place, column));
      return {};
    });
  }

  /// As bits, which NaN is the largest of.
  Value largestMagnitude(Value from, Value token) {
    Value own = overColumns(
        v.constI32(0),
        [&](Value column, ValueRange carried) -> SmallVector<Value> {
          Value bits = arith::BitcastOp::create(v.b, v.loc, v.i32(),
                                                load(from, token, column));
          return {arith::MaxUIOp::create(v.b, v.loc, carried[0],
                                         v.andI(bits, 0x7FFFFFFF))};
        })[0];
    Value most = reduceLanes(v, own, gpu::AllReduceOperation::MAXUI);
    return arith::BitcastOp::create(v.b, v.loc, v.f32(), most);
  }

  SmallVector<Value>
  overColumns(ValueRange init,
              llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
    return v.loop(lane, v.index(cache.getDim()), width, init, body);
  }

  SimtBuilder &v;
  AppendKVOp op;
  KVCacheType cache;
  CacheNumbers numbers;
  int64_t width, tokens;
  Value lane, head;
};

LogicalResult lower(AppendKVOp op, int64_t width) {
  Value bytes = CacheNumbers::bytesOf(op, op.getCache());
  if (!bytes)
    return failure();
  FailureOr<int64_t> subgroups = workgroupSubgroups(op, width);
  if (failed(subgroups))
    return failure();
  if (*subgroups != 1)
    return op->emitOpError()
           << "expected 1 subgroup in a workgroup, but got " << *subgroups;
  OpBuilder builder(op);
  SimtBuilder v(builder, op->getLoc());
  AppendKernel(v, op, bytes, width).emit();
  op->erase();
  return success();
}

struct SimtLowerAppend
    : headrace::simt::impl::SimtLowerAppendBase<SimtLowerAppend> {
  using Base::Base;

  void runOnOperation() override {
    if (failed(lowerEach<AppendKVOp>(getOperation(), [&](AppendKVOp op) {
          return lower(op, subgroupWidth);
        })))
      signalPassFailure();
  }
};

} // namespace
