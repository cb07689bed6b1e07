//===- SplitColumns.cpp - columns of the same rows to several workgroups --===//

#include "dialects/QLinear/QLinear.h"
#include "passes/common/GateFunction.h"
#include "passes/simt/Passes.h"
#include "passes/simt/Workgroup.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/SymbolTable.h"

#include <algorithm>

namespace headrace::simt {
#define GEN_PASS_DEF_SIMTSPLITCOLUMNS
#include "passes/simt/Passes.h.inc"
} // namespace headrace::simt

using namespace mlir;
using namespace headrace;
using namespace headrace::common;
using namespace headrace::simt;
using namespace headrace::qlinear;

namespace {

/// Parts above this have sums that are no longer small beside the weights.
constexpr int64_t kMostSplits = 64;
/// Rows, each a thread's, of the workgroups that add parts up.
constexpr int64_t kSumRows = 64;
/// Transient buffers are aligned for the widest vectors.
constexpr int64_t kBufferAlignment = 64;

int64_t entry(DictionaryAttr info, StringRef name) {
  return info.getAs<IntegerAttr>(name).getInt();
}

DictionaryAttr infoOf(func::FuncOp kernel) {
  return kernel->getAttrOfType<DictionaryAttr>(kKernelAttr);
}

/// The product of zigzag weights that a kernel computes, null for others.
Operation *splitProduct(func::FuncOp kernel) {
  Operation *product = nullptr;
  for (Operation &op : kernel.getBody().front()) {
    PackedType weight;
    if (auto matvec = dyn_cast<MatvecOp>(op))
      weight = matvec.getWeight().getType();
    else if (auto sparse = dyn_cast<SparseMatvecOp>(op))
      weight = sparse.getWeight().getType();
    else if (auto gated = dyn_cast<GatedMatvecOp>(op))
      weight = gated.getGate().getType();
    if (weight && isa<ZigzagFormatAttr>(weight.getFormat()))
      product = &op;
  }
  return product;
}

/// What one kernel becomes: it computes parts of sums, which another one adds.
struct Split {
  func::FuncOp parts, sum;
  MemRefType type; // [splits, (gate and up,) rows]
};

struct SimtSplitColumns
    : headrace::simt::impl::SimtSplitColumnsBase<SimtSplitColumns> {
  using Base::Base;

  void runOnOperation() override {
    if (cores == 0)
      return;
    if (cores < 0 || !(readBandwidth > 0) || !(overhead >= 0)) {
      getOperation()->emitError()
          << "simt-split-columns: expected cores of 0 or above, a "
             "read-bandwidth above 0 and overhead-us of 0 or above, but got "
          << cores.getValue() << ", " << readBandwidth.getValue() << " and "
          << overhead.getValue();
      return signalPassFailure();
    }
    SymbolTable symbols(getOperation());
    llvm::DenseMap<Operation *, Split> done;
    SmallVector<func::CallOp> calls;
    for (auto plan : getOperation().getOps<func::FuncOp>())
      if (plan->hasAttr(kPlanAttr))
        llvm::append_range(calls, plan.getOps<func::CallOp>());
    for (func::CallOp call : calls) {
      auto kernel = symbols.lookup<func::FuncOp>(call.getCallee());
      auto known = done.find(kernel);
      if (known == done.end()) {
        Operation *product = splitProduct(kernel);
        if (!product)
          continue;
        int64_t groups = call->getAttrOfType<DenseI64ArrayAttr>(kGridAttr)[0];
        int64_t splits = chooseSplits(kernel, product, groups);
        if (splits == 1)
          continue;
        Split made = split(kernel, product, splits);
        symbols.insert(made.sum, std::next(kernel->getIterator()));
        known = done.try_emplace(kernel, made).first;
      }
      launch(call, known->second);
    }
  }

private:
  /// The number of parts with the least time, the smallest of equals. Cores
  /// without a workgroup draw none of the bandwidth.
  int64_t chooseSplits(func::FuncOp kernel, Operation *product,
                       int64_t groups) {
    DictionaryAttr info = infoOf(kernel);
    auto bytes = static_cast<double>(entry(info, "bytes"));
    double perMicrosecond = readBandwidth * 1e3;
    auto output =
        cast<MemRefType>(kernel.getArgumentTypes().back()).getNumElements();
    int64_t outputs = isa<GatedMatvecOp>(product) ? 2 : 1;
    int64_t most = std::clamp<int64_t>(entry(info, "k"), 1, kMostSplits);
    int64_t best = 1;
    double least = 0;
    for (int64_t splits = 1; splits <= most; ++splits) {
      double busy = std::min(1.0, static_cast<double>(groups * splits) /
                                      static_cast<double>(cores));
      double time = overhead + bytes / busy / perMicrosecond;
      if (splits > 1) // parts are written and read again
        time += overhead + 2.0 * 4.0 *
                               static_cast<double>(output * outputs * splits) /
                               perMicrosecond;
      if (splits == 1 || time < least) {
        best = splits;
        least = time;
      }
    }
    return best;
  }

  Split split(func::FuncOp kernel, Operation *product, int64_t splits) {
    auto output = cast<MemRefType>(kernel.getArgumentTypes().back());
    auto gated = dyn_cast<GatedMatvecOp>(product);
    int64_t rows = output.getDimSize(0);
    SmallVector<int64_t> shape{splits};
    if (gated)
      shape.push_back(2);
    shape.push_back(rows);
    auto type = MemRefType::get(shape, output.getElementType());
    Split made{kernel, sumKernel(kernel, gated, type, output), type};
    writeParts(kernel, product, type);
    return made;
  }

  /// Lets the product write a part of the sums, and gate and up each their own.
  void writeParts(func::FuncOp kernel, Operation *product, MemRefType type) {
    BlockArgument init = kernel.getArguments().back();
    init.setType(type);
    kernel.setType(FunctionType::get(
        &getContext(), kernel.getBody().front().getArgumentTypes(), {}));
    OpBuilder b(product);
    Location loc = product->getLoc();
    Value split = gpu::BlockIdOp::create(b, loc, gpu::Dimension::y);
    auto part = [&](std::optional<int64_t> which) -> Value {
      SmallVector<OpFoldResult> offsets{split}, sizes{b.getIndexAttr(1)};
      if (which) {
        offsets.push_back(b.getIndexAttr(*which));
        sizes.push_back(b.getIndexAttr(1));
      }
      int64_t rows = type.getShape().back();
      offsets.push_back(b.getIndexAttr(0));
      sizes.push_back(b.getIndexAttr(rows));
      SmallVector<OpFoldResult> strides(type.getRank(), b.getIndexAttr(1));
      auto reduced = memref::SubViewOp::inferRankReducedResultType(
          {rows}, type, offsets, sizes, strides);
      return memref::SubViewOp::create(b, loc, reduced, init, offsets, sizes,
                                       strides);
    };
    if (auto gated = dyn_cast<GatedMatvecOp>(product)) {
      for (auto [which, weight] :
           llvm::enumerate(ValueRange{gated.getGate(), gated.getUp()}))
        MatvecOp::create(b, loc, TypeRange{}, weight, gated.getX(),
                         part(static_cast<int64_t>(which)));
      gated.erase();
    } else {
      auto dps = cast<DestinationStyleOpInterface>(product);
      dps.getDpsInitsMutable()[0].set(part(std::nullopt));
    }
    DictionaryAttr old = infoOf(kernel);
    NamedAttrList info(old);
    info.set(kSplits, b.getI64IntegerAttr(type.getDimSize(0)));
    info.set("bytes", b.getI64IntegerAttr(entry(old, "bytes") +
                                          4 * (type.getNumElements() -
                                               type.getShape().back())));
    kernel->setAttr(kKernelAttr, info.getDictionary(&getContext()));
  }

  /// Adds up the parts of each row in their order, a row a thread.
  func::FuncOp sumKernel(func::FuncOp kernel, GatedMatvecOp gated,
                         MemRefType parts, MemRefType output) {
    OpBuilder b(&getContext());
    SimtBuilder v(b, kernel.getLoc());
    auto sum = func::FuncOp::create(v.loc, (kernel.getName() + "_sum").str(),
                                    b.getFunctionType({parts, output}, {}));
    sum.setPrivate();
    b.setInsertionPointToStart(sum.addEntryBlock());
    int64_t rows = output.getDimSize(0), splits = parts.getDimSize(0);
    Value group = gpu::BlockIdOp::create(b, v.loc, gpu::Dimension::x);
    Value thread = gpu::ThreadIdOp::create(b, v.loc, gpu::Dimension::x);
    Value row = v.named(v.add(v.mul(group, kSumRows), thread), "row");
    auto sumOf = [&](std::optional<int64_t> which) {
      auto body = [&](Value split, ValueRange carried) -> SmallVector<Value> {
        SmallVector<Value> at{split};
        if (which)
          at.push_back(v.index(*which));
        at.push_back(row);
        Value part = memref::LoadOp::create(b, v.loc, sum.getArgument(0), at);
        return {v.addf(carried[0], part)};
      };
      return v.loop(v.index(0), v.index(splits), 1, v.constF(0), body)[0];
    };
    auto write = [&] {
      Value result;
      if (gated) {
        Value gate = activate(v, gated.getActivation(), sumOf(0));
        result = v.mulf(gate, sumOf(1));
      } else {
        result = sumOf(std::nullopt);
      }
      memref::StoreOp::create(b, v.loc, result, sum.getArgument(1), row);
    };
    if (rows % kSumRows == 0)
      write();
    else
      when(v,
           arith::CmpIOp::create(b, v.loc, arith::CmpIPredicate::ult, row,
                                 v.index(rows)),
           write);
    func::ReturnOp::create(b, v.loc);
    int64_t elements = parts.getNumElements();
    NamedAttrList info;
    info.set("op", infoOf(kernel).get("op"));
    info.set("bytes", b.getI64IntegerAttr(4 * (elements + rows)));
    info.set("operations", b.getI64IntegerAttr(elements));
    info.set(kElementBytes, b.getDenseI64ArrayAttr({4, 4}));
    info.set(kWorkgroupRows, b.getI64IntegerAttr(kSumRows));
    info.set(kWorkgroup,
             b.getDenseI32ArrayAttr({static_cast<int32_t>(kSumRows), 1, 1}));
    sum->setAttr(kKernelAttr, info.getDictionary(&getContext()));
    return sum;
  }

  /// The parts are in a transient buffer between two launches.
  void launch(func::CallOp call, const Split &made) {
    OpBuilder b(call);
    Location loc = call.getLoc();
    Value parts = memref::AllocOp::create(
        b, loc, made.type, b.getI64IntegerAttr(kBufferAlignment));
    Value output = call.getOperands().back();
    call.setOperand(call.getNumOperands() - 1, parts);
    auto grid = llvm::to_vector(
        call->getAttrOfType<DenseI64ArrayAttr>(kGridAttr).asArrayRef());
    grid[1] = made.type.getDimSize(0);
    call->setAttr(kGridAttr, b.getDenseI64ArrayAttr(grid));
    b.setInsertionPointAfter(call);
    func::FuncOp kernel = made.sum;
    auto sum = func::CallOp::create(b, loc, kernel, ValueRange{parts, output});
    int64_t rows = made.type.getShape().back();
    int64_t groups = llvm::divideCeilSigned(rows, kSumRows);
    sum->setAttr(kGridAttr, b.getDenseI64ArrayAttr({groups, 1, 1}));
  }
};

} // namespace
