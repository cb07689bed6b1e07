//===- DataflowOps.cpp - syntax and verification of operations ------------===//

#include "dialects/Dataflow/Dataflow.h"
#include "dialects/Dataflow/Rates.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;
using namespace headrace::dataflow;

//===----------------------------------------------------------------------===//
// Syntax
//===----------------------------------------------------------------------===//

/// Parses `%element : memref<...> { ... }`: the window and what is done with
/// it.
static ParseResult parseWindow(OpAsmParser &parser, Type &stream,
                               Region &body) {
  OpAsmParser::Argument window;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseArgument(window, /*allowType=*/true))
    return failure();
  auto element = dyn_cast<MemRefType>(window.type);
  if (!element)
    return parser.emitError(loc)
           << "expected a memref as the window, but got " << window.type;
  stream = parser.getChecked<StreamType>(loc, parser.getContext(), element);
  if (!stream || parser.parseRegion(body, window))
    return failure();
  if (body.empty()) {
    body.emplaceBlock().addArgument(element, parser.getEncodedSourceLoc(loc));
  }
  return success();
}

static void printWindow(OpAsmPrinter &printer, Operation *, Type,
                        Region &body) {
  printer.printRegionArgument(body.getArgument(0));
  printer << ' ';
  printer.printRegion(body, /*printEntryBlockArgs=*/false);
}

#define GET_OP_CLASSES
#include "dialects/Dataflow/DataflowOps.cpp.inc"

//===----------------------------------------------------------------------===//
// graph
//===----------------------------------------------------------------------===//

void GraphOp::build(OpBuilder &builder, OperationState &state, StringRef name,
                    TypeRange memory) {
  state.addAttribute(getSymNameAttrName(state.name),
                     builder.getStringAttr(name));
  state.addAttribute(getFunctionTypeAttrName(state.name),
                     TypeAttr::get(builder.getFunctionType(memory, {})));
  Block &block = state.addRegion()->emplaceBlock();
  for (Type type : memory)
    block.addArgument(type, state.location);
}

