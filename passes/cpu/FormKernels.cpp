//===- FormKernels.cpp - operations to kernels, functions to plans --------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/cpu/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/SymbolTable.h"
#include "llvm/ADT/MapVector.h"

namespace headrace::cpu {
#define GEN_PASS_DEF_CPUFORMKERNELS
#include "passes/cpu/Passes.h.inc"
} // namespace headrace::cpu

using namespace mlir;
using namespace headrace::cpu;
using namespace headrace::qlinear;

namespace {

/// Transient buffers are aligned for the widest vectors.
constexpr int64_t kBufferAlignment = 64;

/// Rows of a workgroup: enough work to hide a launch, few enough to balance
/// two threads on small matrices; a multiple of every format's block height.
constexpr int64_t kRowsPerWorkgroup = 32;

/// What a kernel computes and costs, and over how many workgroups it runs.
struct KernelInfo {
  std::string name;
  SmallVector<NamedAttribute> attributes;
  int64_t workgroups = 1;
};

MemRefType bytesType(PackedType type) {
  return MemRefType::get({type.getStorageBytes()},
                         IntegerType::get(type.getContext(), 8));
}

/// The buffer that holds a value of `type`, or null if it cannot be held.
MemRefType bufferType(Type type) {
  if (auto packed = dyn_cast<PackedType>(type))
    return bytesType(packed);
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || !tensor.hasStaticShape())
    return {};
  return MemRefType::get(tensor.getShape(), tensor.getElementType());
}

int64_t byteSize(Type type) {
  MemRefType buffer = bufferType(type);
  return buffer.getNumElements() *
         llvm::divideCeil(buffer.getElementTypeBitWidth(), 8);
}

StringRef precision(Type x) {
  if (isa<PackedType>(x))
    return "i8";
  return cast<ShapedType>(x).getElementType().isBF16() ? "bf16" : "f32";
}

/// Describes the kernel of `op`.
KernelInfo describe(Operation *op) {
  Builder b(op->getContext());
  KernelInfo info;
  int64_t bytes = 0;
  for (Value operand : op->getOperands())
    bytes += byteSize(operand.getType());
  PackedType matrix;
  StringRef activations;
  int64_t tokens = 1, products = 1;
  if (auto matvec = dyn_cast<MatvecOp>(op)) {
    matrix = matvec.getWeight().getType();
    activations = precision(matvec.getX().getType());
  } else if (auto matmul = dyn_cast<MatmulOp>(op)) {
    matrix = matmul.getWeight().getType();
    activations = precision(matmul.getX().getType());
    tokens = cast<ShapedType>(matmul.getInit().getType()).getDimSize(0);
  } else if (auto gated = dyn_cast<GatedMatvecOp>(op)) {
    matrix = gated.getGate().getType();
    activations = precision(gated.getX().getType());
    products = 2;
  } else if (auto dequantize = dyn_cast<DequantizeOp>(op)) {
    matrix = dequantize.getPacked().getType();
  } else {
    matrix = cast<QuantizeOp>(op).getPackedType();
    bytes += byteSize(matrix);
  }
  int64_t m = matrix.getRows(), k = matrix.getCols();
  bool isProduct = !activations.empty();
  int64_t operations = isProduct ? 2 * m * k * tokens * products : m * k;
  int64_t rowsPerGroup = isa<QuantizeOp>(op) ? 1 : kRowsPerWorkgroup;
  info.workgroups = llvm::divideCeil(m, rowsPerGroup);

  StringRef format = matrix.getFormat().getFormatName();
  StringRef opName = op->getName().stripDialect();
  std::string shape = std::to_string(m) + "x" + std::to_string(k);
  info.name = (opName + "_" + format + "_" + shape).str();
  // Parameters of formats follow a colon; symbols of objects have none.
  llvm::replace(info.name, ':', '_');
  if (auto gated = dyn_cast<GatedMatvecOp>(op))
    info.name += "_" + stringifyActivation(gated.getActivation()).str();
  if (isa<MatmulOp>(op))
    info.name += "_n" + std::to_string(tokens);
  if (isProduct)
    info.name += "_" + activations.str();

  auto add = [&](StringRef key, Attribute value) {
    info.attributes.push_back(b.getNamedAttr(key, value));
  };
  add("op", b.getStringAttr(op->getName().getStringRef()));
  add("format", b.getStringAttr(format));
  add("m", b.getI64IntegerAttr(m));
  add("k", b.getI64IntegerAttr(k));
  add("n", b.getI64IntegerAttr(tokens));
  if (isProduct)
    add("activations", b.getStringAttr(activations));
  add("bytes", b.getI64IntegerAttr(bytes));
  add("operations", b.getI64IntegerAttr(operations));
  add(kWorkgroupRows, b.getI64IntegerAttr(rowsPerGroup));
  return info;
}

/// Builds the plan of one function.
class PlanBuilder {
public:
  PlanBuilder(func::FuncOp source, SymbolTable &symbols,
              llvm::MapVector<Attribute, func::FuncOp> &kernels)
      : source(source), symbols(symbols), kernels(kernels),
        builder(source.getContext()) {}

  LogicalResult build();

private:
  LogicalResult createPlan();
  LogicalResult convert(Operation &op);
  LogicalResult launch(Operation &op);
  func::FuncOp kernelFor(Operation &op, TypeRange buffers,
                         const KernelInfo &info);
  Value destination(Value result, Location loc);

