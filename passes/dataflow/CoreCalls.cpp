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
headrace::dataflow::getUnitLayout(StringRef format, int64_t columns) {
  std::optional<BlockLayout> block = getBlockLayout(format);
  if (!block || !llvm::is_contained(kUnitColumns, columns) ||
      (format == "q4_k" && columns != kBlockColumns))
    return std::nullopt;
  int64_t parts = kBlockRows / kUnitRows * (kBlockColumns / columns);
  return BlockLayout{block->codes / parts, block->bytes / parts};
}

std::optional<int64_t> headrace::dataflow::getUnitColumns(StringRef format,
                                                          int64_t bytes) {
  for (int64_t columns : kUnitColumns)
    if (std::optional<BlockLayout> layout = getUnitLayout(format, columns))
      if (layout->bytes == bytes)
        return columns;
  return std::nullopt;
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
