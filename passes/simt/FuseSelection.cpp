//===- FuseSelection.cpp - select columns where they are computed ---------===//

#include "dialects/QLinear/QLinear.h"
#include "passes/simt/Passes.h"
#include "passes/simt/RowValues.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/SymbolTable.h"

#include "llvm/ADT/SetVector.h"

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTFUSESELECTION
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace;
using namespace headrace::common;
using namespace headrace::simt;
using namespace headrace::qlinear;

namespace {

template <typename Op> Op onlyOp(func::FuncOp kernel) {
  auto ops = kernel.getOps<Op>();
  return ops.empty() ? Op() : *ops.begin();
}

/// The operation of a kernel that computes one row, null for others.
Operation *rowOp(func::FuncOp kernel) {
  for (Operation &op : kernel.getBody().front())
    if (RowValues::computes(&op) &&
        cast<MemRefType>(op.getOperand(0).getType()).getRank() == 1)
      return &op;
  return nullptr;
}

struct SimtFuseSelection
    : headrace::simt::impl::SimtFuseSelectionBase<SimtFuseSelection> {
  void runOnOperation() override {
    SymbolTable symbols(getOperation());
    llvm::DenseMap<std::pair<Operation *, Operation *>, func::FuncOp> fused;
    llvm::SetVector<func::FuncOp> replaced;
    for (auto plan : getOperation().getOps<func::FuncOp>()) {
      if (!plan->hasAttr(kPlanAttr))
        continue;
      // The calls before and after each other; others are looked at once.
      func::CallOp before;
      for (auto call :
           llvm::make_early_inc_range(plan.getOps<func::CallOp>())) {
        func::CallOp producer = std::exchange(before, call);
        if (!producer)
          continue;
        auto row = symbols.lookup<func::FuncOp>(producer.getCallee());
        auto select = symbols.lookup<func::FuncOp>(call.getCallee());
        if (!onlyOp<SelectColumnsOp>(select) || !rowOp(row) ||
            producer.getOperands().back() != call.getOperand(0))
          continue;
        func::FuncOp &kernel = fused[{row, select}];
        if (!kernel) {
          kernel = fuse(row, select);
          symbols.insert(kernel, row->getIterator());
          replaced.insert(row);
          replaced.insert(select);
        }
        OpBuilder b(call);
        SmallVector<Value> operands(producer.getOperands());
        llvm::append_range(operands, call.getOperands().drop_front());
        before = func::CallOp::create(b, call.getLoc(), kernel, operands);
        before->setAttr(kGridAttr, b.getDenseI64ArrayAttr({1, 1, 1}));
        producer.erase();
        call.erase();
      }
    }
    for (func::FuncOp kernel : replaced)
      if (SymbolTable::symbolKnownUseEmpty(kernel, getOperation()))
        symbols.erase(kernel);
  }

private:
  /// A kernel that computes a row, then selects of it.
  func::FuncOp fuse(func::FuncOp row, func::FuncOp select) {
    OpBuilder b(&getContext());
    SmallVector<Type> types(row.getArgumentTypes());
    llvm::append_range(types, select.getArgumentTypes().drop_front());
    auto kernel =
        func::FuncOp::create(row.getLoc(), (row.getName() + "_select").str(),
                             b.getFunctionType(types, {}));
    kernel.setPrivate();
    Block *body = kernel.addEntryBlock();
    b.setInsertionPointToStart(body);
    IRMapping map;
    map.map(row.getArguments(),
            body->getArguments().take_front(row.getNumArguments()));
    b.clone(*rowOp(row), map);
    map.map(select.getArguments().front(),
            body->getArgument(row.getNumArguments() - 1));
    map.map(select.getArguments().drop_front(),
            body->getArguments().drop_front(row.getNumArguments()));
    b.clone(*onlyOp<SelectColumnsOp>(select), map);
    func::ReturnOp::create(b, row.getLoc());
    kernel->setAttr(kKernelAttr, infoOf(row, select));
    return kernel;
  }

  DictionaryAttr infoOf(func::FuncOp row, func::FuncOp select) {
    Builder b(&getContext());
    auto first = row->getAttrOfType<DictionaryAttr>(kKernelAttr);
    auto second = select->getAttrOfType<DictionaryAttr>(kKernelAttr);
    auto sum = [&](StringRef name) {
      return first.getAs<IntegerAttr>(name).getInt() +
             second.getAs<IntegerAttr>(name).getInt();
    };
    NamedAttrList info(first);
    // What was selected of is not read again from memory.
    auto x = cast<MemRefType>(select.getArgumentTypes().front());
    info.set("bytes", b.getI64IntegerAttr(sum("bytes") - 4 * x.getDimSize(0)));
    info.set("operations", b.getI64IntegerAttr(sum("operations")));
    SmallVector<int64_t> sizes(
        first.getAs<DenseI64ArrayAttr>(kElementBytes).asArrayRef());
    llvm::append_range(sizes, second.getAs<DenseI64ArrayAttr>(kElementBytes)
                                  .asArrayRef()
                                  .drop_front());
    info.set(kElementBytes, b.getDenseI64ArrayAttr(sizes));
    info.set(kWorkgroup, second.get(kWorkgroup));
    info.set(kWorkgroupRows, second.get(kWorkgroupRows));
    return info.getDictionary(&getContext());
  }
};

} // namespace
