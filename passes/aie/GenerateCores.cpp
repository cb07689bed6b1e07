//===- GenerateCores.cpp - bodies of the functions that cores call --------===//

#include "passes/aie/CoreFunctions.h"
#include "passes/aie/Passes.h"
#include "passes/dataflow/CoreCalls.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIEGENERATECORES
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace;
using common::VectorBuilder;

namespace {

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
      if (failed(define(declaration, cores)))
        return signalPassFailure();
      // Tasks that are no cores yet still call it.
      if (SymbolTable::symbolKnownUseEmpty(declaration, getOperation()))
        declaration.erase();
    }
  }

private:
  static LogicalResult define(func::FuncOp declaration, ModuleOp cores) {
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
    return success();
  }
};

} // namespace
