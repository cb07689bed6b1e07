//===- QLinearRowOps.cpp - verifiers of norms and gated activations -------===//

#include "dialects/QLinear/OpVerification.h"

using namespace mlir;
using namespace headrace::qlinear;

/// `eps` keeps the square root away from zero.
static LogicalResult expectEps(Operation *op, const APFloat &eps) {
  if (eps.isFinite() && !eps.isNegative())
    return success();
  SmallString<16> text;
  eps.toString(text);
  return op->emitOpError() << "expected eps to be finite and not negative, but "
                              "got "
                           << text;
}

LogicalResult RmsNormOp::verify() {
  if (failed(expectOneWorld(*this, getInit(), {getX(), getWeight()},
                            getResults().size())) ||
      failed(expectShapeOf(*this, "outs", getInit(), "x", getX())) ||
      failed(expectEps(*this, getEps())))
    return failure();
  return expectSize(*this, "a size of weight", lastDim(getX()),
                    lastDim(getWeight()), "the columns of x");
}

LogicalResult LayerNormOp::verify() {
  if (failed(expectOneWorld(*this, getInit(), {getX(), getWeight(), getBias()},
                            getResults().size())) ||
      failed(expectShapeOf(*this, "outs", getInit(), "x", getX())) ||
      failed(expectEps(*this, getEps())) ||
      failed(expectSize(*this, "a size of weight", lastDim(getX()),
                        lastDim(getWeight()), "the columns of x")))
    return failure();
  return expectSize(*this, "a size of bias", lastDim(getX()),
                    lastDim(getBias()), "the columns of x");
}

LogicalResult GatedActivationOp::verify() {
  if (failed(expectOneWorld(*this, getInit(), {getGate(), getUp()},
                            getResults().size())) ||
      failed(expectShapeOf(*this, "up", getUp(), "gate", getGate())))
    return failure();
  return expectShapeOf(*this, "outs", getInit(), "gate", getGate());
}
