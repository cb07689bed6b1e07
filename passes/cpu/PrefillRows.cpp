//===- PrefillRows.cpp - what a workgroup of a prefill computes -----------===//

#include "passes/cpu/PrefillRows.h"

#include "passes/common/DecomposeQAttn.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qattn::PrefillOp;

/// Vectors of a part, which share each number of a key or value.
static constexpr int64_t kVectors = 4;
/// Parts share what is copied of keys and values, ...
static constexpr int64_t kMostParts = 8;
/// ... as long as their queries and sums, in numbers, stay in a second-level
/// cache ...
static constexpr int64_t kMostNumbers = 1 << 17;
/// ... and there is work for this many threads.
static constexpr int64_t kThreads = 32;

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

PrefillRows::PrefillRows(PrefillOp op)
    : heads(shapeOf(op.getK())[1]), shared(shapeOf(op.getQ())[1] / heads),
      count(shapeOf(op.getQ())[0] * shared), keys(shapeOf(op.getK())[0]),
      dim(shapeOf(op.getQ())[2]), valueDim(shapeOf(op.getV())[2]) {
  vectors = std::min<int64_t>(kVectors, llvm::divideCeil(count, kPrefillLanes));
  int64_t all = llvm::divideCeil(count, partRows());
  // Keys and values that are rounded, too, serve twice as many.
  int64_t more = op.getPrecision() ? 2 : 1;
  parts = std::min({more * kMostParts,
                    more * kMostNumbers / (partRows() * (dim + valueDim)),
                    all * heads / kThreads, all});
  // As even as that number of workgroups can be.
  int64_t groups = llvm::divideCeil(all, std::max<int64_t>(parts, 1));
  parts = llvm::divideCeil(all, groups);
}

SeenKeys::SeenKeys(VectorBuilder &v, PrefillOp op)
    : v(v), rows(op), causal(op.getMask() == qattn::Mask::Causal) {
  // A wider window is no other one, and sums with it do not overflow.
  constexpr uint64_t kWidest = uint64_t{1} << 60;
  if (op.getWindow())
    window = static_cast<int64_t>(std::min<uint64_t>(*op.getWindow(), kWidest));
  offset = op.getOffset() ? common::scalarIndex(v.b, v.loc, op.getOffset())
                          : v.index(0);
}

Value SeenKeys::clamp(Value key) const {
  Value above = arith::MaxSIOp::create(v.b, v.loc, key, v.index(0));
  return arith::MinSIOp::create(v.b, v.loc, above, v.index(rows.keys));
}

std::pair<Value, Value> SeenKeys::operator()(Value row) const {
  Value query = arith::DivUIOp::create(v.b, v.loc, row, v.index(rows.shared));
  Value token = v.add(query, offset);
  Value first = window ? clamp(v.add(token, 1 - *window)) : v.index(0);
  Value last = v.index(rows.keys);
  if (causal)
    last = clamp(v.add(token, 1));
  else if (window)
    last = clamp(v.add(token, *window));
  return {first, last};
}
