//===- GenerateCores.cpp - bodies of the functions that cores call --------===//

#include "dialects/AIE/AIE.h"
#include "passes/aie/CoreFunctions.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"
#include "passes/dataflow/CoreCalls.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
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

/// Of an instruction, at most, and of one operation on vectors.
constexpr int64_t kInstructionBytes = 16, kVectorBits = 512;

/// Bytes of code from above: each operation is an instruction of its own for
/// each 512 bits that it makes, and iterations of innermost loops overlap, so
/// that what starts and ends them is as long as they are.
int64_t estimateCode(Block &block) {
  int64_t bytes = 0;
  for (Operation &op : block) {
    if (op.hasTrait<OpTrait::ConstantLike>() || isa<scf::YieldOp>(op))
      continue;
    if (auto loop = dyn_cast<scf::ForOp>(op)) {
      bool innermost = loop.getBody()->getOps<scf::ForOp>().empty();
      bytes += (innermost ? 2 : 1) * estimateCode(*loop.getBody());
    }
    int64_t pieces = 1;
    for (Type type : op.getResultTypes())
      if (auto vector = dyn_cast<VectorType>(type))
        pieces = std::max<int64_t>(
            pieces, llvm::divideCeil(vector.getNumElements() *
                                         vector.getElementTypeBitWidth(),
                                     kVectorBits));
    bytes += pieces * kInstructionBytes;
  }
  return bytes;
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
    auto description =
        declaration->getAttrOfType<DictionaryAttr>(dataflow::kCoreAttr);
    StringRef kind;
    if (auto name = description.getAs<StringAttr>(dataflow::kCoreKind))
      kind = name.getValue();
    auto function = cast<func::FuncOp>(declaration->cloneWithoutRegions());
    cores.push_back(function);
    function.setPublic();
    Block *body = function.addEntryBlock();
    OpBuilder builder = OpBuilder::atBlockEnd(body);
    VectorBuilder v{builder, declaration.getLoc()};
    ValueRange arguments = body->getArguments();
    StringRef gate = kind;
    std::optional<qlinear::Activation> activation;
    if (gate.consume_front("gate_"))
      activation = qlinear::symbolizeActivation(gate);
    StringRef format;
    auto consume = [&](StringRef prefix, StringRef &rest) {
      rest = kind;
      return rest.consume_front(prefix) && dataflow::getBlockLayout(rest);
    };
    if (kind == "zero")
      aie::buildZero(v, arguments);
    else if (consume("sum_groups_", format))
      aie::buildSumGroups(v, format, arguments);
    else if (consume("accumulate_", format))
      aie::buildAccumulate(v, format, arguments);
    else if (activation)
      aie::buildGate(v, *activation, arguments);
    else
      return declaration.emitOpError()
             << "expected a function that cores have, but got kind \"" << kind
             << "\"; allowed: zero, sum_groups_FORMAT, accumulate_FORMAT "
                "(q4nx, "
                "q4_0, q4_k), gate_silu, gate_gelu_tanh";
    func::ReturnOp::create(builder, declaration.getLoc());
    return function;
  }
};

} // namespace