  func::FuncOp source, plan;
  SymbolTable &symbols;
  llvm::MapVector<Attribute, func::FuncOp> &kernels;
  OpBuilder builder;
  DenseMap<Value, Value> buffers;       // value of the source to its buffer
  DenseMap<Value, Value> resultBuffers; // returned values to result arguments
};

LogicalResult PlanBuilder::createPlan() {
  if (!source.getBody().hasOneBlock())
    return source.emitOpError("cpu-form-kernels: expected one block, but got "
                              "control flow");
  auto ret = cast<func::ReturnOp>(source.getBody().front().getTerminator());
  SmallVector<Type> types;
  for (Type type : source.getArgumentTypes()) {
    types.push_back(bufferType(type));
    if (!types.back())
      return source.emitOpError()
             << "cpu-form-kernels: expected arguments of static tensors or "
                "packed types, but got "
             << type;
  }
  for (Value result : ret.getOperands()) {
    types.push_back(bufferType(result.getType()));
    if (!types.back())
      return ret.emitOpError()
             << "cpu-form-kernels: expected results of static "
                "tensors or packed types, but got "
             << result.getType();
  }
  builder.setInsertionPoint(source);
  plan = func::FuncOp::create(builder, source.getLoc(), source.getName(),
                              builder.getFunctionType(types, {}));
  plan->setAttr(kPlanAttr, builder.getUnitAttr());
  plan->setAttr("headrace.results",
                builder.getI64IntegerAttr(ret.getNumOperands()));
  for (unsigned i = 0, e = source.getNumArguments(); i < e; ++i)
    if (auto attrs = source.getArgAttrDict(i))
      plan.setArgAttrs(i, attrs);
  Block *body = plan.addEntryBlock();
  builder.setInsertionPointToStart(body);
  for (auto [from, to] : llvm::zip(source.getArguments(), body->getArguments()))
    buffers[from] = to;
  for (auto [i, result] : llvm::enumerate(ret.getOperands())) {
    bool fresh =
        resultBuffers
            .try_emplace(result,
                         body->getArgument(source.getNumArguments() + i))
            .second;
    Operation *producer = result.getDefiningOp();
    if (!fresh ||
        !isa_and_nonnull<DestinationStyleOpInterface, QuantizeOp>(producer))
      return ret.emitOpError()
             << "cpu-form-kernels: expected each result to be computed by an "
                "operation of its own, but result #"
             << i << (fresh ? " is not computed here" : " is returned twice");
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
  if (auto quantize = dyn_cast<QuantizeOp>(op))
    sourceTypes.push_back(quantize.getPackedType());
  for (auto [type, argument] : llvm::zip(sourceTypes, body->getArguments())) {
    auto packed = dyn_cast<PackedType>(type);
    operands.push_back(
        packed ? FromBytesOp::create(b, loc, packed, argument).getResult()
               : Value(argument));
  }
  OperationState state(loc, op.getName(), operands, TypeRange{}, op.getAttrs());
  state.propertiesAttr = op.getPropertiesAsAttribute();
  b.create(state);
  func::ReturnOp::create(b, loc);
  symbols.insert(kernel);
  kernels[key] = kernel;
  return kernel;
}

LogicalResult PlanBuilder::launch(Operation &op) {
  SmallVector<Value> operands;
  auto dps = dyn_cast<DestinationStyleOpInterface>(op);
  for (OpOperand &operand : op.getOpOperands()) {
    // What an init held is never read, so its buffer does not matter. By
    // operand, not by value: an input may be the same value.
    bool isInit = dps && dps.isDpsInit(&operand);
    operands.push_back(isInit ? destination(op.getResult(0), op.getLoc())
                              : buffers.lookup(operand.get()));
    if (!operands.back())
      return op.emitOpError("cpu-form-kernels: expected operands that are "
                            "arguments or results of qlinear operations");
  }
  if (isa<QuantizeOp>(op))
    operands.push_back(destination(op.getResult(0), op.getLoc()));
  buffers[op.getResult(0)] = operands.back();
  KernelInfo info = describe(&op);
  func::FuncOp kernel = kernelFor(op, ValueRange(operands).getTypes(), info);
  auto call = func::CallOp::create(builder, op.getLoc(), kernel, operands);
  call->setAttr(kGridAttr,
                builder.getDenseI64ArrayAttr({info.workgroups, 1, 1}));
  return success();
}

LogicalResult PlanBuilder::convert(Operation &op) {
  if (isa<tensor::EmptyOp, func::ReturnOp>(op))
    return success();
  if (isa<FromBytesOp, ToBytesOp>(op)) {
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
        builder, op.getLoc(), bytesType(slice.getResult().getType()),
        buffers.lookup(slice.getPacked()), offset, ValueRange{});
    return success();
  }
  if (isa<MatvecOp, MatmulOp, GatedMatvecOp, DequantizeOp, QuantizeOp>(op))
    return launch(op);
  return op.emitOpError()
         << "cannot be part of a CPU plan; allowed: qlinear operations and "
            "tensor.empty; whole programs go through headrace.interop.iree";
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

struct CpuFormKernels
    : headrace::cpu::impl::CpuFormKernelsBase<CpuFormKernels> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    llvm::MapVector<Attribute, func::FuncOp> kernels;
    for (auto function :
         llvm::make_early_inc_range(module.getOps<func::FuncOp>())) {
      if (function.isExternal() || function.isPrivate() ||
          function->hasAttr(kPlanAttr))
        continue;
      if (failed(PlanBuilder(function, symbols, kernels).build()))
        return signalPassFailure();
      function.erase();
    }
  }
};

} // namespace
