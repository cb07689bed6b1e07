//===- GenerateCores.cpp - bodies of the functions that cores call --------===//

#include "dialects/AIE/AIE.h"
#include "passes/aie/CoreFunctions.h"
#include "passes/aie/CoreMatmul.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"
#include "passes/dataflow/CoreCalls.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/MathExtras.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIEGENERATECORES
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace;
using common::VectorBuilder;
using headrace::aie::DeviceOp;
using headrace::aie::kCodeBytes;

namespace {

/// Of an instruction, at most, and of a vector.
constexpr int64_t kInstructionBytes = 16, kVectorBits = 512;

/// Instructions of one operation: of operations on vectors, one for each 512
/// bits that are made or stored.
int64_t countInstructions(Operation &op) {
  // 4x8x4 products of bf16, or 8x8x8 of bfp16.
  if (isa<vector::ContractionOp>(op))
    return 1;
  // Two to widen, one each for both parts and for what the first leaves.
  if (isa<func::CallOp>(op))
    return 5;
  int64_t pieces = 1;
  auto count = [&](Type type) {
    if (auto vector = dyn_cast<VectorType>(type))
      pieces = std::max<int64_t>(
          pieces, llvm::divideCeil(vector.getNumElements() *
                                       vector.getElementTypeBitWidth(),
                                   kVectorBits));
  };
  for (Type type : op.getResultTypes())
    count(type);
  if (auto store = dyn_cast<vector::StoreOp>(op))
    count(store.getVectorType());
  return pieces;
}

/// Bytes of code from above: each instruction is on its own, and iterations of
/// innermost loops overlap, so that what starts and ends them is as long as
/// they are.
int64_t estimateCode(Block &block) {
  int64_t bytes = 0;
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::ConstantLike>() ||
        isa<scf::YieldOp, vector::ShapeCastOp>(op))
      continue;
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      bool innermost = loop.getBody()->getOps<scf::ForOp>().empty();
      bytes += (innermost ? 2 : 1) * estimateCode(*loop.getBody());
    }
    bytes += countInstructions(op) * kInstructionBytes;
  }
  return bytes;
}

//===-- The functions -----------------------------------------------------===//

/// What follows the name of a kind: a format or a function or a tile.
bool isNothing(StringRef rest) { return rest.empty(); }
bool isFormat(StringRef rest) {
  return dataflow::getBlockLayout(rest).has_value();
}
bool isActivation(StringRef rest) {
  return qlinear::symbolizeActivation(rest).has_value();
}
bool isTile(StringRef rest) { return aie::parseTile(rest).has_value(); }
bool isFormatAndTile(StringRef rest) {
  auto [format, tile] = rest.rsplit('_');
  return isFormat(format) && isTile(tile);
}

/// Whether all memory has a multiple of so many numbers, which code takes at
/// once.
LogicalResult verifyMultiples(func::FuncOp function, int64_t count) {
  for (Type type : function.getArgumentTypes())
    if (cast<MemRefType>(type).getNumElements() % count)
      return function.emitOpError("expected multiples of ")
             << count << " numbers, but got " << type;
  return success();
}

/// A kind of functions.
struct Core {
  StringLiteral kind;
  bool (*hasRest)(StringRef rest);
  /// Elements of the arguments, which are memory of one dimension; "number" is
  /// an i32.
  StringLiteral arguments;
  /// The body, for what follows the kind and `headrace.core`'s size.
  LogicalResult (*build)(VectorBuilder &v, StringRef rest, int64_t size,
                         func::FuncOp function);
};

constexpr Core kCores[] = {
    {"zero", isNothing, "f32",
     [](VectorBuilder &v, StringRef, int64_t, func::FuncOp function) {
       aie::buildZero(v, function.getArguments());
       return verifyMultiples(function, aie::kLanes);
     }},
    {"copy", isNothing, "i8 i8",
     [](VectorBuilder &v, StringRef, int64_t, func::FuncOp function) {
       aie::buildCopy(v, function.getArguments());
       return verifyMultiples(function, aie::kCopied);
     }},
    {"take_", isFormat, "i8 bf16 f32 bf16 number",
     [](VectorBuilder &v, StringRef format, int64_t, func::FuncOp function) {
       aie::buildTake(v, format, function.getArguments());
       return success();
     }},
    {"accumulate_", isFormat, "bf16 f32 bf16 i8 f32 number",
     [](VectorBuilder &v, StringRef format, int64_t, func::FuncOp function) {
       auto weights = cast<MemRefType>(function.getArgumentTypes()[3]);
       std::optional<int64_t> columns =
           dataflow::getUnitColumns(format, weights.getNumElements());
       if (!columns)
         return LogicalResult(function.emitOpError("expected a block of ")
                              << format << " for " << dataflow::kUnitRows
                              << " rows, but got " << weights);
       aie::buildAccumulate(v, format, *columns, function.getArguments());
       return success();
     }},
    {"gate_", isActivation, "f32 f32",
     [](VectorBuilder &v, StringRef name, int64_t, func::FuncOp function) {
       aie::buildGate(v, *qlinear::symbolizeActivation(name),
                      function.getArguments());
       return verifyMultiples(function, aie::kLanes);
     }},
    {"dequantize_", isFormatAndTile, "i8 bf16 number",
     [](VectorBuilder &v, StringRef rest, int64_t size, func::FuncOp function) {
       auto [format, tile] = rest.rsplit('_');
       return aie::buildDequantize(v, format, *aie::parseTile(tile), size,
                                   function);
     }},
    {"multiply_", isTile, "bf16 bf16 f32",
     [](VectorBuilder &v, StringRef tile, int64_t size, func::FuncOp function) {
       return aie::buildMultiply(v, *aie::parseTile(tile), size, function);
     }},
};

