//===- SharedSoftmax.cpp - one softmax from those of subgroups ------------===//

#include "passes/simt/SharedSoftmax.h"

#include "passes/simt/Workgroup.h"

#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace headrace::simt;

SharedSoftmax::SharedSoftmax(SimtBuilder &v, const DecodeTile &tile,
                             int64_t dim)
    : v(v), subgroups(tile.subgroups) {
  auto shared = [&](ArrayRef<int64_t> shape, StringRef name) {
    return v.named(sharedMemory(v, shape, v.f32()), name);
  };
  bases = shared({subgroups, tile.heads()}, "bases");
  totals = shared({subgroups, tile.heads()}, "totals");
  sums = shared({subgroups, tile.heads(), dim}, "sums");
}

void SharedSoftmax::store(const LaneSoftmax &softmax, Value subgroup,
                          Value head, Value columnLane, CacheColumns &columns) {
  Value isFirst = arith::CmpIOp::create(v.b, v.loc, arith::CmpIPredicate::eq,
                                        columnLane, v.index(0));
  when(v, isFirst, [&] {
    SmallVector<Value> at{subgroup, head};
    memref::StoreOp::create(v.b, v.loc, softmax.base, bases, at);
    memref::StoreOp::create(v.b, v.loc, softmax.total, totals, at);
  });
  for (int64_t number = 0; number < columns.vectors(); ++number) {
    auto write = [&] {
      vector::StoreOp::create(
          v.b, v.loc, softmax.sums[number], sums,
          ValueRange{subgroup, head, columns.column(number)},
          /*nontemporal=*/false, llvm::MaybeAlign(4 * columns.width()));
    };
    if (Value exists = columns.exists(number))
      when(v, exists, write);
    else
      write();
  }
}

SharedSoftmax::Merged SharedSoftmax::merge(Value head, Value column) {
  auto load = [&](Value memref, ValueRange at) -> Value {
    return memref::LoadOp::create(v.b, v.loc, memref, at);
  };
  SmallVector<Value> own;
  Merged merged;
  for (int64_t i = 0; i < subgroups; ++i) {
    own.push_back(load(bases, {v.index(i), head}));
    merged.base = i ? larger(v, merged.base, own[i]) : own[i];
  }
  v.named(merged.base, "largest");
  merged.total = v.constF(0);
  Value sum = v.constF(0);
  for (int64_t i = 0; i < subgroups; ++i) {
    Value keep = v.named(exp2(v, v.subf(own[i], merged.base)), "keep");
    Value number = v.index(i);
    merged.total = v.fma(load(totals, {number, head}), keep, merged.total);
    sum = v.fma(load(sums, {number, head, column}), keep, sum);
  }
  v.named(merged.total, "total");
  merged.nothing = arith::CmpFOp::create(v.b, v.loc, arith::CmpFPredicate::OEQ,
                                         merged.total, v.constF(0));
  v.named(merged.nothing, "nothing");
  merged.mean =
      v.select(merged.nothing, v.constF(0), v.divf(sum, merged.total));
  return merged;
}

Value SharedSoftmax::logarithm(const Merged &merged) {
  Value log = math::Log2Op::create(v.b, v.loc, merged.total);
  Value natural =
      v.mulf(v.addf(merged.base, log), v.constF(llvm::numbers::ln2));
  return v.select(merged.nothing,
                  v.constF(-std::numeric_limits<double>::infinity()), natural);
}
