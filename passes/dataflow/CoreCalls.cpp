//===- CoreCalls.cpp - what cores of an array call ------------------------===//

#include "passes/dataflow/CoreCalls.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

std::optional<headrace::dataflow::BlockLayout>
headrace::dataflow::getBlockLayout(StringRef format) {
  constexpr int64_t kCodes = kBlockRows * kBlockColumns / 2;
  int64_t before = llvm::StringSwitch<int64_t>(format)
                       .Cases({"q4nx", "q4_0"}, 1024)
                       .Case("q4_k", 768)
                       .Default(0);
  if (!before)
    return std::nullopt;
  return BlockLayout{before, before + kCodes};
}

std::optional<headrace::dataflow::BlockLayout>
headrace::dataflow::getUnitLayout(StringRef format) {
  std::optional<BlockLayout> block = getBlockLayout(format);
  if (!block)
    return std::nullopt;
  return BlockLayout{block->codes / 2, block->bytes / 2};
}

std::optional<headrace::dataflow::BlockLayout>
headrace::dataflow::getPieceLayout(StringRef format) {
  std::optional<BlockLayout> block = getBlockLayout(format);
  if (!block)
    return std::nullopt;
  // Four numbers of each row do not depend on the columns.
  int64_t ofRows = format == "q4_k" ? 4 * 2 * kBlockRows : 0;
  int64_t before = (block->codes - ofRows) / 2 + ofRows;
  return BlockLayout{before, before + kBlockRows * kPieceColumns / 2};
}

void headrace::dataflow::callCore(OpBuilder &builder, Location loc,
                                  ModuleOp module, StringRef kind, int64_t size,
                                  ValueRange arguments) {
  std::string name = (kind + "_" + Twine(size)).str();
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(module.getBody());
    func::FuncOp function = func::FuncOp::create(
        builder, loc, name,
        builder.getFunctionType(arguments.getTypes(), TypeRange()));
    function.setPrivate();
    function->setAttr(
        kCoreAttr,
        builder.getDictionaryAttr(
            {builder.getNamedAttr(kCoreKind, builder.getStringAttr(kind)),
             builder.getNamedAttr(kCoreSize,
                                  builder.getI64IntegerAttr(size))}));
  }
  func::CallOp::create(builder, loc, name, TypeRange(), arguments);
}
