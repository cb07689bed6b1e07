//===- CheckFeed.cpp - fifos get as many elements as are taken ------------===//

#include "passes/aie/FeedSolver.h"
#include "passes/aie/Passes.h"
#include "passes/aie/Sequence.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKFEED
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aiex;

namespace {

struct AieCheckFeed : headrace::aie::impl::AieCheckFeedBase<AieCheckFeed> {
  using Base::Base;

  void runOnOperation() override {
    for (auto device : getOperation().getOps<DeviceOp>())
      if (!check(device))
        return signalPassFailure();
  }

  static bool check(DeviceOp device) {
    std::vector<CoreFlow> cores;
    for (auto core : device.getBodyRegion().getOps<CoreOp>()) {
      FailureOr<CoreTraffic> traffic = followCore(core);
      if (failed(traffic))
        return false;
      if (!repeats(core, *traffic))
        return false;
      cores.push_back({core, *traffic});
    }
    auto sequences = device.getBodyRegion().getOps<RuntimeSequenceOp>();
    if (sequences.empty()) {
      device.emitOpError("expected an aie.runtime_sequence, which says what is "
                         "fed, but got none");
      return false;
    }
    return llvm::all_of(sequences, [&](RuntimeSequenceOp sequence) {
      FeedSolver solver(device, cores);
      return checkResults(sequence) && addTransfers(sequence, solver) &&
             solver.solve();
    });
  }

  /// Each run of the sequence needs as much as the one before.
  static bool repeats(CoreOp core, const CoreTraffic &traffic) {
    for (auto &[key, port] : traffic.ports) {
      if (port.differs) {
        port.differs->emitOpError("takes or gives different numbers of "
                                  "elements of @")
            << key.first << " on its two paths: expected one number";
        return false;
      }
      if (!traffic.endless) {
        core.emitOpError("ends after the first run, and a second one would "
                         "wait for ever: expected a loop to the largest index "
                         "around what it does");
        return false;
      }
      if (port.base != 0) {
        core.emitOpError("takes or gives ")
            << port.base << " elements of @" << key.first
            << " in its first run only: expected an endless loop whose "
               "iterations begin and end with none held";
        return false;
      }
    }
    return true;
  }

  /// A transfer to the host must have ended when the sequence does.
  static bool checkResults(RuntimeSequenceOp sequence) {
    RunningTasks running;
    llvm::MapVector<StringRef, DMAStartTaskOp> waits;
    for (Operation &op : sequence.getBody().front()) {
      if (auto start = dyn_cast<DMAStartTaskOp>(op)) {
        if (!start.getTaskOp().getObjectFifo().getProducerTileOp().isShim())
          waits[start.getTaskOp().getAlloc()] = start;
        running.start(start.getTaskOp());
      } else if (auto await = dyn_cast<DMAAwaitTaskOp>(op)) {
        DMAConfigureTaskForOp task = await.getTaskOp();
        if (!running.end(task)) {
          await.emitOpError("awaits a task of ")
              << task.getAllocAttr()
              << " that was not started: expected aiex.dma_start_task before "
                 "it";
          return false;
        }
        auto last = waits.find(task.getAlloc());
        if (last != waits.end() && running.countOn(task) == 0)
          waits.erase(last);
      }
    }
    for (auto &[fifo, start] : waits) {
      start.emitOpError("transfers results of @")
          << fifo
          << " to the host that nothing waits for: expected "
             "aiex.dma_await_task of the last one";
      return false;
    }
    return true;
  }

  /// The elements of each fifo that ends in a shim tile.
  static bool addTransfers(RuntimeSequenceOp sequence, FeedSolver &solver) {
    llvm::MapVector<ObjectFifoOp, int64_t> bytes;
    DeviceOp device = sequence->getParentOfType<DeviceOp>();
    for (auto fifo : device.getBodyRegion().getOps<ObjectFifoOp>())
      if (solver.endsInShim(fifo))
        bytes[fifo] = 0;
    for (auto start : sequence.getBody().getOps<DMAStartTaskOp>())
      bytes[start.getTaskOp().getObjectFifo()] +=
          getBytesMoved(start.getTaskOp());
    std::string name = "the runtime sequence";
    if (sequence.getSymName())
      name += (" @" + *sequence.getSymName()).str();
    for (auto &[fifo, moved] : bytes) {
      ObjectFifoOp op = fifo;
      int64_t size = op.getElementBytes();
      if (moved % size != 0) {
        sequence.emitOpError("moves ")
            << moved << " bytes of @" << op.getSymName()
            << ", but expected a multiple of its element, " << size << " bytes";
        return false;
      }
      if (!solver.set(op, moved / size, "by " + name))
        return false;
    }
    return true;
  }
};

} // namespace
