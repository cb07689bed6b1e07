//===- AssignObjectFifos.cpp - a graph to cores and objectFifos -----------===//

#include "dialects/AIE/AIE.h"
#include "dialects/Dataflow/Dataflow.h"
#include "dialects/Dataflow/Rates.h"
#include "passes/aie/Passes.h"
#include "passes/dataflow/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/StringSet.h"

#include <map>

namespace headrace::aie {
#define GEN_PASS_DEF_AIEASSIGNOBJECTFIFOS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace;
using dataflow::BroadcastOp;
using dataflow::DistributeOp;
using dataflow::GraphOp;
using dataflow::JoinOp;
using dataflow::PopOp;
using dataflow::PortOp;
using dataflow::PushOp;
using dataflow::StreamOp;
using dataflow::TaskOp;

namespace {

/// What is the same for all graphs.
struct Options {
  aie::Device device;
  int64_t stack;
  StringRef object;
};

/// Builds the device of one graph.
class Design {
public:
  Design(GraphOp graph, const Options &options)
      : graph(graph), options(options), b(graph), loc(graph.getLoc()) {}

  void build() {
    device = aie::DeviceOp::create(b, loc, options.device, graph.getName());
    b.setInsertionPointToEnd(&device.getBodyRegion().emplaceBlock());
    declareFunctions();
    addTiles();
    addFifos();
    for (Operation &op : graph.getBlock())
      addLink(&op);
    for (TaskOp task : graph.getBlock().getOps<TaskOp>())
      addCore(task);
    addSequence();
    aie::EndOp::create(b, loc);
  }

private:
  /// Those that tasks call, as functions of an object file.
  void declareFunctions() {
    llvm::StringSet<> declared;
    graph.walk([&](func::CallOp call) {
      if (!declared.insert(call.getCallee()).second)
        return;
      func::FuncOp function = func::FuncOp::create(
          b, call.getLoc(), call.getCallee(), call.getCalleeType());
      function.setPrivate();
      function->setAttr("link_with", b.getStringAttr(options.object));
    });
  }

  static std::pair<int64_t, int64_t> placeOf(Operation *op) {
    auto place = op->getAttrOfType<DenseI64ArrayAttr>("place");
    return {place[0], place[1]};
  }

  /// The tiles where something is placed, by column and row.
  void addTiles() {
    for (Operation &op : graph.getBlock())
      if (!isa<StreamOp>(op))
        tiles[placeOf(&op)] = {};
    for (auto &[place, tile] : tiles)
      tile = aie::TileOp::create(b, loc, b.getIndexType(), place.first,
                                 place.second);
  }
  Value tileOf(Operation *op) { return tiles[placeOf(op)]; }

  /// Whether a task puts in what `broadcast` hands on: the task's core does so
  /// itself, without a link.
  static bool isOfTask(BroadcastOp broadcast) {
    return isa<TaskOp>(dataflow::getEnds(broadcast.getInput()).producer);
  }

  /// The stream that stands for the fifo of `stream`: of the outputs of a
  /// broadcast the first, for all of them, and for its input from a task.
  static Value leader(Value stream) {
    dataflow::StreamEnds ends = dataflow::getEnds(stream);
    auto broadcast = dyn_cast_or_null<BroadcastOp>(ends.producer);
    if (!broadcast && isa<TaskOp>(ends.producer))
      broadcast = dyn_cast<BroadcastOp>(ends.consumer);
    return broadcast ? broadcast.getOutputs().front() : stream;
  }

  StringRef nameOf(Value stream) { return names[leader(stream)]; }

  void addFifos() {
    for (StreamOp stream : graph.getBlock().getOps<StreamOp>()) {
      if (leader(stream.getStream()) != stream.getStream())
        continue;
      dataflow::StreamEnds ends = dataflow::getEnds(stream.getStream());
      SmallVector<Value> consumers;
      SmallVector<int64_t> depths = {static_cast<int64_t>(stream.getDepth())};
      aie::DimsAttr toStream = dimsOf(std::nullopt, std::nullopt);
      aie::DimsAttr fromStream = toStream;
      std::string name = stream.getName().str();
      auto addConsumer = [&](Value output) {
        consumers.push_back(tileOf(dataflow::getEnds(output).consumer));
        depths.push_back(output.getDefiningOp<StreamOp>().getDepth());
      };
      if (auto broadcast = dyn_cast<BroadcastOp>(ends.producer)) {
        auto input = broadcast.getInput().getDefiningOp<StreamOp>();
        name = input.getName().str();
        if (isOfTask(broadcast))
          depths.front() = input.getDepth();
        else
          name += "_all";
        toStream = dimsOf(broadcast.getSizes(), broadcast.getStrides());
        llvm::for_each(broadcast.getOutputs(), addConsumer);
      } else {
        addConsumer(stream.getStream());
        if (auto join = dyn_cast<JoinOp>(ends.consumer))
          fromStream = dimsOf(join.getSizes(), join.getStrides());
      }
      Attribute depth = llvm::all_equal(depths)
                            ? Attribute(b.getI32IntegerAttr(depths.front()))
                            : Attribute(b.getI64ArrayAttr(depths));
      names[stream.getStream()] = name;
      MLIRContext *context = b.getContext();
      SmallVector<aie::DimsAttr> fromStreams(consumers.size(), fromStream);
      MemRefType element = stream.getStream().getType().getElement();
      aie::ObjectFifoOp::create(
          b, stream.getLoc(), b.getStringAttr(name), tileOf(ends.producer),
          consumers, depth,
          TypeAttr::get(aie::ObjectFifoType::get(context, element)), toStream,
          aie::DimsPerConsumerAttr::get(context, fromStreams),
          /*via_DMA=*/b.getBoolAttr(false), /*repeat_count=*/IntegerAttr());
    }
  }

