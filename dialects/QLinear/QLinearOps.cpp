//===- QLinearOps.cpp - verifiers and folds -------------------------------===//

#include "dialects/QLinear/OpVerification.h"

using namespace mlir;
using namespace headrace::qlinear;

/// `32`, or `%i` for an offset that is known at run time only.
static ParseResult
parseRowOffset(OpAsmParser &parser,
               std::optional<OpAsmParser::UnresolvedOperand> &value,
               IntegerAttr &offset) {
  int64_t number = ShapedType::kDynamic;
  OpAsmParser::UnresolvedOperand operand;
  OptionalParseResult parsed = parser.parseOptionalOperand(operand);
  if (parsed.has_value()) {
    if (failed(*parsed))
      return failure();
    value = operand;
  } else if (parser.parseInteger(number)) {
    return failure();
  }
  offset = parser.getBuilder().getI64IntegerAttr(number);
  return success();
}

static void printRowOffset(OpAsmPrinter &printer, SliceOp, Value value,
                           IntegerAttr offset) {
  if (value)
    printer << value;
  else
    printer << offset.getInt();
}

#define GET_OP_CLASSES
#include "dialects/QLinear/QLinearOps.cpp.inc"

//===----------------------------------------------------------------------===//
// Storage
//===----------------------------------------------------------------------===//

static LogicalResult expectStorage(Operation *op, Type bytes,
                                   PackedType packed) {
  int64_t got = cast<ShapedType>(bytes).getDimSize(0);
  int64_t want = packed.getStorageBytes();
  if (got == want)
    return success();
  InFlightDiagnostic diag = op->emitOpError()
                            << "expected " << want << " bytes to store "
                            << packed << ", but got ";
  if (ShapedType::isDynamic(got))
    return diag << "a dynamic size; allowed: static shapes";
  return diag << got;
}

LogicalResult FromBytesOp::verify() {
  return expectStorage(*this, getBytes().getType(), getResult().getType());
}

OpFoldResult FromBytesOp::fold(FoldAdaptor) {
  auto source = getBytes().getDefiningOp<ToBytesOp>();
  if (source && source.getPacked().getType() == getResult().getType())
    return source.getPacked();
  return {};
}

LogicalResult ToBytesOp::verify() {
  return expectStorage(*this, getResult().getType(), getPacked().getType());
}

OpFoldResult ToBytesOp::fold(FoldAdaptor) {
  auto source = getPacked().getDefiningOp<FromBytesOp>();
  if (source && source.getBytes().getType() == getResult().getType())
    return source.getBytes();
  return {};
}

//===----------------------------------------------------------------------===//
// Quantize, dequantize
//===----------------------------------------------------------------------===//

PackedType QuantizeOp::getPackedType() {
  return cast<PackedType>(getResult() ? getResult().getType()
                                      : getDest().getType());
}

void QuantizeOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  if (!getDest())
    return;
  effects.emplace_back(MemoryEffects::Read::get(), &getXMutable(),
                       SideEffects::DefaultResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), &getDestMutable()[0],
                       SideEffects::DefaultResource::get());
}

LogicalResult QuantizeOp::verify() {
  if (!getDest() == !getResult())
    return emitOpError()
           << "expected either a destination (for a memref) or a result (for a "
              "tensor), but got "
           << (getDest() ? "both" : "neither");
  bool tensor = isa<TensorType>(getX().getType());
  if (tensor != static_cast<bool>(getResult()))
    return emitOpError() << "expected "
                         << (tensor ? "a result for a tensor x"
                                    : "a destination for a memref x");
  PackedType packed = getPackedType();
  if (!packed.getFormat().isActivationFormat())
    return emitOpError() << "expected an activation format, but got "
                         << packed.getFormat()
                         << "; allowed: #qlinear.act_i8 (weights are quantized "
                            "ahead of time)";
  auto type = shaped(getX());
  if (!type.hasStaticShape())
    return emitOpError() << "expected x of a static shape, but got " << type;
  int64_t rows = type.getRank() == 1 ? 1 : type.getDimSize(0);
  if (failed(expectSize(*this, "rows", rows, packed.getRows(), "those of x")))
    return failure();
  return expectSize(*this, "columns", type.getDimSize(type.getRank() - 1),
                    packed.getCols(), "those of x");
}

LogicalResult DequantizeOp::verify() {
  PackedType packed = getPacked().getType();
  auto init = shaped(getInit());
  if (failed(expectOneWorld(*this, getInit(), {}, getResults().size())) ||
      failed(expectSize(*this, "dimension 0 of outs", packed.getRows(),
                        init.getDimSize(0), "the rows of the matrix")))
    return failure();
  return expectSize(*this, "dimension 1 of outs", packed.getCols(),
                    init.getDimSize(1), "the columns of the matrix");
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

LogicalResult MatvecOp::verify() {
  PackedType weight = getWeight().getType();
  if (failed(expectWeight(*this, weight)) ||
      failed(expectOneWorld(*this, getInit(), getX(), getResults().size())) ||
      failed(expectActivations(*this, getX(), 1, weight.getCols())))
    return failure();
  return expectSize(*this, "a size of outs", weight.getRows(),
                    shaped(getInit()).getDimSize(0), "the rows of the weight");
}

LogicalResult MatmulOp::verify() {
  PackedType weight = getWeight().getType();
  auto init = shaped(getInit());
  if (init.isDynamicDim(0))
    return emitOpError() << "expected a static number of tokens, but got "
                         << init << "; allowed: static shapes";
  if (init.getDimSize(0) < 1)
    return emitOpError("expected at least one token, but got 0");
  if (failed(expectWeight(*this, weight)) ||
      failed(expectOneWorld(*this, getInit(), getX(), getResults().size())) ||
      failed(expectActivations(*this, getX(), init.getDimSize(0),
                               weight.getCols())))
    return failure();
  return expectSize(*this, "dimension 1 of outs", weight.getRows(),
                    init.getDimSize(1), "the rows of the weight");
}

LogicalResult GatedMatvecOp::verify() {
  PackedType gate = getGate().getType(), up = getUp().getType();
  if (gate.getRows() != up.getRows() || gate.getCols() != up.getCols())
    return emitOpError() << "expected gate and up of one shape, but got "
                         << gate.getRows() << "x" << gate.getCols() << " and "
                         << up.getRows() << "x" << up.getCols();
  if (failed(expectWeight(*this, gate)) || failed(expectWeight(*this, up)) ||
      failed(expectOneWorld(*this, getInit(), getX(), getResults().size())) ||
      failed(expectActivations(*this, getX(), 1, gate.getCols())))
    return failure();
  return expectSize(*this, "a size of outs", gate.getRows(),
                    shaped(getInit()).getDimSize(0), "the rows of the weights");
}
