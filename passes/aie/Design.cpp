//===- Design.cpp - what objectFifos take of each tile --------------------===//

#include "passes/aie/Design.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace headrace::aie;

std::string FifoEnd::describe() const {
  ObjectFifoOp op = fifo;
  StringRef name = op.getSymName();
  if (end == 0)
    return llvm::formatv("@{0} (producer)", name);
  if (op.getConsumerTiles().size() == 1)
    return llvm::formatv("@{0} (consumer)", name);
  return llvm::formatv("@{0} (consumer {1})", name, end - 1);
}

bool headrace::aie::reaches(TileOp from, TileOp memory) {
  if (from.isShim() || memory.isShim() || from.isCore() != memory.isCore())
    return false;
  int64_t columns = int64_t(memory.getCol()) - from.getCol();
  int64_t rows = int64_t(memory.getRow()) - from.getRow();
  if (from.isMemory())
    return rows == 0 && columns >= -1 && columns <= 1;
  // The tile's own memory counts as the eastern one.
  return columns == 0 ? rows >= -1 && rows <= 1 : columns == -1 && rows == 0;
}

std::optional<unsigned> headrace::aie::findSharedEnd(ObjectFifoOp fifo) {
  if (fifo.getConsumerTiles().size() != 1 || fifo.getVia_DMA() ||
      !fifo.getDims(0).empty() || !fifo.getDims(1).empty())
    return std::nullopt;
  TileOp producer = fifo.getProducerTileOp();
  TileOp consumer = fifo.getConsumerTileOp(0);
  if (reaches(consumer, producer))
    return 0;
  if (reaches(producer, consumer))
    return 1;
  return std::nullopt;
}

Design::Design(DeviceOp device) {
  for (auto tile : device.getBodyRegion().getOps<TileOp>())
    ends[tile];
  for (auto core : device.getBodyRegion().getOps<CoreOp>())
    cores[core.getTileOp()] = core;
  for (auto link : device.getBodyRegion().getOps<ObjectFifoLinkOp>()) {
    TileOp tile = link.getTileOp();
    for (ObjectFifoOp fifo : link.getInputs())
      links[{fifo, tile}] = link;
    for (ObjectFifoOp fifo : link.getOutputs())
      links[{fifo, tile}] = link;
  }
  for (auto fifo : device.getBodyRegion().getOps<ObjectFifoOp>())
    addFifo(fifo);
}

ObjectFifoLinkOp Design::linkAt(ObjectFifoOp fifo, TileOp tile) const {
  return links.lookup({fifo, tile});
}

void Design::addFifo(ObjectFifoOp fifo) {
  // A fifo of a link always has a DMA: the link is one.
  std::optional<unsigned> shared = findSharedEnd(fifo);
  for (unsigned end = 0; end < 2 && shared; ++end)
    if (linkAt(fifo,
               end ? fifo.getConsumerTileOp(0) : fifo.getProducerTileOp()))
      shared = std::nullopt;
  for (unsigned end = 0; end <= fifo.getConsumerTiles().size(); ++end) {
    TileOp tile =
        end ? fifo.getConsumerTileOp(end - 1) : fifo.getProducerTileOp();
    SmallVector<FifoEnd> &others = ends[tile];
    FifoEnd made = makeEnd(fifo, end, tile);
    if (!shared) {
      made.channel = llvm::count_if(others, [&](const FifoEnd &other) {
        return other.channel && other.sends() == made.sends();
      });
    } else if (*shared == end) {
      // One pool for both ends, with the buffers that either of them needs.
      TileOp other = end ? fifo.getProducerTileOp() : fifo.getConsumerTileOp(0);
      made.buffers = std::max(made.buffers, buffersOf(fifo, 1 - end, other));
      made.descriptors = 0;
    } else {
      made.buffers = made.locks = made.descriptors = 0;
    }
    others.push_back(made);
  }
}

FifoEnd Design::makeEnd(ObjectFifoOp fifo, unsigned end, TileOp tile) const {
  FifoEnd made;
  made.fifo = fifo;
  made.end = end;
  made.tile = tile;
  made.bytes = fifo.getElementBytes();
  made.locks = 2;
  if (tile.isShim()) // its descriptors are those of the runtime sequence
    return made;
  made.buffers = buffersOf(fifo, end, tile);
  made.descriptors = made.buffers;
  if (ObjectFifoLinkOp link = linkAt(fifo, tile))
    shareInLink(made, link);
  if (end == 0)
    made.descriptors *= fifo.getRepeatCount().value_or(1);
  return made;
}

/// The fifo of the whole element owns the buffers of a link; with one input and
/// one output, the input does.
void Design::shareInLink(FifoEnd &end, ObjectFifoLinkOp link) const {
  std::vector<ObjectFifoOp> inputs = link.getInputs();
  std::vector<ObjectFifoOp> outputs = link.getOutputs();
  ObjectFifoOp owner = link.isJoin() ? outputs.front() : inputs.front();
  unsigned ownerEnd = link.isJoin() ? 0 : 1;
  int64_t pool = buffersOf(owner, ownerEnd, end.tile);
  if (end.fifo == owner) {
    int64_t parts = std::max(inputs.size(), outputs.size());
    end.locks = 2 * parts;
    end.descriptors = pool * parts;
  } else {
    end.buffers = end.locks = 0;
    end.descriptors = pool;
  }
}

int64_t Design::buffersOf(ObjectFifoOp fifo, unsigned end, TileOp tile) const {
  int64_t depth = fifo.getDepth(end);
  CoreOp core = coreOf(tile);
  if (!core || fifo.hasDepthPerEnd())
    return depth;
  int64_t most = 0;
  core->walk([&](AcquireOp acquire) {
    if (acquire.getObjFifoName() == fifo.getSymName() &&
        (acquire.getPort() == Port::Produce) == (end == 0))
      most = std::max<int64_t>(most, acquire.getSize());
  });
  bool single = most == 1 && depth == 1;
  return most == 0 || single ? depth : std::max(depth, most + 1);
}
