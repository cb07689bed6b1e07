//===- AssignDma.cpp - ports of a runtime sequence to tasks of DMAs -------===//

#include "dialects/AIE/AIE.h"
#include "dialects/AIEX/AIEX.h"
#include "dialects/Dataflow/Dataflow.h"
#include "passes/aie/Passes.h"

#include "llvm/ADT/DenseMap.h"

#include <algorithm>
#include <map>
#include <optional>

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
  using Base::Base;

  void runOnOperation() override {
    WalkResult result = getOperation().walk([&](aie::RuntimeSequenceOp op) {
      return WalkResult(assign(op.getBody().front()));
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  /// A task of a step, and for one that writes when what the step reads in the
  /// same column is likely to have come.
  struct Task {
    Value value;
    bool writes;
    int64_t end;
  };
  using Started = SmallVector<Task>;

  /// A channel of a shim moves about so many bytes while the sequence writes a
  /// task, and it takes so many of them to start.
  static constexpr int64_t kBytesOfTask = 1024, kTasksOfStart = 4;

  static int64_t columnOf(dataflow::PortOp port) {
    return port.getPlace() ? (*port.getPlace())[0] : 0;
  }

  /// Tasks that were started and have not ended, by stream and by column.
  struct Open {
    llvm::DenseMap<Value, int64_t> ofStream;
    std::map<int64_t, int64_t> ofColumn;

    void add(ArrayRef<dataflow::PortOp> ports, int64_t count) {
      for (dataflow::PortOp port : ports) {
        ofStream[port.getStream()] += count;
        ofColumn[columnOf(port)] += count;
      }
    }
  };

  LogicalResult assign(Block &sequence) {
    std::map<uint64_t, SmallVector<dataflow::PortOp>> steps;
    for (auto port : sequence.getOps<dataflow::PortOp>())
      steps[port.getStep()].push_back(port);
    OpBuilder b = OpBuilder::atBlockEnd(&sequence);
    // Steps start as early as there is room for them, so that what they read is
    // under way while results of others are awaited.
    Open open;
    auto oldest = steps.begin();
    std::map<uint64_t, Started> running;
    auto finishOldest = [&] {
      finish(b, running[oldest->first]);
      open.add(oldest->second, -1);
      ++oldest;
    };
    for (auto at = steps.begin(); at != steps.end(); ++at) {
      open.add(at->second, 1);
      while (oldest != at && !fits(open))
        finishOldest();
      std::optional<Started> started = start(b, at->second);
      if (!started)
        return failure();
      running[at->first] = std::move(*started);
    }
    while (oldest != steps.end())
      finishOldest();
    SmallVector<dataflow::StreamOp> streams(
        sequence.getOps<dataflow::StreamOp>());
    for (auto &[step, ports] : steps)
      for (dataflow::PortOp port : ports)
        port.erase();
    for (dataflow::StreamOp stream : streams)
      if (stream->use_empty())
        stream->erase();
    return success();
  }

  bool fits(const Open &open) const {
    return llvm::all_of(open.ofStream,
                        [&](auto &entry) { return entry.second <= queue; }) &&
           llvm::all_of(open.ofColumn, [&](auto &entry) {
             return entry.second <= descriptors;
           });
  }

  /// Ports that read, in the order in which their tasks start: as they are, but
  /// one behind another of its channel when that is about to end, as others
  /// have to wait for each that is in front of them.
  static SmallVector<dataflow::PortOp>
  orderReads(ArrayRef<dataflow::PortOp> ports) {
    SmallVector<dataflow::PortOp> ordered, behind;
    llvm::DenseMap<Value, int64_t> free;
    auto add = [&](dataflow::PortOp port) {
      int64_t start = free.contains(port.getStream())
                          ? free[port.getStream()]
                          : ordered.size() + kTasksOfStart;
      free[port.getStream()] = start + getBytes(port) / kBytesOfTask;
      ordered.push_back(port);
    };
    auto addBehind = [&](bool all) {
      for (auto *port = behind.begin(); port != behind.end();)
        if (all || free[port->getStream()] <= int64_t(ordered.size())) {
          add(*port);
          port = behind.erase(port);
        } else {
          ++port;
        }
    };
    for (dataflow::PortOp port : ports) {
      if (port.getDirection() != dataflow::Direction::Read)
        continue;
      if (free.contains(port.getStream()))
        behind.push_back(port);
      else
        add(port);
      addBehind(/*all=*/false);
    }
    addBehind(/*all=*/true);
    return ordered;
  }

  /// Starts ports, those that read first: it takes longer until something
  /// arrives. None after an error.
  static std::optional<Started> start(OpBuilder &b,
                                      ArrayRef<dataflow::PortOp> ports) {
    SmallVector<dataflow::PortOp> ordered = orderReads(ports);
    for (dataflow::PortOp port : ports)
      if (port.getDirection() == dataflow::Direction::Write)
        ordered.push_back(port);
    Started started;
    // By stream and by column.
    llvm::DenseMap<Value, int64_t> endOfStream;
    std::map<int64_t, int64_t> endOfColumn;
    for (auto [number, port] : llvm::enumerate(ordered)) {
      Value task = configure(b, port);
      if (!task)
        return std::nullopt;
      // At once: the next one is configured while it runs.
      aiex::DMAStartTaskOp::create(b, port.getLoc(), task);
      bool writes = port.getDirection() == dataflow::Direction::Write;
      int64_t &last = endOfColumn[columnOf(port)];
      if (!writes) {
        int64_t &end =
            endOfStream.try_emplace(port.getStream(), number * kBytesOfTask)
                .first->second;
        end += getBytes(port);
        last = std::max(last, end);
      }
      started.push_back({task, writes, last});
    }
    return started;
  }

  static int64_t getBytes(dataflow::PortOp port) {
    MemRefType element = port.getStream().getType().getElement();
    return port.getElementCount() * element.getNumElements() *
           element.getElementTypeBitWidth() / 8;
  }

  /// Waits for what writes; then all that was read has been used for it. Each
  /// wait takes its time, so what is likely to end last is awaited last: what
  /// reads more, and what started later.
  static void finish(OpBuilder &b, Started &started) {
    // Reads are in front.
    Task *firstWrite =
        llvm::find_if(started, [](const Task &task) { return task.writes; });
    SmallVector<std::pair<int64_t, int64_t>> order; // of ends, then of starts
    for (const Task *task = firstWrite; task != started.end(); ++task)
      order.push_back({task->end, task - firstWrite});
    llvm::sort(order);
    for (auto [end, number] : order)
      aiex::DMAAwaitTaskOp::create(b, firstWrite[number].value.getLoc(),
                                   firstWrite[number].value);
    for (const Task *task = started.begin(); task != firstWrite; ++task)
      aiex::DMAFreeTaskOp::create(b, task->value.getLoc(), task->value);
  }
};

} // namespace
