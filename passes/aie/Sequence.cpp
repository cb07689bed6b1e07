//===- Sequence.cpp - the tasks of a runtime sequence ---------------------===//

#include "passes/aie/Sequence.h"

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aiex;

TileOp headrace::aie::getShimTile(DMAConfigureTaskForOp task) {
  ObjectFifoOp fifo = task.getObjectFifo();
  if (TileOp producer = fifo.getProducerTileOp(); producer.isShim())
    return producer;
  for (unsigned i = 0; i < fifo.getConsumerTiles().size(); ++i)
    if (TileOp consumer = fifo.getConsumerTileOp(i); consumer.isShim())
      return consumer;
  llvm_unreachable("verified: one end is in a shim tile");
}

int64_t headrace::aie::getBytesMoved(DMAConfigureTaskForOp task) {
  DmaBdOp descriptor = task.getDescriptor();
  return descriptor.getLength() * getValueBytes(descriptor.getBufferType()) *
         (int64_t(task.getRepeatCount()) + 1);
}

bool RunningTasks::end(DMAConfigureTaskForOp task) {
  auto last = llvm::find(llvm::reverse(running), task);
  if (last == running.rend())
    return false;
  size_t count = running.rend() - last;
  std::vector<DMAConfigureTaskForOp> left;
  for (auto [i, other] : llvm::enumerate(running))
    if (i >= count || other.getAlloc() != task.getAlloc())
      left.push_back(other);
  running = std::move(left);
  return true;
}

int64_t RunningTasks::countOn(DMAConfigureTaskForOp task) const {
  return llvm::count_if(running, [&](DMAConfigureTaskForOp other) {
    return other.getAlloc() == task.getAlloc();
  });
}
