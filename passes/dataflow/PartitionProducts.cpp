//===- PartitionProducts.cpp - products for the cores of an array ---------===//

#include "dialects/Dataflow/Dataflow.h"
#include "dialects/QLinear/QLinear.h"
#include "passes/dataflow/CoreCalls.h"
#include "passes/dataflow/Groups.h"
#include "passes/dataflow/Passes.h"

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

/// A product that is a function of its own.
struct Product {
  Operation *op;
  /// One matrix, or gate and up.
  SmallVector<PackedType, 2> matrices;
  Value x;
  /// Of a gated product, the name of its function.
  std::string gate;

  StringRef format() const {
    return matrices.front().getFormat().getFormatName();
  }
  int64_t blockBytes() const { return getBlockLayout(format())->bytes; }
  int64_t rows() const { return matrices.front().getRows(); }
  int64_t columns() const {
    return llvm::alignTo(matrices.front().getCols(), kBlockColumns);
  }
};

/// The product in `function`, if it has one.
std::optional<Product> findProduct(func::FuncOp function) {
  std::optional<Product> found;
  function.walk([&](Operation *op) {
    if (auto matvec = dyn_cast<MatvecOp>(op))
      found = {op, {matvec.getWeight().getType()}, matvec.getX(), ""};
    if (auto gated = dyn_cast<GatedMatvecOp>(op))
      found = {op,
               {gated.getGate().getType(), gated.getUp().getType()},
               gated.getX(),
               ("gate_" + stringifyActivation(gated.getActivation())).str()};
  });
  return found;
}

/// Builds one graph.
class Partition {
public:
  Partition(const Product &product, ArrayRef<Group> groups, OpBuilder &builder)
      : product(product), groups(groups), b(builder), loc(product.op->getLoc()),
        module(product.op->getParentOfType<ModuleOp>()),
        x(memory(product.columns(), b.getBF16Type())),
        results(memory(kBlockRows, b.getF32Type())),
        block(memory(product.blockBytes(), b.getI8Type())) {}

  GraphOp build(StringRef name) {
    int64_t rowBlocks = 0;
    for (const Group &group : groups)
      rowBlocks += group.blocks();
    MemRefType weights = memory(rowBlocks * bytesOfRows(), b.getI8Type());
    MemRefType y = memory(rowBlocks * kBlockRows, b.getF32Type());
    graph = GraphOp::create(b, loc, name, TypeRange{weights, x, y});
    graph.setArgAttr(0, kPackingAttr, packing());
    b.setInsertionPointToEnd(&graph.getBlock());
    SmallVector<Value> xs = addActivations();
    int64_t first = 0, core = 0;
    for (auto [index, group] : llvm::enumerate(groups)) {
      addGroup(index, group, first,
               ArrayRef<Value>(xs).slice(core, group.cores));
      first += group.blocks();
      core += group.cores;
    }
    return graph;
  }

private:
  static MemRefType memory(int64_t size, Type element) {
    return MemRefType::get({size}, element);
  }
  /// Bytes that 32 rows of all matrices have.
  int64_t bytesOfRows() const {
    return product.columns() / kBlockColumns * product.matrices.size() *
           product.blockBytes();
  }

  DictionaryAttr packing() {
    SmallVector<Attribute> sources;
    for (PackedType type : product.matrices)
      sources.push_back(TypeAttr::get(type));
    SmallVector<int64_t> sizes;
    for (const Group &group : groups)
      sizes.append({group.cores, group.rounds});
    return b.getDictionaryAttr(
        {b.getNamedAttr(kPackingSources, b.getArrayAttr(sources)),
         b.getNamedAttr(kPackingGroups, b.getDenseI64ArrayAttr(sizes))});
  }

  Value addStream(const Twine &name, int64_t depth, MemRefType element) {
    SmallString<16> text;
    return StreamOp::create(b, loc, StreamType::get(b.getContext(), element),
                            name.toStringRef(text), depth);
  }
  void addPort(Direction direction, unsigned argument, int64_t offset,
               int64_t size, Value stream) {
    PortOp::create(b, loc, direction, graph.getArgument(argument), stream,
                   offset, b.getDenseI64ArrayAttr({size}),
                   b.getDenseI64ArrayAttr({1}), /*repeat=*/1,
                   DenseI64ArrayAttr());
  }

