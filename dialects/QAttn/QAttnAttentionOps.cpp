//===- QAttnAttentionOps.cpp - verifiers of attention and positions -------===//

#include "dialects/QAttn/Verification.h"

using namespace mlir;
using namespace headrace::qattn;

LogicalResult PrefillOp::verify() {
  size_t outs = getInits().size();
  if (outs != 1 && outs != 2)
    return emitOpError() << "expected one or two outs (the result, and the "
                            "logarithm of the sum of exponentials), but got "
                         << outs;
  SmallVector<Value> inputs = {getQ(), getK(), getV()};
  if (getOffset())
    inputs.push_back(getOffset());
  if (failed(expectOneWorld(*this, getInits(), inputs, getResults().size())) ||
      failed(expectStatic(*this, "q", getQ())) ||
      failed(expectStatic(*this, "k", getK())) ||
      failed(expectStatic(*this, "v", getV())) ||
      failed(expectFinite(*this, "scale", getScale())) ||
      failed(expectWindowAndCap(*this, getWindow(), getSoftcap())) ||
      (getOffset() && failed(expectOne(*this, "offset", getOffset()))))
    return failure();
  ArrayRef<int64_t> q = shaped(getQ()).getShape();
  ArrayRef<int64_t> k = shaped(getK()).getShape();
  ArrayRef<int64_t> v = shaped(getV()).getShape();
  if (failed(expectSize(*this, "dimension 2 of k", q[2], k[2],
                        "the dimension of a head of q")) ||
      failed(expectGroups(*this, q[1], k[1])) ||
      failed(expectSize(*this, "dimension 0 of v", k[0], v[0],
                        "the tokens of k")) ||
      failed(expectSize(*this, "dimension 1 of v", k[1], v[1],
                        "the heads of k")) ||
      failed(expectShape(*this, "the first of outs", getInits()[0],
                         {q[0], q[1], v[2]},
                         "tokens and heads of q, dimension of v")))
    return failure();
  if (outs == 1)
    return success();
  return expectShape(*this, "the second of outs", getInits()[1], {q[0], q[1]},
                     "tokens and heads of q");
}

LogicalResult DecodeOp::verify() {
  KVCacheType cache = getCache().getType();
  SmallVector<Value> inputs = {getQ(), getLength()};
  if (getTable())
    inputs.push_back(getTable());
  if (failed(expectOneWorld(*this, {getInit(), getLse()}, inputs,
                            getResults().size())) ||
      failed(expectStatic(*this, "q", getQ())) ||
      failed(expectOne(*this, "length", getLength())) ||
      failed(expectTable(*this, cache, getTable())) ||
      failed(expectFinite(*this, "scale", getScale())) ||
      failed(expectWindowAndCap(*this, getWindow(), getSoftcap())))
    return failure();
  ArrayRef<int64_t> q = shaped(getQ()).getShape();
  if (failed(expectSize(*this, "dimension 1 of q", cache.getDim(), q[1],
                        "the dimension of a head of the cache")) ||
      failed(expectGroups(*this, q[0], cache.getHeads())))
    return failure();
  return expectDecodeOuts(*this, getInit(), getLse(), q[0], cache.getDim(),
                          getSplits());
}

LogicalResult MergePartialsOp::verify() {
  if (failed(expectOneWorld(*this, {getInit(), getLse()},
                            {getPartials(), getLses()}, getResults().size())) ||
      failed(expectStatic(*this, "partials", getPartials())))
    return failure();
  ArrayRef<int64_t> parts = shaped(getPartials()).getShape();
  if (failed(expectShape(*this, "lses", getLses(), parts.drop_back(),
                         "parts and heads of partials")) ||
      failed(expectShape(*this, "the first of outs", getInit(),
                         parts.drop_front(), "partials without the parts")))
    return failure();
  return expectShape(*this, "the second of outs", getLse(),
                     parts.drop_front().drop_back(), "the heads of partials");
}

LogicalResult RopeOp::verify() {
  if (failed(expectOneWorld(*this, getInit(),
                            {getX(), getPositions(), getFrequencies()},
                            getResults().size())) ||
      failed(expectStatic(*this, "x", getX())) ||
      failed(expectStatic(*this, "frequencies", getFrequencies())) ||
      (getMagnitude() &&
       failed(expectFinite(*this, "magnitude", *getMagnitude()))))
    return failure();
  ArrayRef<int64_t> x = shaped(getX()).getShape();
  int64_t pairs = shaped(getFrequencies()).getDimSize(0);
  if (failed(expectShape(*this, "positions", getPositions(), {x[0]},
                         "the tokens of x")))
    return failure();
  if (pairs > x[2] / 2)
    return emitOpError() << "expected at most " << x[2] / 2
                         << " frequencies, one for each pair of the " << x[2]
                         << " values of a head, but got " << pairs;
  return expectShape(*this, "outs", getInit(), x, "the shape of x");
}
