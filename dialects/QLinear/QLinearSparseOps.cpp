//===- QLinearSparseOps.cpp - verifiers of products with some columns -----===//

#include "dialects/QLinear/OpVerification.h"

using namespace mlir;
using namespace headrace::qlinear;

LogicalResult SelectColumnsOp::verify() {
  Value inits[] = {getIndices(), getCount()};
  if (failed(expectOneWorld(*this, inits, getX(), getResults().size())))
    return failure();
  ShapedType x = shaped(getX());
  if (!x.hasStaticShape())
    return emitOpError() << "expected x of a static shape, but got " << x;
  APFloat threshold = getThreshold();
  if (!threshold.isFinite() || threshold.isNegative()) {
    SmallString<16> text;
    threshold.toString(text);
    return emitOpError()
           << "expected a threshold that is finite and not negative, but got "
           << text;
  }
  if (failed(expectSize(*this, "a size of indices", x.getDimSize(0),
                        lastDim(getIndices()), "the size of x")))
    return failure();
  return expectSize(*this, "a size of count", 1, lastDim(getCount()),
                    "it is one number");
}

LogicalResult SparseMatvecOp::verify() {
  PackedType weight = getWeight().getType();
  if (failed(expectWeight(*this, weight)) ||
      failed(expectOneWorld(*this, getInit(),
                            {getX(), getIndices(), getCount()},
                            getResults().size())) ||
      failed(expectActivations(*this, getX(), 1, weight.getCols())))
    return failure();
  if (shaped(getIndices()).isDynamicDim(0))
    return emitOpError() << "expected indices of a static shape, but got "
                         << getIndices().getType();
  if (failed(expectSize(*this, "a size of count", 1, lastDim(getCount()),
                        "it is one number")))
    return failure();
  return expectSize(*this, "a size of outs", weight.getRows(),
                    lastDim(getInit()), "the rows of the weight");
}