  /// Activations for each core.
  SmallVector<Value> addActivations() {
    Value source = addStream("x", 1, x);
    SmallVector<Value> xs;
    for (auto [index, group] : llvm::enumerate(groups))
      for (int64_t core = 0; core < group.cores; ++core)
        xs.push_back(addStream("x" + Twine(index) + "_" + Twine(core), 1, x));
    addPort(Direction::Read, 1, 0, x.getNumElements(), source);
    BroadcastOp::create(b, loc, source, xs, DenseI64ArrayAttr());
    return xs;
  }

  void addGroup(size_t index, const Group &group, int64_t firstBlock,
                ArrayRef<Value> xs) {
    Value w =
        addStream("w" + Twine(index), 2,
                  memory(group.cores * product.blockBytes(), b.getI8Type()));
    Value y = addStream("y" + Twine(index), 2,
                        memory(group.cores * kBlockRows, b.getF32Type()));
    int64_t bytes = bytesOfRows();
    addPort(Direction::Read, 0, firstBlock * bytes, group.blocks() * bytes, w);
    addPort(Direction::Write, 2, firstBlock * kBlockRows,
            group.blocks() * kBlockRows, y);
    SmallVector<Value> ws, ys;
    for (int64_t core = 0; core < group.cores; ++core) {
      ws.push_back(addStream("w" + Twine(index) + "_" + Twine(core), 2, block));
      // One is enough: it leaves while the next weights arrive. With two, the
      // code of a core is there for both.
      ys.push_back(
          addStream("y" + Twine(index) + "_" + Twine(core), 1, results));
    }
    DistributeOp::create(b, loc, w, ws, DenseI64ArrayAttr());
    JoinOp::create(b, loc, ys, y, DenseI64ArrayAttr());
    for (int64_t core = 0; core < group.cores; ++core)
      addTask("core" + Twine(index) + "_" + Twine(core), group.rounds, xs[core],
              ws[core], ys[core]);
  }

  void addTask(const Twine &name, int64_t rounds, Value xs, Value ws,
               Value ys) {
    OpBuilder::InsertionGuard guard(b);
    TaskOp task = TaskOp::create(b, loc, name.str(), DenseI64ArrayAttr());
    b.setInsertionPointToEnd(&task.getBody().emplaceBlock());
    zero = arith::ConstantIndexOp::create(b, loc, 0);
    one = arith::ConstantIndexOp::create(b, loc, 1);
    int64_t columns = product.columns(), sums = columns / kGroupColumns;
    Value bias = memref::AllocaOp::create(b, loc, memory(sums, b.getF32Type()));
    Value parts =
        memref::AllocaOp::create(b, loc, memory(2 * sums, b.getBF16Type()));
    Value gate;
    if (!product.gate.empty())
      gate = memref::AllocaOp::create(b, loc, results);

    PopOp takeX = PopOp::create(b, loc, xs);
    b.setInsertionPointToEnd(&takeX.getBlock());
    Value xWindow = takeX.getWindow();
    callCore(b, loc, module, "sum_groups_" + product.format().str(), columns,
             {xWindow, bias, parts});
    addLoop(rounds, [&](Value) {
      PushOp put = PushOp::create(b, loc, ys);
      b.setInsertionPointToEnd(&put.getBlock());
      auto addUp = [&](Value sum) {
        callCore(b, loc, module, "zero", kBlockRows, {sum});
        addLoop(columns / kBlockColumns, [&](Value at) {
          PopOp takeW = PopOp::create(b, loc, ws);
          b.setInsertionPointToEnd(&takeW.getBlock());
          Value number = arith::IndexCastOp::create(b, loc, b.getI32Type(), at);
          callCore(b, loc, module, "accumulate_" + product.format().str(),
                   columns,
                   {xWindow, bias, parts, takeW.getWindow(), sum, number});
        });
      };
      if (gate)
        addUp(gate);
      addUp(put.getWindow());
      if (gate)
        callCore(b, loc, module, product.gate, kBlockRows,
                 {gate, put.getWindow()});
    });
  }

