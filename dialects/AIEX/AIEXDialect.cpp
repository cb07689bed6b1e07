//===- AIEXDialect.cpp - the aiex dialect ---------------------------------===//

#include "dialects/AIEX/AIEX.h"

using namespace mlir;
using namespace headrace::aiex;
using headrace::aie::DmaBdOp;
using headrace::aie::EndOp;
using headrace::aie::ObjectFifoOp;
using headrace::aie::TileOp;

#include "dialects/AIEX/AIEXDialect.cpp.inc"

#define GET_OP_CLASSES
#include "dialects/AIEX/AIEXOps.cpp.inc"

void AIEXDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "dialects/AIEX/AIEXOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// DMAConfigureTaskForOp
//===----------------------------------------------------------------------===//

LogicalResult DMAConfigureTaskForOp::verifyRegions() {
  Block &block = getBody().front();
  if (block.getNumArguments() != 0)
    return emitOpError("expected a region without arguments, but got ")
           << block.getNumArguments();
  SmallVector<Operation *> ops;
  for (Operation &op : block)
    ops.push_back(&op);
  if (ops.size() != 2 || !isa<DmaBdOp>(ops[0]) || !isa<EndOp>(ops[1]))
    return emitOpError("expected one aie.dma_bd and an aie.end in its region, "
                       "but got ")
           << ops.size() << " operations";
  return success();
}

LogicalResult
DMAConfigureTaskForOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto fifo =
      symbols.lookupNearestSymbolFrom<ObjectFifoOp>(*this, getAllocAttr());
  if (!fifo)
    return emitOpError("expected the name of an aie.objectfifo, but got ")
           << getAllocAttr();
  TileOp producer = fifo.getProducerTileOp();
  bool read = producer && producer.isShim();
  int64_t shims = read;
  for (unsigned i = 0; i < fifo.getConsumerTiles().size(); ++i)
    if (TileOp tile = fifo.getConsumerTileOp(i); tile && tile.isShim())
      ++shims;
  if (shims != 1)
    return emitOpError("expected ")
           << getAllocAttr() << " to have one end in a shim tile, but it has "
           << shims;
  DmaBdOp descriptor = getDescriptor();
  Type want = fifo.getElementMemRef().getElementType();
  Type got = descriptor.getBufferType().getElementType();
  if (want != got)
    return emitOpError("expected a buffer of ")
           << want << ", as " << getAllocAttr() << " has, but got " << got;
  return success();
}

DmaBdOp DMAConfigureTaskForOp::getDescriptor() {
  return cast<DmaBdOp>(getBody().front().front());
}

ObjectFifoOp DMAConfigureTaskForOp::getObjectFifo() {
  return SymbolTable::lookupNearestSymbolFrom<ObjectFifoOp>(*this,
                                                            getAllocAttr());
}

//===----------------------------------------------------------------------===//
// Operations on tasks
//===----------------------------------------------------------------------===//

static LogicalResult verifyTask(Operation *op, Value task) {
  if (task.getDefiningOp<DMAConfigureTaskForOp>())
    return success();
  return op->emitOpError("expected the result of aiex.dma_configure_task_for");
}

DMAConfigureTaskForOp DMAStartTaskOp::getTaskOp() {
  return getTask().getDefiningOp<DMAConfigureTaskForOp>();
}

DMAConfigureTaskForOp DMAAwaitTaskOp::getTaskOp() {
  return getTask().getDefiningOp<DMAConfigureTaskForOp>();
}

DMAConfigureTaskForOp DMAFreeTaskOp::getTaskOp() {
  return getTask().getDefiningOp<DMAConfigureTaskForOp>();
}

LogicalResult DMAStartTaskOp::verify() { return verifyTask(*this, getTask()); }

LogicalResult DMAFreeTaskOp::verify() { return verifyTask(*this, getTask()); }

LogicalResult DMAAwaitTaskOp::verify() {
  if (failed(verifyTask(*this, getTask())))
    return failure();
  if (!getTaskOp().getIssueToken())
    return emitOpError("expected a task with issue_token = true: this one "
                       "says nothing when it ends; allowed: "
                       "aiex.dma_free_task");
  return success();
}
