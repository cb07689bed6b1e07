//===- Design.h - what objectFifos take of each tile ------------*- C++ -*-===//
//
// The compiler of the array turns objectFifos into buffers, locks, DMA channels
// and buffer descriptors. This says how many, by its rules (mlir-aie
// 979629649):
//
// - An end in a core tile has a buffer for each element: as many as declared,
// and
//   one more than the core ever acquires at once where the declaration has one
//   depth for all ends. A shim tile has no buffers.
// - Two neighbouring tiles that share memory need no DMA: the buffers are where
//   both reach them.
// - The fifos of a link share buffers in its tile: those of the whole element,
//   with two locks for each part. A descriptor moves one part of one buffer.
// - Any other end has two locks, a channel, and a descriptor for each buffer.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_AIE_DESIGN_H
#define HEADRACE_PASSES_AIE_DESIGN_H

#include "dialects/AIE/AIE.h"

#include "llvm/ADT/MapVector.h"

namespace headrace::aie {

/// One end of a fifo and what it takes of its tile.
struct FifoEnd {
  ObjectFifoOp fifo;
  /// 0 is the producer, 1 the first consumer, as in ObjectFifoOp::getDepth.
  unsigned end = 0;
  TileOp tile;
  /// Buffers of `bytes` each; 0 where another end has them.
  int64_t buffers = 0;
  int64_t bytes = 0;
  int64_t locks = 0;
  /// Of the channel, where `channel` is set.
  int64_t descriptors = 0;
  /// Number of its DMA channel among those of its direction; none where the
  /// end reaches the other's buffers.
  std::optional<int64_t> channel;

  bool sends() const { return end == 0; }
  /// "@w (producer)" or "@w (consumer 2)", for messages.
  std::string describe() const;
};

class Design {
public:
  explicit Design(DeviceOp device);

  /// Ends by tile, in the order of tiles and fifos.
  const llvm::MapVector<TileOp, llvm::SmallVector<FifoEnd>> &tiles() const {
    return ends;
  }
  /// The link in which a fifo ends or begins in that tile, null without one.
  ObjectFifoLinkOp linkAt(ObjectFifoOp fifo, TileOp tile) const;
  CoreOp coreOf(TileOp tile) const { return cores.lookup(tile); }

private:
  void addFifo(ObjectFifoOp fifo);
  FifoEnd makeEnd(ObjectFifoOp fifo, unsigned end, TileOp tile) const;
  void shareInLink(FifoEnd &end, ObjectFifoLinkOp link) const;
  int64_t buffersOf(ObjectFifoOp fifo, unsigned end, TileOp tile) const;

  llvm::MapVector<TileOp, llvm::SmallVector<FifoEnd>> ends;
  llvm::DenseMap<TileOp, CoreOp> cores;
  llvm::DenseMap<std::pair<ObjectFifoOp, TileOp>, ObjectFifoLinkOp> links;
};

/// Whether the core of one tile reaches the memory of the other; memory tiles
/// reach that of their neighbours.
bool reaches(TileOp from, TileOp memory);

/// The end of `fifo` that has the buffers where its two tiles share memory and
/// nothing asks for a DMA; none otherwise.
std::optional<unsigned> findSharedEnd(ObjectFifoOp fifo);

} // namespace headrace::aie

#endif // HEADRACE_PASSES_AIE_DESIGN_H