  /// `body` in a loop of `count`.
  void addLoop(int64_t count, function_ref<void(Value)> body) {
    OpBuilder::InsertionGuard guard(b);
    Value end = arith::ConstantIndexOp::create(b, loc, count);
    scf::ForOp loop = scf::ForOp::create(b, loc, zero, end, one);
    b.setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }

  const Product &product;
  ArrayRef<Group> groups;
  OpBuilder &b;
  Location loc;
  ModuleOp module;
  MemRefType x, results, block;
  GraphOp graph;
  /// Constants of the task that is built.
  Value zero, one;
};

struct PartitionProducts
    : headrace::dataflow::impl::PartitionProductsBase<PartitionProducts> {
  using Base::Base;

  void runOnOperation() override {
    SmallVector<func::FuncOp> functions(getOperation().getOps<func::FuncOp>());
    for (func::FuncOp function : functions) {
      std::optional<Product> product = findProduct(function);
      if (!product)
        continue;
      if (failed(verifyProduct(*product, function)))
        return signalPassFailure();
      Array array{columns, rows, channels};
      SmallVector<Group> groups =
          makeGroups(llvm::divideCeil(product->rows(), kBlockRows), array);
      if (groups.empty()) {
        product->op->emitOpError()
            << "needs 2 channels that read memory, but the array has "
            << columns * channels;
        return signalPassFailure();
      }
      OpBuilder builder(function);
      std::string name = function.getName().str();
      // The graph takes the function's name.
      function.setName(name + "__partitioned");
      Partition(*product, groups, builder).build(name);
      function.erase();
    }
  }

  LogicalResult verifyProduct(const Product &product, func::FuncOp function) {
    Operation *op = product.op;
    for (PackedType matrix : product.matrices) {
      StringRef format = matrix.getFormat().getFormatName();
      if (!getBlockLayout(format))
        return op->emitOpError()
               << "expected a format that cores multiply with, but got "
               << format << "; allowed: q4nx, q4_0, q4_k";
      if (matrix.getFormat() != product.matrices.front().getFormat())
        return op->emitOpError()
               << "expected gate and up in one format, but got "
               << product.matrices.front().getFormat().getFormatName()
               << " and " << matrix.getFormat().getFormatName();
    }
    auto x = dyn_cast<RankedTensorType>(product.x.getType());
    if (!x || !x.getElementType().isBF16())
      return op->emitOpError()
             << "expected activations as a tensor of bf16, but got "
             << product.x.getType();
    // A function that is this product and nothing else.
    bool alone = function.getBody().hasOneBlock();
    for (Operation &other : function.getOps())
      alone &= &other == op || isa<func::ReturnOp>(other) ||
               other.getName().getStringRef() == "tensor.empty";
    for (Value operand : op->getOperands().drop_back())
      alone &= isa<BlockArgument>(operand);
    if (!alone)
      return op->emitOpError()
             << "expected a function that is one product of its arguments, but "
                "got more in @"
             << function.getName() << "; form kernels first";
    return verifyMemory(product);
  }

  /// Activations stay in a core: their number is limited.
  LogicalResult verifyMemory(const Product &product) {
    int64_t sums = product.columns() / kGroupColumns;
    int64_t buffers = 2 * product.blockBytes() + kBlockRows * 4 +
                      (product.gate.empty() ? 0 : kBlockRows * 4) + stack;
    int64_t needed = buffers + product.columns() * 2 + sums * 8;
    if (needed <= coreMemory)
      return success();
    // Two bytes for each column, and 8 for each 32.
    int64_t most =
        (coreMemory - buffers) / (kBlockColumns * 9 / 4) * kBlockColumns;
    InFlightDiagnostic error =
        product.op->emitOpError()
        << "needs " << needed << " bytes of memory in a core for "
        << product.columns() << " columns, but a core has "
        << coreMemory.getValue();
    return most > 0 ? error << "; nearest that fits: " << most << " columns"
                    : error << "; no number of columns fits";
  }
};

} // namespace