  /// The access pattern of an order; linear without one.
  aie::DimsAttr dimsOf(std::optional<ArrayRef<int64_t>> sizes,
                       std::optional<ArrayRef<int64_t>> strides) {
    SmallVector<aie::DimAttr> dims;
    if (sizes)
      for (auto [size, stride] : llvm::zip_equal(*sizes, *strides))
        dims.push_back(aie::DimAttr::get(b.getContext(), size, stride));
    return aie::DimsAttr::get(b.getContext(), dims);
  }

  /// What moves elements, in the memory tile where its fifos meet.
  void addLink(Operation *op) {
    if (!isa<BroadcastOp, DistributeOp, JoinOp>(op))
      return;
    if (auto broadcast = dyn_cast<BroadcastOp>(op);
        broadcast && isOfTask(broadcast))
      return;
    SmallVector<Attribute> ends[2];
    SmallVector<int64_t> offsets[2];
    for (OpOperand &operand : op->getOpOperands()) {
      bool output = dataflow::putsInto(operand);
      Value stream = operand.get();
      if (leader(stream) == stream)
        ends[output].push_back(
            FlatSymbolRefAttr::get(b.getContext(), nameOf(stream)));
    }
    for (bool output : {false, true}) {
      int64_t offset = 0;
      if (ends[output].size() < 2)
        continue;
      for (OpOperand &operand : op->getOpOperands()) {
        if (dataflow::putsInto(operand) != output)
          continue;
        offsets[output].push_back(offset);
        offset += cast<dataflow::StreamType>(operand.get().getType())
                      .getElement()
                      .getNumElements();
      }
    }
    aie::ObjectFifoLinkOp::create(
        b, op->getLoc(), b.getArrayAttr(ends[0]), b.getArrayAttr(ends[1]),
        b.getI64ArrayAttr(offsets[0]), b.getI64ArrayAttr(offsets[1]));
  }

  //===--------------------------------------------------------------------===//
  // Cores
  //===--------------------------------------------------------------------===//

  void addCore(TaskOp task) {
    IRMapping mapping;
    Value tile = tileOf(task);
    int64_t number = 0;
    task.walk([&](memref::AllocaOp local) {
      std::string name = (task.getName() + "_" + Twine(number++)).str();
      mapping.map(local.getResult(),
                  aie::BufferOp::create(b, local.getLoc(), local.getType(),
                                        tile, b.getStringAttr(name)));
    });
    auto core = aie::CoreOp::create(b, task.getLoc(), b.getIndexType(), tile,
                                    options.stack, /*link_with=*/StringAttr());
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToEnd(&core.getBody().emplaceBlock());
    Block &iteration = getIteration(task.getBody().front());
    // The body of a loop uses constants around it.
    if (iteration.getParentOp() != task)
      for (Operation &op : task.getBody().front())
        if (op.hasTrait<OpTrait::ConstantLike>())
          b.clone(op, mapping);
    Value zero = arith::ConstantIndexOp::create(b, loc, 0);
    Value one = arith::ConstantIndexOp::create(b, loc, 1);
    // Even, so that nothing remains where the compiler unrolls it by two.
    Value forever = arith::ConstantIndexOp::create(
        b, loc, std::numeric_limits<int64_t>::max() - 1);
    auto loop = scf::ForOp::create(b, task.getLoc(), zero, forever, one);
    aie::EndOp::create(b, loc);
    if (iteration.mightHaveTerminator()) // its own is cloned
      loop.getBody()->getTerminator()->erase();
    b.setInsertionPointToStart(loop.getBody());
    cloneBlock(iteration, mapping);
  }