bool isElement(Type type, StringRef name) {
  return llvm::StringSwitch<bool>(name)
      .Case("bf16", type.isBF16())
      .Case("f32", type.isF32())
      .Case("i8", type.isSignlessInteger(8))
      .Default(false);
}

/// Whether the function has the arguments of its kind.
LogicalResult verifyArguments(func::FuncOp function, const Core &core) {
  SmallVector<StringRef> elements;
  core.arguments.split(elements, ' ');
  bool same = elements.size() == function.getNumArguments();
  for (auto [element, type] :
       llvm::zip(elements, function.getArgumentTypes())) {
    auto memref = dyn_cast<MemRefType>(type);
    same &= element == "number"
                ? type.isSignlessInteger(32)
                : memref && memref.getRank() == 1 && memref.hasStaticShape() &&
                      memref.getLayout().isIdentity() &&
                      isElement(memref.getElementType(), element);
  }
  if (same && function.getNumResults() == 0)
    return success();
  return function.emitOpError("expected arguments ")
         << core.arguments << " (memory of one dimension; a number is an i32), "
         << "but got " << function.getFunctionType();
}

struct AieGenerateCores
    : headrace::aie::impl::AieGenerateCoresBase<AieGenerateCores> {
  void runOnOperation() override {
    SmallVector<func::FuncOp> declarations;
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (function.isDeclaration() && function->hasAttr(dataflow::kCoreAttr))
        declarations.push_back(function);
    if (declarations.empty())
      return;
    OpBuilder builder = OpBuilder::atBlockBegin(getOperation().getBody());
    ModuleOp cores =
        ModuleOp::create(builder, getOperation().getLoc(), "cores");
    for (func::FuncOp declaration : declarations) {
      FailureOr<func::FuncOp> function = define(declaration, cores);
      if (failed(function))
        return signalPassFailure();
      tellSize(*function);
      // Tasks that are no cores yet still call it.
      if (SymbolTable::symbolKnownUseEmpty(declaration, getOperation()))
        declaration.erase();
    }
  }

private:
  /// To the declarations in devices, for `aie-check-program-memory`.
  void tellSize(func::FuncOp function) {
    auto bytes =
        OpBuilder(&getContext())
            .getI32IntegerAttr(estimateCode(function.getBody().front()));
    for (auto device : getOperation().getOps<DeviceOp>())
      if (auto declared = device.lookupSymbol<func::FuncOp>(function.getName()))
        declared->setAttr(kCodeBytes, bytes);
  }

  static FailureOr<func::FuncOp> define(func::FuncOp declaration,
                                        ModuleOp cores) {
    StringRef kind;
    int64_t size = 0;
    if (auto description =
            declaration->getAttrOfType<DictionaryAttr>(dataflow::kCoreAttr)) {
      if (auto name = description.getAs<StringAttr>(dataflow::kCoreKind))
        kind = name.getValue();
      if (auto number = description.getAs<IntegerAttr>(dataflow::kCoreSize))
        size = number.getInt();
    }
    const Core *core = llvm::find_if(kCores, [&](const Core &known) {
      return kind.starts_with(known.kind) &&
             known.hasRest(kind.drop_front(known.kind.size()));
    });
    if (core == std::end(kCores))
      return declaration.emitOpError()
             << "expected a function that cores have, but got kind \"" << kind
             << "\"; allowed: zero, copy, take_FORMAT, "
                "accumulate_FORMAT "
                "(q4nx, q4_0, q4_k), gate_silu, gate_gelu_tanh, "
                "dequantize_FORMAT_TILE, multiply_TILE (4x8x4, 8x8x8)";
    if (failed(verifyArguments(declaration, *core)))
      return failure();
    auto function = cast<func::FuncOp>(declaration->cloneWithoutRegions());
    cores.push_back(function);
    function.setPublic();
    Block *body = function.addEntryBlock();
    OpBuilder builder = OpBuilder::atBlockEnd(body);
    VectorBuilder v{builder, declaration.getLoc()};
    if (failed(
            core->build(v, kind.drop_front(core->kind.size()), size, function)))
      return failure();
    func::ReturnOp::create(builder, declaration.getLoc());
    return function;
  }
};

} // namespace
