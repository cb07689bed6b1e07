//===- QAttnMlaOps.cpp - verifiers of latent attention --------------------===//

#include "dialects/QAttn/Verification.h"

using namespace mlir;
using namespace headrace::qattn;

LogicalResult QuantizeKVOp::verify() {
  if (failed(expectOneWorld(*this, {getCodes(), getScale(), getScaledRope()},
                            {getContent(), getRope()}, getResults().size())) ||
      failed(expectStatic(*this, "content", getContent())) ||
      failed(expectStatic(*this, "rope", getRope())))
    return failure();
  ArrayRef<int64_t> content = shaped(getContent()).getShape();
  ArrayRef<int64_t> rope = shaped(getRope()).getShape();
  if (failed(expectSize(*this, "dimension 0 of rope", content[0], rope[0],
                        "the rows of content")) ||
      failed(expectShape(*this, "the first of outs", getCodes(), content,
                         "the shape of content")) ||
      failed(expectShape(*this, "the second of outs", getScale(), {content[0]},
                         "the rows of content")))
    return failure();
  return expectShape(*this, "the third of outs", getScaledRope(), rope,
                     "the shape of rope");
}

/// What a query of latent attention has in common in all its forms.
static LogicalResult verifyQuery(Operation *op, Value rope, int64_t heads,
                                 MlaCacheType cache, Value length, Value table,
                                 const APFloat &scale) {
  if (failed(expectOne(op, "length", length)) ||
      failed(expectTable(op, cache, table)) ||
      failed(expectFinite(op, "scale", scale)))
    return failure();
  return expectShape(op, "q_rope", rope, {heads, cache.getRope()},
                     "heads of q, rope of the cache");
}

LogicalResult MlaDecodeOp::verify() {
  MlaCacheType cache = getCache().getType();
  SmallVector<Value> inputs = {getQ(), getQRope(), getLength()};
  for (Value value : {getQScale(), getTable()})
    if (value)
      inputs.push_back(value);
  if (failed(expectOneWorld(*this, {getInit(), getLse()}, inputs,
                            getResults().size())) ||
      failed(expectStatic(*this, "q", getQ())))
    return failure();
  int64_t heads = shaped(getQ()).getDimSize(0);
  bool codes = shaped(getQ()).getElementType().isInteger(8);
  if (codes != static_cast<bool>(getQScale()))
    return emitOpError() << "expected q of " << (codes ? "f32" : "i8 codes")
                         << (codes ? " without" : " with")
                         << " q_scale, but got " << getQ().getType();
  if (codes && !cache.hasScales())
    return emitOpError() << "expected an fp8_e4m3 cache for a quantized q, but "
                            "got "
                         << cache;
  if (failed(verifyQuery(*this, getQRope(), heads, cache, getLength(),
                         getTable(), getScale())) ||
      failed(expectShape(*this, "q", getQ(), {heads, cache.getContent()},
                         "heads, content of the cache")) ||
      (codes && failed(expectShape(*this, "q_scale", getQScale(), {heads},
                                   "the heads of q"))))
    return failure();
  return expectDecodeOuts(*this, getInit(), getLse(), heads, cache.getContent(),
                          getSplits());
}

LogicalResult MlaAttentionOp::verify() {
  MlaCacheType cache = getCache().getType();
  SmallVector<Value> inputs = {getQ(), getQRope(), getWK(), getWV(),
                               getLength()};
  if (getTable())
    inputs.push_back(getTable());
  if (failed(expectOneWorld(*this, getInit(), inputs, getResults().size())) ||
      failed(expectStatic(*this, "q", getQ())) ||
      failed(expectStatic(*this, "w_v", getWV())))
    return failure();
  ArrayRef<int64_t> q = shaped(getQ()).getShape();
  int64_t values = shaped(getWV()).getDimSize(1);
  if (failed(verifyQuery(*this, getQRope(), q[0], cache, getLength(),
                         getTable(), getScale())) ||
      failed(expectShape(*this, "w_k", getWK(),
                         {q[0], q[1], cache.getContent()},
                         "heads and dimension of q, content of the cache")) ||
      failed(expectShape(*this, "w_v", getWV(),
                         {q[0], values, cache.getContent()},
                         "heads of q, values, content of the cache")))
    return failure();
  return expectShape(*this, "outs", getInit(), {q[0], values},
                     "heads of q, values of w_v");
}
