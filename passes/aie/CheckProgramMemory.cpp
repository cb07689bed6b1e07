//===- CheckProgramMemory.cpp - programs of cores fit (an estimate) -------===//

#include "passes/aie/CoreTraffic.h"
#include "passes/aie/Design.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/SetVector.h"

#include <numeric>

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKPROGRAMMEMORY
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;

namespace {

/// What is counted saturates here: it fits nothing.
constexpr int64_t kTooMany = int64_t(1) << 40;

class Estimate {
public:
  Estimate(const ProgramModel &program) : program(program) {}

  int64_t block(Block &block);

  llvm::SetVector<StringAttr> callees;

private:
  int64_t operation(Operation *op);
  int64_t loop(scf::ForOp op);

  const ProgramModel &program;
  /// How often loops in front of this one, in the same block, are unrolled.
  int64_t beside = 1;
};

/// How often the fifos that are acquired in a loop want it to be unrolled: the
/// least common multiple of their depths, so that each copy has its own buffer.
int64_t getFactor(scf::ForOp op) {
  int64_t factor = 1;
  for (auto acquire : op.getBody()->getOps<AcquireOp>())
    if (auto fifo = SymbolTable::lookupNearestSymbolFrom<ObjectFifoOp>(
            acquire, acquire.getObjFifoNameAttr())) {
      auto core = acquire->getParentOfType<CoreOp>();
      std::optional<unsigned> consumer = fifo.findConsumer(core.getTileOp());
      bool produces = acquire.getPort() == Port::Produce;
      factor = std::min(
          kTooMany,
          std::lcm(factor, fifo.getDepth(produces ? 0 : *consumer + 1)));
    }
  return factor;
}

} // namespace

int64_t Estimate::block(Block &block) {
  int64_t bytes = 0, outside = beside;
  for (Operation &op : block) {
    bytes = std::min(kTooMany, bytes + operation(&op));
    // It unrolls those behind it, too, and what is in them.
    if (auto forOp = dyn_cast<scf::ForOp>(op))
      beside = std::min(kTooMany, std::lcm(beside, getFactor(forOp)));
  }
  beside = outside;
  return bytes;
}

int64_t Estimate::operation(Operation *op) {
  // A constant is part of what uses it, an access is an address, and the
  // operations that end blocks are counted with the loop or branch.
  if (isa<arith::ConstantOp, SubviewAccessOp, scf::YieldOp, EndOp>(op))
    return 0;
  if (isa<AcquireOp, ReleaseOp>(op))
    return program.lock;
  if (auto call = dyn_cast<func::CallOp>(op)) {
    callees.insert(call.getCalleeAttr().getAttr());
    return program.call;
  }
  if (auto forOp = dyn_cast<scf::ForOp>(op))
    return loop(forOp);
  int64_t bytes = program.operation;
  for (Region &region : op->getRegions())
    for (Block &inner : region)
      bytes = std::min(kTooMany, bytes + block(inner));
  return bytes;
}

/// A loop in which fifos are acquired is unrolled; what remains follows.
int64_t Estimate::loop(scf::ForOp op) {
  int64_t factor = std::min(kTooMany, std::lcm(beside, getFactor(op)));
  int64_t copies = factor;
  if (std::optional<int64_t> trips = getTripCount(op))
    copies = *trips < factor ? std::max<int64_t>(1, *trips)
                             : factor + *trips % factor;
  int64_t body = std::max<int64_t>(1, block(*op.getBody()));
  // Count, compare and jump with its delay slots, once or twice.
  int64_t control = 2 * (program.call + 2 * program.operation);
  return copies > kTooMany / body ? kTooMany
                                  : std::min(kTooMany, copies * body + control);
}

namespace {

struct AieCheckProgramMemory
    : headrace::aie::impl::AieCheckProgramMemoryBase<AieCheckProgramMemory> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    bool fits = true;
    for (auto core : device.getBodyRegion().getOps<CoreOp>())
      fits &= checkCore(core, model);
    return fits;
  }

  static bool checkCore(CoreOp core, const DeviceModel &model) {
    Estimate estimate(model.program);
    int64_t body = estimate.block(core.getBody().front());
    int64_t need = model.program.start + body;
    SmallVector<std::pair<StringAttr, int64_t>> functions;
    for (StringAttr name : estimate.callees) {
      Operation *callee = SymbolTable::lookupNearestSymbolFrom(core, name);
      auto bytes =
          callee ? callee->getAttrOfType<IntegerAttr>(kCodeBytes) : nullptr;
      functions.push_back(
          {name, bytes ? bytes.getInt() : model.program.function});
      need += functions.back().second;
    }
    if (need <= model.core.programBytes)
      return true;
    InFlightDiagnostic diag = core.emitOpError("needs about ")
                              << need << " bytes of program memory, but "
                              << core.getTileOp().describe() << " has "
                              << model.core.programBytes
                              << "; its own code takes " << body
                              << ", the start-up code " << model.program.start;
    for (auto [name, bytes] : functions)
      diag.attachNote(core.getLoc())
          << "@" << name.getValue() << ": " << bytes << " bytes";
    return false;
  }
};

} // namespace
