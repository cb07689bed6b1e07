//===- AIEHostOps.cpp - what the host runs --------------------------------===//

#include "dialects/AIE/AIE.h"

using namespace mlir;
using namespace headrace::aie;

//===----------------------------------------------------------------------===//
// RuntimeSequenceOp
//===----------------------------------------------------------------------===//

ParseResult RuntimeSequenceOp::parse(OpAsmParser &parser,
                                     OperationState &result) {
  StringAttr name;
  (void)parser.parseOptionalSymbolName(name, getSymNameAttrName(result.name),
                                       result.attributes);
  SmallVector<OpAsmParser::Argument> arguments;
  if (parser.parseArgumentList(arguments, OpAsmParser::Delimiter::Paren,
                               /*allowType=*/true))
    return failure();
  Region *body = result.addRegion();
  if (parser.parseRegion(*body, arguments) ||
      parser.parseOptionalAttrDict(result.attributes))
    return failure();
  if (body->empty()) { // no operation: its arguments are there all the same
    Block &block = body->emplaceBlock();
    for (const OpAsmParser::Argument &argument : arguments)
      block.addArgument(argument.type,
                        parser.getEncodedSourceLoc(argument.ssaName.location));
  }
  return success();
}

void RuntimeSequenceOp::print(OpAsmPrinter &printer) {
  if (std::optional<StringRef> name = getSymName()) {
    printer << " ";
    printer.printSymbolName(*name);
  }
  printer << "(";
  llvm::interleaveComma(getBody().getArguments(), printer, [&](Value argument) {
    printer.printRegionArgument(cast<BlockArgument>(argument));
  });
  printer << ") ";
  printer.printRegion(getBody(), /*printEntryBlockArgs=*/false);
  printer.printOptionalAttrDict((*this)->getAttrs(), {getSymNameAttrName()});
}

LogicalResult RuntimeSequenceOp::verifyRegions() {
  for (BlockArgument argument : getBody().getArguments()) {
    auto type = dyn_cast<MemRefType>(argument.getType());
    if (!type || !type.hasStaticShape() || !type.getLayout().isIdentity() ||
        !type.getElementType().isIntOrFloat())
      return emitOpError("expected memrefs of static shape as arguments, but "
                         "argument ")
             << argument.getArgNumber() << " is " << argument.getType();
  }
  return success();
}

//===----------------------------------------------------------------------===//
// DmaBdOp
//===----------------------------------------------------------------------===//

ParseResult DmaBdOp::parse(OpAsmParser &parser, OperationState &result) {
  OpAsmParser::UnresolvedOperand buffer;
  Type type;
  if (parser.parseLParen() || parser.parseOperand(buffer) ||
      parser.parseColonType(type) ||
      parser.resolveOperand(buffer, type, result.operands))
    return failure();
  IntegerType number = parser.getBuilder().getI32Type();
  IntegerAttr offset, length;
  DimsAttr dims;
  if (succeeded(parser.parseOptionalComma()) &&
      (parser.parseAttribute(offset, number, getOffsetAttrName(result.name),
                             result.attributes) ||
       parser.parseComma() ||
       parser.parseAttribute(length, number, getLenAttrName(result.name),
                             result.attributes)))
    return failure();
  if (length && succeeded(parser.parseOptionalComma())) {
    dims = dyn_cast_or_null<DimsAttr>(DimsAttr::parse(parser, Type()));
    if (!dims)
      return failure();
    result.addAttribute(getDimensionsAttrName(result.name), dims);
  }
  return failure(parser.parseRParen() ||
                 parser.parseOptionalAttrDict(result.attributes));
}

void DmaBdOp::print(OpAsmPrinter &printer) {
  printer << "(" << getBuffer() << " : " << getBuffer().getType();
  // Text without a length stands for all of the buffer.
  if (getLen() || getOffset() != 0 || getDimensions()) {
    printer << ", " << getOffset() << ", " << getLength();
    if (getDimensions()) {
      printer << ", ";
      getDimensionsAttr().print(printer);
    }
  }
  printer << ")";
  printer.printOptionalAttrDict(
      (*this)->getAttrs(),
      {getOffsetAttrName(), getLenAttrName(), getDimensionsAttrName()});
}

int64_t DmaBdOp::getLength() {
  return getLen() ? static_cast<int64_t>(*getLen())
                  : getBufferType().getNumElements() - getOffset();
}

LogicalResult DmaBdOp::verify() {
  Operation *task = (*this)->getParentOp();
  if (!task || task->getName().getStringRef() != "aiex.dma_configure_task_for")
    return emitOpError("expected aiex.dma_configure_task_for around it");
  auto argument = dyn_cast<BlockArgument>(getBuffer());
  if (!argument || !isa<RuntimeSequenceOp>(argument.getOwner()->getParentOp()))
    return emitOpError("expected an argument of the runtime sequence");
  if (getLength() <= 0)
    return emitOpError("expected an offset within its buffer of ")
           << getBufferType().getNumElements() << " elements, but got "
           << getOffset();
  return success();
}
