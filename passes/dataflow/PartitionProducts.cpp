//===- PartitionProducts.cpp - products for the cores of an array ---------===//

#include "passes/dataflow/Passes.h"
#include "passes/dataflow/ProductChecks.h"
#include "passes/dataflow/ProductGraph.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/Support/MathExtras.h"

namespace headrace::dataflow {
#define GEN_PASS_DEF_PARTITIONPRODUCTS
#include "passes/dataflow/Passes.h.inc"
} // namespace headrace::dataflow

using namespace mlir;
using namespace headrace::dataflow;
using namespace headrace::qlinear;

namespace {

/// The products in `function`, in their order.
SmallVector<Product> findProducts(func::FuncOp function) {
  SmallVector<Product> found;
  function.walk([&](Operation *op) {
    if (auto matvec = dyn_cast<MatvecOp>(op))
      found.push_back({op, {matvec.getWeight().getType()}, matvec.getX(), ""});
    if (auto gated = dyn_cast<GatedMatvecOp>(op))
      found.push_back(
          {op,
           {gated.getGate().getType(), gated.getUp().getType()},
           gated.getX(),
           ("gate_" + stringifyActivation(gated.getActivation())).str()});
  });
  return found;
}

/// A function must be products of its arguments, whose results it returns in
/// their order.
LogicalResult verifyFunction(ArrayRef<Product> products,
                             func::FuncOp function) {
  if (products.size() == 1)
    return verifyAlone(products.front().op, function);
  SmallVector<Value> results;
  bool alone = function.getBody().hasOneBlock();
  for (const Product &product : products) {
    results.append(product.op->result_begin(), product.op->result_end());
    for (Value operand : product.op->getOperands().drop_back())
      alone &= isa<BlockArgument>(operand);
    Operation *out = product.op->getOperands().back().getDefiningOp();
    alone &= out && out->getName().getStringRef() == "tensor.empty";
  }
  for (Operation &other : function.getOps())
    if (isa<func::ReturnOp>(other))
      alone &= llvm::equal(other.getOperands(), results);
    else
      alone &= isa<MatvecOp, GatedMatvecOp>(other) ||
               other.getName().getStringRef() == "tensor.empty";
  if (alone)
    return success();
  return products.front().op->emitOpError()
         << "expected a function that is products of its arguments and returns "
            "their results in order, but got more in @"
         << function.getName() << "; form kernels first";
}

struct PartitionProducts
    : headrace::dataflow::impl::PartitionProductsBase<PartitionProducts> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<func::FuncOp> functions(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      SmallVector<Product> products = findProducts(function);
      if (products.empty())
        continue;
      for (const Product &product : products)
        if (failed(verifyProduct(product, products.front())))
          return signalPassFailure();
      // The code of several products has no room for what small blocks need.
      if (products.size() == 1)
        chooseBlocks(products.front(), {columns, rows, channels});
      if (failed(verifyFunction(products, function)) ||
          failed(verifyMemory(products)))
        return signalPassFailure();
      for (const Product &product : products)
        if (failed(verifyWeights(product.op, product.rows(), rows * kUnitRows,
                                 [&](int64_t many) {
                                   return bytesOf(product, product.blocks(),
                                                  many);
                                 })))
          return signalPassFailure();
      OpBuilder builder(function);
      std::string name = function.getName().str();
      // The graph takes the function's name.
      function.setName(name + "__partitioned");
      buildProducts(products, {columns, rows, channels}, handsOver(products),
                    builder, name);
      function.erase();
    }
  }

  LogicalResult verifyProduct(const Product &product, const Product &first) {
    Operation *op = product.op;
    if (columns < 1 || rows < 1 || channels < 1)
      return op->emitOpError()
             << "needs a core and a channel that reads memory, but the array "
                "has "
             << columns * rows << " cores and " << columns * channels
             << " channels";
    for (PackedType matrix : product.matrices) {
      if (failed(verifyFormat(op, matrix)))
        return failure();
      if (matrix.getFormat() != product.matrices.front().getFormat())
        return op->emitOpError()
               << "expected gate and up in one format, but got "
               << product.matrices.front().getFormat().getFormatName()
               << " and " << matrix.getFormat().getFormatName();
    }
    if (product.format() != first.format())
      return op->emitOpError()
             << "expected all products of a function in one format, but got "
             << first.format() << " and " << product.format();
    return verifyActivations(op, product.x.getType());
  }

  /// Bytes of packed weights of so many rows, of so many blocks each.
  int64_t bytesOf(const Product &product, int64_t blocks, int64_t many) {
    int64_t units = llvm::divideCeil(many, kUnitRows), rounds = 0;
    for (int64_t each : makeRounds(units, {columns, rows, channels}))
      rounds += each;
    return rounds * rows * static_cast<int64_t>(product.matrices.size()) *
           blocks * product.blockBytes();
  }

  static const Product *findLongest(ArrayRef<Product> products) {
    return llvm::max_element(products, [](const Product &a, const Product &b) {
      return a.pieces() < b.pieces();
    });
  }
  static bool isGated(ArrayRef<Product> products) {
    return llvm::any_of(products,
                        [](const Product &each) { return !each.gate.empty(); });
  }
  int64_t getNeeded(ArrayRef<Product> products, bool handsOver) {
    const Product *longest = findLongest(products);
    return getCoreMemory(*longest, longest->pieces(), isGated(products),
                         handsOver) +
           stack;
  }
  /// Activations come in half the time, where there is memory for it: for code,
  /// too, which several products have more of.
  bool handsOver(ArrayRef<Product> products) {
    return products.size() == 1 &&
           getNeeded(products, /*handsOver=*/true) <= coreMemory;
  }

  /// Activations stay in a core: their number is limited.
  LogicalResult verifyMemory(ArrayRef<Product> products) {
    const Product *product = findLongest(products);
    bool gated = isGated(products);
    int64_t needed = getNeeded(products, /*handsOver=*/false);
    if (needed <= coreMemory)
      return success();
    int64_t most = product->pieces();
    while (most > 0 &&
           getCoreMemory(*product, most, gated, false) + stack > coreMemory)
      --most;
    int64_t fitting = most * product->blockBytes() / 2 / kBlockColumns;
    InFlightDiagnostic error =
        product->op->emitOpError()
        << "needs " << needed << " bytes of memory in a core for "
        << product->blocks() * product->blockColumns
        << " columns, but a core has " << coreMemory.getValue();
    if (fitting == 0)
      return error << "; no number of columns fits";
    error << "; nearest that fits: " << fitting * kBlockColumns << " columns";
    // Of a matrix that is too large both ways.
    int64_t mostRows = getMostRows(rows * kUnitRows, [&](int64_t many) {
      return bytesOf(*product, fitting, many);
    });
    if (product->rows() > mostRows)
      error << " and " << mostRows << " rows";
    return error;
  }
};

} // namespace
