//===- FormKernels.cpp - operations to kernels, functions to plans --------===//

#include "passes/common/FormKernels.h"

#include "dialects/QAttn/QAttn.h"
#include "dialects/QLinear/QLinear.h"
#include "passes/common/DescribeKernel.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

using namespace mlir;
using namespace headrace;
using namespace headrace::common;
using namespace headrace::qlinear;
using namespace headrace::qattn;

MemRefType headrace::common::bufferType(Type type) {
  auto bytes = [&](int64_t size) {
    return MemRefType::get({size}, IntegerType::get(type.getContext(), 8));
  };
  if (auto packed = dyn_cast<PackedType>(type))
    return bytes(packed.getStorageBytes());
  if (isa<qattn::KVCacheType, qattn::MlaCacheType>(type))
    return bytes(qattn::geometryOf(type).storageBytes);
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return {};
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

namespace {

/// Transient buffers are aligned for the widest vectors.
constexpr int64_t kBufferAlignment = 64;

/// The cache that `op` appends to, or null if it is no such operation.
Value appendedCache(Operation *op) {
  if (auto append = dyn_cast_or_null<AppendKVOp>(op))
    return append.getCache();
  if (auto append = dyn_cast_or_null<AppendMlaOp>(op))
    return append.getCache();
  return {};
}

/// The type of the packed matrix that `op` makes, which its kernel writes
/// through a view behind the other operands; null if it makes none.
PackedType packedResult(Operation *op) {
  if (isa_and_nonnull<QuantizeOp, RepackOp>(op))
    return cast<PackedType>(op->getResult(0).getType());
  return {};
}

/// What has the bytes that `value` is a view of.
Value viewed(Value value) {
  while (Operation *op = value.getDefiningOp()) {
    if (!isa<FromBytesOp, ToBytesOp>(op))
      break;
    value = op->getOperand(0);
  }
  return value;
}

/// The argument of the function that `value` is, after it was appended to; null
/// for other values.
BlockArgument updatedArgument(Value value) {
  bool appended = false;
  while (Operation *op = value.getDefiningOp()) {
    if (Value cache = appendedCache(op)) {
      appended = true;
      value = cache;
    } else if (isa<CacheFromBytesOp, CacheToBytesOp>(op)) {
      value = op->getOperand(0);
    } else {
      return {};
    }
  }
  return appended ? cast<BlockArgument>(value) : BlockArgument();
}

/// Builds the plan of one function.
class PlanBuilder {
public:
  PlanBuilder(func::FuncOp source, const KernelTarget &target,
              SymbolTable &symbols,
              llvm::MapVector<Attribute, func::FuncOp> &kernels)
      : source(source), target(target), symbols(symbols), kernels(kernels),
        builder(source.getContext()) {}

  LogicalResult build();

private:
  LogicalResult createPlan();
  LogicalResult convert(Operation &op);
  LogicalResult launch(Operation &op);
  func::FuncOp kernelFor(Operation &op, TypeRange buffers,
                         const KernelInfo &info);
  LogicalResult checkLastUse(Operation &append, Value cache);
  Value destination(Value result, Location loc);

  func::FuncOp source, plan;
  const KernelTarget &target;
  SymbolTable &symbols;
  llvm::MapVector<Attribute, func::FuncOp> &kernels;
  OpBuilder builder;
  DenseMap<Value, Value> buffers;       // value of the source to its buffer
  DenseMap<Value, Value> resultBuffers; // returned values to result arguments
};

LogicalResult PlanBuilder::createPlan() {
  if (!source.getBody().hasOneBlock())
    return source.emitOpError()
           << target.pass << ": expected one block, but got control flow";
  auto ret = cast<func::ReturnOp>(source.getBody().front().getTerminator());
  SmallVector<Type> types;
  for (Type type : source.getArgumentTypes()) {
    types.push_back(bufferType(type));
    if (!types.back())
      return source.emitOpError()
             << target.pass
             << ": expected arguments of static tensors or packed types, but "
                "got "
             << type;
  }
  // Caches are updated where they lie: the argument, not a result, has them.
  SmallVector<OpOperand *> results;
  SmallVector<std::pair<BlockArgument, int64_t>> updated;
  for (OpOperand &operand : ret->getOpOperands()) {
    Value result = operand.get();
    if (auto argument = updatedArgument(result)) {
      updated.push_back({argument, operand.getOperandNumber()});
      continue;
    }
    results.push_back(&operand);
    types.push_back(bufferType(result.getType()));
    if (!types.back())
      return ret.emitOpError()
             << target.pass
             << ": expected results of static tensors or packed types, but got "
             << result.getType();
  }
  builder.setInsertionPoint(source);
  plan = func::FuncOp::create(builder, source.getLoc(), source.getName(),
                              builder.getFunctionType(types, {}));
  plan->setAttr(kPlanAttr, builder.getUnitAttr());
  SmallVector<int64_t> numbers;
  for (OpOperand *operand : results)
    numbers.push_back(operand->getOperandNumber());
  plan->setAttr(kOutputsAttr, builder.getDenseI64ArrayAttr(numbers));
  for (unsigned i = 0, e = source.getNumArguments(); i < e; ++i)
    if (auto attrs = source.getArgAttrDict(i))
      plan.setArgAttrs(i, attrs);
  for (auto [argument, result] : updated)
    plan.setArgAttr(argument.getArgNumber(), kUpdatedAttr,
                    builder.getI64IntegerAttr(result));
  Block *body = plan.addEntryBlock();
  builder.setInsertionPointToStart(body);
  for (auto [from, to] : llvm::zip(source.getArguments(), body->getArguments()))
    buffers[from] = to;
  for (auto [i, operand] : llvm::enumerate(results)) {
    Value argument = body->getArgument(source.getNumArguments() + i);
    Value result = viewed(operand->get());
    bool fresh = resultBuffers.try_emplace(result, argument).second;
    Operation *producer = result.getDefiningOp();
    if (!fresh || !(isa_and_nonnull<DestinationStyleOpInterface>(producer) ||
                    packedResult(producer)))
      return ret.emitOpError()
             << target.pass
             << ": expected each result to be computed by an operation of its "
                "own, but result #"
             << operand->getOperandNumber()
             << (fresh ? " is not computed here" : " is returned twice");
  }
  return success();
}

Value PlanBuilder::destination(Value result, Location loc) {
  if (Value argument = resultBuffers.lookup(result))
    return argument;
  return memref::AllocOp::create(builder, loc, bufferType(result.getType()),
                                 builder.getI64IntegerAttr(kBufferAlignment));
}

/// The kernel of `op` on `buffers`; equal operations get the same one.
func::FuncOp PlanBuilder::kernelFor(Operation &op, TypeRange types,
                                    const KernelInfo &info) {
  SmallVector<Attribute> parts{builder.getStringAttr(info.name)};
  for (Type type : op.getOperandTypes())
    parts.push_back(TypeAttr::get(type));
  parts.push_back(op.getAttrDictionary());
  Attribute key = builder.getArrayAttr(parts);
  if (func::FuncOp known = kernels.lookup(key))
    return known;

  OpBuilder b(op.getContext());
  Location loc = op.getLoc();
  auto kernel =
      func::FuncOp::create(loc, info.name, b.getFunctionType(types, {}));
  kernel.setPrivate();
  SmallVector<int64_t> elementBytes;
  for (Type type : types)
    elementBytes.push_back(
        llvm::divideCeil(cast<MemRefType>(type).getElementTypeBitWidth(), 8));
  SmallVector<NamedAttribute> attributes(info.attributes);
  attributes.push_back(
      b.getNamedAttr(kElementBytes, b.getDenseI64ArrayAttr(elementBytes)));
  kernel->setAttr(kKernelAttr, b.getDictionaryAttr(attributes));
  Block *body = kernel.addEntryBlock();
  b.setInsertionPointToStart(body);
  SmallVector<Value> operands;
  SmallVector<Type> sourceTypes(op.getOperandTypes());
  if (PackedType packed = packedResult(&op))
    sourceTypes.push_back(packed);
  for (auto [type, argument] : llvm::zip(sourceTypes, body->getArguments())) {
    if (isa<PackedType>(type))
      operands.push_back(FromBytesOp::create(b, loc, type, argument));
    else if (isa<KVCacheType, MlaCacheType>(type))
      operands.push_back(CacheFromBytesOp::create(b, loc, type, argument));
    else
      operands.push_back(argument);
  }
  OperationState state(loc, op.getName(), operands, TypeRange{}, op.getAttrs());
  state.propertiesAttr = op.getPropertiesAsAttribute();
  b.create(state);
  func::ReturnOp::create(b, loc);
  symbols.insert(kernel);
  kernels[key] = kernel;
  return kernel;
}

/// What was appended to is gone: the new cache has its memory.
LogicalResult PlanBuilder::checkLastUse(Operation &append, Value cache) {
  for (Operation *user : cache.getUsers())
    if (user != &append && append.isBeforeInBlock(user))
      return user->emitOpError()
                 .append("uses a cache that was appended to")
                 .attachNote(append.getLoc())
             << "appended to here; expected uses of what this yields";
  return success();
}

LogicalResult PlanBuilder::launch(Operation &op) {
  SmallVector<Value> operands;
  auto dps = dyn_cast<DestinationStyleOpInterface>(op);
  for (OpOperand &operand : op.getOpOperands()) {
    // What an init held is never read, so its buffer does not matter. By
    // operand, not by value: an input may be the same value.
    if (dps && dps.isDpsInit(&operand)) {
      Value result = dps.getTiedOpResult(&operand);
      buffers[result] = destination(result, op.getLoc());
      operands.push_back(buffers[result]);
    } else {
      operands.push_back(buffers.lookup(operand.get()));
    }
    if (!operands.back())
      return op.emitOpError()
             << target.pass
             << ": expected operands that are arguments or results of qlinear "
                "operations";
  }
  if (Value cache = appendedCache(&op)) {
    if (failed(checkLastUse(op, cache)))
      return failure();
    buffers[op.getResult(0)] = buffers.lookup(cache);
  } else if (packedResult(&op)) {
    operands.push_back(destination(op.getResult(0), op.getLoc()));
    buffers[op.getResult(0)] = operands.back();
  }
  FailureOr<KernelShape> shape = target.shapeOf(&op);
  if (failed(shape))
    return failure();
  FailureOr<KernelInfo> info = describeKernel(&op, *shape);
  if (failed(info))
    return failure();
  func::FuncOp kernel = kernelFor(op, ValueRange(operands).getTypes(), *info);
  auto call = func::CallOp::create(builder, op.getLoc(), kernel, operands);
  call->setAttr(kGridAttr,
                builder.getDenseI64ArrayAttr({info->workgroups, 1, 1}));
  return success();
}

LogicalResult PlanBuilder::convert(Operation &op) {
  if (isa<tensor::EmptyOp, func::ReturnOp>(op))
    return success();
  if (isa<FromBytesOp, ToBytesOp, CacheFromBytesOp, CacheToBytesOp>(op)) {
    buffers[op.getResult(0)] = buffers.lookup(op.getOperand(0));
    return success();
  }
  if (auto slice = dyn_cast<SliceOp>(op)) {
    std::optional<int64_t> first =
        getConstantIntValue(slice.getByteOffset(builder));
    if (!first || slice.getPacked().getType().getHeaderBytes())
      return op.emitOpError() << "expected a range of the bytes that is known, "
                                 "but got "
                              << (first ? "a format with a header"
                                        : "an offset known at run time");
    Value offset = arith::ConstantIndexOp::create(builder, op.getLoc(), *first);
    buffers[slice.getResult()] = memref::ViewOp::create(
        builder, op.getLoc(), bufferType(slice.getResult().getType()),
        buffers.lookup(slice.getPacked()), offset, ValueRange{});
    return success();
  }
  if (target.hasKernel(&op))
    return launch(op);
  return op.emitOpError()
         << "cannot be part of a " << target.name
         << " plan; allowed: qlinear and qattn "
            "operations with kernels, tensor.empty; whole programs go through "
            "headrace.interop.iree";
}

LogicalResult PlanBuilder::build() {
  if (failed(createPlan()))
    return failure();
  for (Operation &op : source.getBody().front())
    if (failed(convert(op)))
      return failure();
  func::ReturnOp::create(builder, source.getLoc());
  return success();
}

} // namespace

LogicalResult headrace::common::formKernels(ModuleOp module,
                                            const KernelTarget &target) {
  SymbolTable symbols(module);
  llvm::MapVector<Attribute, func::FuncOp> kernels;
  for (auto function :
       llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
    if (function.isExternal() || function.isPrivate() ||
        function->hasAttr(kPlanAttr))
      continue;
    if (failed(PlanBuilder(function, target, symbols, kernels).build()))
      return failure();
    function.erase();
  }
  return success();
}
