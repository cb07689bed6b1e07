//===- PrefillRows.cpp - what a workgroup of a prefill computes -----------===//

#include "passes/cpu/PrefillRows.h"

#include "passes/common/DecomposeQAttn.h"

using namespace mlir;
using namespace headrace::cpu;
using headrace::qattn::PrefillOp;

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<ShapedType>(value.getType()).getShape();
}

PrefillRows::PrefillRows(PrefillOp op)
    : groups(shapeOf(op.getK())[1]), shared(shapeOf(op.getQ())[1] / groups),
      count(shapeOf(op.getQ())[0] * shared) {}

SeenKeys::SeenKeys(VectorBuilder &v, PrefillOp op)
    : v(v), shared(PrefillRows(op).shared), keys(shapeOf(op.getK())[0]),
      causal(op.getMask() == qattn::Mask::Causal) {
  // A wider window is no other one, and sums with it do not overflow.
  constexpr uint64_t kWidest = uint64_t{1} << 60;
  if (op.getWindow())
    window = static_cast<int64_t>(std::min<uint64_t>(*op.getWindow(), kWidest));
  offset = op.getOffset() ? common::scalarIndex(v.b, v.loc, op.getOffset())
                          : v.index(0);
}

Value SeenKeys::clamp(Value key) const {
  Value above = arith::MaxSIOp::create(v.b, v.loc, key, v.index(0));
  return arith::MinSIOp::create(v.b, v.loc, above, v.index(keys));
}

std::pair<Value, Value> SeenKeys::operator()(Value row) const {
  Value query = arith::DivUIOp::create(v.b, v.loc, row, v.index(shared));
  Value token = v.add(query, offset);
  Value first = window ? clamp(v.add(token, 1 - *window)) : v.index(0);
  Value last = v.index(keys);
  if (causal)
    last = clamp(v.add(token, 1));
  else if (window)
    last = clamp(v.add(token, *window));
  return {first, last};
}
