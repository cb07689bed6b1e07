//===- AssignDma.cpp - ports of a runtime sequence to tasks of DMAs -------===//

#include "dialects/AIE/AIE.h"
#include "dialects/AIEX/AIEX.h"
#include "dialects/Dataflow/Dataflow.h"
#include "passes/aie/Passes.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIEASSIGNDMA
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace;

namespace {

/// What a descriptor has as i32 attributes.
constexpr int64_t kMost = std::numeric_limits<int32_t>::max();

/// The access pattern of a port; none if it is contiguous.
aie::DimsAttr getDims(dataflow::PortOp port) {
  if (port.isContiguous())
    return {};
  SmallVector<aie::DimAttr> dims;
  for (auto [size, stride] :
       llvm::zip_equal(port.getSizes(), port.getStrides()))
    dims.push_back(aie::DimAttr::get(port.getContext(), size, stride));
  return aie::DimsAttr::get(port.getContext(), dims);
}

/// The task of `port`, where `b` is; null after an error.
Value configure(OpBuilder b, dataflow::PortOp port) {
  int64_t numbers = 1;
  for (int64_t size : port.getSizes())
    numbers *= size;
  if (numbers > kMost || static_cast<int64_t>(port.getOffset()) > kMost ||
      llvm::any_of(port.getStrides(),
                   [](int64_t stride) { return stride > kMost; })) {
    port.emitOpError() << "expected at most " << kMost
                       << " numbers in a transfer, and offset and strides up "
                          "to that, but got "
                       << numbers << " from " << port.getOffset() << " on";
    return {};
  }
  Location loc = port.getLoc();
  auto stream = port.getStream().getDefiningOp<dataflow::StreamOp>();
  bool writes = port.getDirection() == dataflow::Direction::Write;
  OperationState state(loc, aiex::DMAConfigureTaskForOp::getOperationName());
  state.addAttribute("alloc", FlatSymbolRefAttr::get(stream.getNameAttr()));
  if (writes)
    state.addAttribute("issue_token", b.getBoolAttr(true));
  if (port.getRepeat() > 1)
    state.addAttribute("repeat_count",
                       b.getI32IntegerAttr(port.getRepeat() - 1));
  state.addTypes(b.getIndexType());
  Block &block = state.addRegion()->emplaceBlock();
  Operation *task = b.create(state);
  b.setInsertionPointToEnd(&block);
  OperationState descriptor(loc, aie::DmaBdOp::getOperationName());
  descriptor.addOperands(port.getMemory());
  descriptor.addAttribute("offset", b.getI32IntegerAttr(port.getOffset()));
  descriptor.addAttribute("len", b.getI32IntegerAttr(numbers));
  if (aie::DimsAttr dims = getDims(port))
    descriptor.addAttribute("dimensions", dims);
  b.create(descriptor);
  aie::EndOp::create(b, loc);
  return task->getResult(0);
}

struct AieAssignDma : headrace::aie::impl::AieAssignDmaBase<AieAssignDma> {
  void runOnOperation() override {
    WalkResult result = getOperation().walk([](aie::RuntimeSequenceOp op) {
      return WalkResult(assign(op.getBody().front()));
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  static LogicalResult assign(Block &sequence) {
    // What reads comes first: it takes longer until something arrives.
    SmallVector<dataflow::PortOp> ports;
    for (auto direction :
         {dataflow::Direction::Read, dataflow::Direction::Write})
      for (auto port : sequence.getOps<dataflow::PortOp>())
        if (port.getDirection() == direction)
          ports.push_back(port);
    if (ports.empty())
      return success();
    OpBuilder b = OpBuilder::atBlockEnd(&sequence);
    SmallVector<Value> tasks;
    for (dataflow::PortOp port : ports)
      tasks.push_back(configure(b, port));
    if (llvm::is_contained(tasks, Value()))
      return failure();

    Location loc = ports.front().getLoc();
    auto isRead = [&](size_t i) {
      return ports[i].getDirection() == dataflow::Direction::Read;
    };
    for (Value task : tasks)
      aiex::DMAStartTaskOp::create(b, loc, task);
    for (size_t i = 0; i < tasks.size(); ++i)
      if (!isRead(i))
        aiex::DMAAwaitTaskOp::create(b, loc, tasks[i]);
    // All that was read has been used for what was written.
    for (size_t i = 0; i < tasks.size(); ++i)
      if (isRead(i))
        aiex::DMAFreeTaskOp::create(b, loc, tasks[i]);
    for (dataflow::PortOp port : ports) {
      Operation *stream = port.getStream().getDefiningOp();
      port.erase();
      if (stream->use_empty())
        stream->erase();
    }
    return success();
  }
};

} // namespace