  /// What a task does again and again: if it is one loop, the endless one
  /// around it repeats it as well.
  static Block &getIteration(Block &task) {
    scf::ForOp only;
    for (Operation &op : task) {
      if (isa<memref::AllocaOp>(op) || op.hasTrait<OpTrait::ConstantLike>())
        continue;
      auto loop = dyn_cast<scf::ForOp>(op);
      if (!loop || only)
        return task;
      only = loop;
    }
    bool repeats = only && only.getInitArgs().empty() &&
                   only.getInductionVar().use_empty();
    return repeats ? *only.getBody() : task;
  }

  /// Copies what a task does, windows as acquiring and releasing.
  void cloneBlock(Block &block, IRMapping &mapping) {
    for (Operation &op : block) {
      if (isa<memref::AllocaOp>(op))
        continue;
      if (isa<PopOp>(op)) {
        cloneWindow(op, aie::Port::Consume, mapping);
      } else if (isa<PushOp>(op)) {
        cloneWindow(op, aie::Port::Produce, mapping);
      } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
        Operation *copy = b.cloneWithoutRegions(op, mapping);
        Block &body = copy->getRegion(0).emplaceBlock();
        for (BlockArgument argument : loop.getBody()->getArguments())
          mapping.map(argument,
                      body.addArgument(argument.getType(), argument.getLoc()));
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToEnd(&body);
        cloneBlock(*loop.getBody(), mapping);
      } else {
        b.clone(op, mapping);
      }
    }
  }

  void cloneWindow(Operation &window, aie::Port port, IRMapping &mapping) {
    Location at = window.getLoc();
    StringRef fifo = nameOf(window.getOperand(0));
    Block &body = window.getRegion(0).front();
    auto element = cast<MemRefType>(body.getArgument(0).getType());
    Value held = aie::AcquireOp::create(
        b, at, aie::ObjectFifoSubviewType::get(b.getContext(), element), port,
        fifo, 1);
    mapping.map(body.getArgument(0),
                aie::SubviewAccessOp::create(b, at, element, held, 0));
    cloneBlock(body, mapping);
    aie::ReleaseOp::create(b, at, port, fifo, 1);
  }

  //===--------------------------------------------------------------------===//
  // The host's side
  //===--------------------------------------------------------------------===//

  /// The ports, with what they need to know of their streams.
  void addSequence() {
    auto sequence =
        aie::RuntimeSequenceOp::create(b, loc, b.getStringAttr("sequence"));
    OpBuilder::InsertionGuard guard(b);
    Block &body = sequence.getBody().emplaceBlock();
    IRMapping mapping;
    for (BlockArgument argument : graph.getArguments())
      mapping.map(argument,
                  body.addArgument(argument.getType(), argument.getLoc()));
    b.setInsertionPointToEnd(&body);
    for (PortOp port : graph.getBlock().getOps<PortOp>()) {
      if (!mapping.contains(port.getStream())) {
        Operation *stream = b.clone(*port.getStream().getDefiningOp(), mapping);
        cast<StreamOp>(stream).setName(nameOf(port.getStream()));
      }
      b.clone(*port, mapping);
    }
  }

  GraphOp graph;
  const Options &options;
  OpBuilder b;
  Location loc;
  aie::DeviceOp device;
  /// By column and row, in order.
  std::map<std::pair<int64_t, int64_t>, Value> tiles;
  llvm::DenseMap<Value, std::string> names;
};

struct AieAssignObjectFifos
    : headrace::aie::impl::AieAssignObjectFifosBase<AieAssignObjectFifos> {
  using Base::Base;

  void runOnOperation() override {
    std::optional<aie::Device> which = aie::symbolizeDevice(device);
    if (!which) {
      getOperation().emitError()
          << "aie-assign-objectfifos: expected a device, "
             "but got '"
          << device << "'; allowed: npu1, npu2";
      return signalPassFailure();
    }
    Options options{*which, stack, object};
    SmallVector<GraphOp> graphs(getOperation().getOps<GraphOp>());
    NamedAttrList packings;
    for (GraphOp graph : graphs) {
      for (Operation &op : graph.getBlock())
        if (!isa<StreamOp>(op) && !op.hasAttr("place")) {
          op.emitOpError() << "expected a place, but got none; run aie-place "
                              "first";
          return signalPassFailure();
        }
      for (unsigned i = 0; i < graph.getNumArguments(); ++i)
        if (Attribute packing = graph.getArgAttr(i, dataflow::kPackingAttr))
          packings.set(graph.getSymNameAttr(), packing);
      Design(graph, options).build();
      graph.erase();
    }
    // The host packs by it; other tools need not read it in the device.
    if (!packings.empty())
      getOperation()->setAttr(dataflow::kPackingAttr,
                              packings.getDictionary(&getContext()));
  }
};

} // namespace