ParseResult GraphOp::parse(OpAsmParser &parser, OperationState &result) {
  auto functionType = [](Builder &builder, ArrayRef<Type> arguments,
                         ArrayRef<Type> results,
                         function_interface_impl::VariadicFlag, std::string &) {
    return builder.getFunctionType(arguments, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false,
      getFunctionTypeAttrName(result.name), functionType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void GraphOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(
      printer, *this, /*isVariadic=*/false, getFunctionTypeAttrName(),
      getArgAttrsAttrName(), getResAttrsAttrName());
}

LogicalResult GraphOp::verifyType() {
  if (getFunctionType().getNumResults())
    return emitOpError() << "expected no results, but got "
                         << getFunctionType().getResults().front()
                         << "; write them to arguments by ports";
  for (Type type : getFunctionType().getInputs())
    if (!isa<MemRefType>(type))
      return emitOpError() << "expected arguments to be memrefs, but got "
                           << type;
  return success();
}

LogicalResult GraphOp::verifyRegions() {
  if (getBody().empty() || getBlock().empty())
    return emitOpError() << "expected streams and tasks, but got no body";
  for (Operation &op : getBlock())
    if (!isa<StreamOp, TaskOp, PortOp, BroadcastOp, DistributeOp, JoinOp>(op))
      return op.emitOpError()
             << "expected no such operation in a dataflow.graph; allowed: "
                "stream, task, port, broadcast, distribute and join";
  if (failed(verifyRates(*this)))
    return failure();
  return verifyDepths(*this);
}

//===----------------------------------------------------------------------===//
// task and its windows
//===----------------------------------------------------------------------===//

static LogicalResult verifyPlace(Operation *op,
                                 std::optional<ArrayRef<int64_t>> place) {
  if (place && llvm::any_of(*place, [](int64_t at) { return at < 0; }))
    return op->emitOpError()
           << "expected a place of column and row, but got [" << (*place)[0]
           << ", " << (*place)[1] << "]; allowed: numbers from 0 on";
  return success();
}

LogicalResult TaskOp::verify() { return verifyPlace(*this, getPlace()); }

LogicalResult TaskOp::verifyRegions() {
  WalkResult result = getBody().walk([&](Operation *op) {
    for (OpOperand &operand : op->getOpOperands())
      if (!getBody().isAncestor(operand.get().getParentRegion()) &&
          !isa<PopOp, PushOp>(op))
        return WalkResult(op->emitOpError()
                          << "expected values of task \"" << getName()
                          << "\" only, but got operand #"
                          << operand.getOperandNumber()
                          << " from outside; a task sees streams by "
                             "dataflow.pop and dataflow.push");
    return WalkResult::advance();
  });
  return failure(result.wasInterrupted());
}

/// A window must be in a task, with nothing but loops of constant bounds and
/// other windows around it.
template <typename Op> static LogicalResult verifyWindow(Op op) {
  Region &body = op.getBody();
  Type element = op.getStream().getType().getElement();
  if (body.getNumArguments() != 1 || body.getArgument(0).getType() != element)
    return op.emitOpError() << "expected a body with one argument, " << element;
  for (Operation *around = op->getParentOp(); !isa_and_nonnull<TaskOp>(around);
       around = around->getParentOp()) {
    if (isa_and_nonnull<scf::ForOp>(around)) {
      if (getTripCount(around))
        continue;
      return op.emitOpError()
             << "expected loops with constant bounds around it, but got bounds "
                "that are not known; then its rate is not known";
    }
    if (!isa_and_nonnull<PopOp, PushOp>(around)) {
      InFlightDiagnostic error =
          op.emitOpError() << "expected a dataflow.task, and in it scf.for, "
                              "dataflow.pop and dataflow.push around it, but "
                              "got ";
      return around ? error << around->getName() : error << "no task";
    }
    if (around->getOperand(0) == op.getStream())
      return op.emitOpError() << "expected one window at a time on a stream, "
                                 "but one is open around it";
  }
  return success();
}

LogicalResult PopOp::verify() { return verifyWindow(*this); }
LogicalResult PushOp::verify() { return verifyWindow(*this); }

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

int64_t PortOp::getElementCount() {
  int64_t count = getRepeat();
  for (int64_t size : getSizes())
    count *= size;
  return count / getStream().getType().getElement().getNumElements();
}

bool PortOp::isContiguous() {
  int64_t stride = 1;
  for (auto [size, step] :
       llvm::reverse(llvm::zip_equal(getSizes(), getStrides()))) {
    if (size > 1 && step != stride)
      return false;
    stride *= size;
  }
  return true;
}

LogicalResult PortOp::verify() {
  if (failed(verifyPlace(*this, getPlace())))
    return failure();
  auto memory = cast<MemRefType>(getMemory().getType());
  MemRefType element = getStream().getType().getElement();
  if (!memory.getLayout().isIdentity())
    return emitOpError() << "expected contiguous memory, but got " << memory;
  if (memory.getElementType() != element.getElementType())
    return emitOpError() << "expected a stream of " << memory.getElementType()
                         << ", as the memory has, but got elements of "
                         << element.getElementType();
  ArrayRef<int64_t> sizes = getSizes(), strides = getStrides();
  if (sizes.empty() || sizes.size() != strides.size())
    return emitOpError() << "expected as many sizes as strides, one at least, "
                            "but got "
                         << sizes.size() << " and " << strides.size();
  // Products stay below this, so that none overflows.
  constexpr int64_t kMost = int64_t(1) << 40;
  int64_t numbers = 1, last = getOffset();
  for (auto [size, stride] : llvm::zip_equal(sizes, strides)) {
    if (size < 1 || stride < 0 || size > kMost / numbers || stride > kMost)
      return emitOpError() << "expected sizes from 1 on, up to 2^40 together, "
                              "and strides from 0 to 2^40, but got size "
                           << size << " with stride " << stride;
    numbers *= size;
    last += (size - 1) * (stride < kMost / size ? stride : kMost);
  }
  if (static_cast<int64_t>(getRepeat()) > kMost / numbers)
    return emitOpError() << "expected at most 2^40 numbers in all, but got "
                         << getRepeat() << " times " << numbers;
  if (last >= memory.getNumElements())
    return emitOpError() << "expected numbers 0 to "
                         << memory.getNumElements() - 1
                         << " of the memory, but got number " << last;
  if (numbers % element.getNumElements())
    return emitOpError() << "expected whole elements of "
                         << element.getNumElements()
                         << " numbers, but got sizes that multiply to "
                         << numbers;
  return success();
}

/// An order must have each number of `element` once.
static LogicalResult verifyOrder(Operation *op, MemRefType element,
                                 std::optional<ArrayRef<int64_t>> sizes,
                                 std::optional<ArrayRef<int64_t>> strides) {
  if (!sizes && !strides)
    return success();
  if (!sizes || !strides || sizes->size() != strides->size())
    return op->emitOpError()
           << "expected an order with as many sizes as strides, but got "
           << (sizes ? sizes->size() : 0) << " and "
           << (strides ? strides->size() : 0);
  // From the smallest stride on, each must begin where the last one ends.
  SmallVector<std::pair<int64_t, int64_t>> dims;
  for (auto [size, stride] : llvm::zip_equal(*sizes, *strides))
    if (size != 1)
      dims.push_back({stride, size});
  llvm::sort(dims);
  int64_t numbers = 1, all = element.getNumElements();
  bool once = true;
  for (auto [stride, size] : dims) {
    once &= stride == numbers && size > 0 && size <= all / numbers;
    if (!once)
      break;
    numbers *= size;
  }
  if (once && numbers == all)
    return success();
  return op->emitOpError() << "expected an order that has each of the " << all
                           << " numbers of an element once, but got sizes ["
                           << *sizes << "] with strides [" << *strides << "]";
}

LogicalResult BroadcastOp::verify() {
  if (getOutputs().empty())
    return emitOpError() << "expected outputs, but got none";
  for (Type type : getOutputs().getTypes())
    if (type != getInput().getType())
      return emitOpError() << "expected outputs of " << getInput().getType()
                           << ", but got " << type;
  if (failed(verifyOrder(*this, getInput().getType().getElement(), getSizes(),
                         getStrides())))
    return failure();
  return verifyPlace(*this, getPlace());
}

/// The elements of `parts` must fill those of `whole`.
static LogicalResult verifyParts(Operation *op, TypeRange parts, Type whole) {
  MemRefType element = cast<StreamType>(whole).getElement();
  int64_t numbers = 0;
  for (Type type : parts) {
    MemRefType part = cast<StreamType>(type).getElement();
    if (part.getElementType() != element.getElementType())
      return op->emitOpError()
             << "expected parts of " << element.getElementType()
             << ", but got elements of " << part.getElementType();
    numbers += part.getNumElements();
  }
  if (numbers != element.getNumElements())
    return op->emitOpError()
           << "expected parts with " << element.getNumElements()
           << " numbers together, but got " << numbers;
  return success();
}

LogicalResult DistributeOp::verify() {
  if (failed(verifyPlace(*this, getPlace())))
    return failure();
  return verifyParts(*this, getOutputs().getTypes(), getInput().getType());
}

LogicalResult JoinOp::verify() {
  if (failed(verifyPlace(*this, getPlace())))
    return failure();
  for (Type input : getInputs().getTypes())
    if (failed(verifyOrder(*this, cast<StreamType>(input).getElement(),
                           getSizes(), getStrides())))
      return failure();
  return verifyParts(*this, getInputs().getTypes(), getOutput().getType());
}
