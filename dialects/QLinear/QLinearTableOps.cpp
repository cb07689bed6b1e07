//===- QLinearTableOps.cpp - verifiers of products by table lookup --------===//

#include "dialects/QLinear/OpVerification.h"

using namespace mlir;
using namespace headrace::qlinear;

/// The weight's format if it has product tables, else an error.
static FailureOr<CodebookFormatAttr> expectTables(Operation *op,
                                                  PackedType weight) {
  auto format = dyn_cast<CodebookFormatAttr>(weight.getFormat());
  if (format && format.hasTables())
    return format;
  return op->emitOpError()
         << "expected a weight with product tables, but got "
         << weight.getFormat()
         << "; allowed: #qlinear.codebook with table = i8 or i4";
}

/// `value` and `like` are both vectors, or both have the same number of rows.
static LogicalResult expectSameRows(Operation *op, StringRef what, Value value,
                                    StringRef likeName, Value like) {
  ShapedType got = shaped(value), want = shaped(like);
  if (want.getRank() != got.getRank())
    return op->emitOpError() << "expected " << what << " of the rank of "
                             << likeName << ", " << want << ", but got " << got;
  if (want.getRank() == 1)
    return success();
  if (want.isDynamicDim(0))
    return op->emitOpError()
           << "expected " << likeName << " of a static shape, but got " << want;
  return expectSize(op, ("dimension 0 of " + what).str(), want.getDimSize(0),
                    got.getDimSize(0), "the rows of " + likeName);
}

LogicalResult AssignCentroidsOp::verify() {
  PackedType weight = getWeight().getType();
  FailureOr<CodebookFormatAttr> format = expectTables(*this, weight);
  if (failed(format) ||
      failed(expectOneWorld(*this, getInit(), getX(), getResults().size())) ||
      failed(expectSize(*this, "columns of x", weight.getCols(),
                        lastDim(getX()), "the columns of the weight")) ||
      failed(expectSameRows(*this, "outs", getInit(), "x", getX())))
    return failure();
  return expectSize(*this, "pieces in outs",
                    weight.getPaddedCols() / format->getDim(),
                    lastDim(getInit()), "the padded columns by dim");
}

LogicalResult LutMatvecOp::verify() {
  PackedType weight = getWeight().getType();
  FailureOr<CodebookFormatAttr> format = expectTables(*this, weight);
  if (failed(format) ||
      failed(expectOneWorld(*this, getInit(), getAssignment(),
                            getResults().size())) ||
      failed(expectSize(*this, "pieces in the assignment",
                        weight.getPaddedCols() / format->getDim(),
                        lastDim(getAssignment()),
                        "the padded columns by dim")) ||
      failed(expectSameRows(*this, "outs", getInit(), "the assignment",
                            getAssignment())))
    return failure();
  return expectSize(*this, "columns of outs", weight.getRows(),
                    lastDim(getInit()), "the rows of the weight");
}
