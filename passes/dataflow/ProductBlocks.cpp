//===- ProductBlocks.cpp - blocks of weights and their memory -------------===//

#include "passes/dataflow/ProductGraph.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::dataflow;

int64_t Product::blocks() const {
  // Formats are stored in whole blocks of `kBlockColumns`.
  return llvm::divideCeil(columns(), kBlockColumns) *
         (kBlockColumns / blockColumns);
}

int64_t Product::pieces() const {
  return llvm::divideCeil(2 * blocks() * blockColumns, blockBytes());
}

int64_t headrace::dataflow::getStoredColumns(const Product &product,
                                             int64_t pieces) {
  // The sums of their groups, of 4 bytes each, fill whole vectors.
  constexpr int64_t kVectorBytes = 64;
  return llvm::alignTo(pieces * product.blockBytes() / 2,
                       kVectorBytes / 4 * kGroupColumns);
}

/// What blocks of these columns cost, in bytes that a channel could bring in
/// that time: between blocks it stands still; the last one goes on to a core,
/// which takes as long to multiply it; and until there are activations, weights
/// have to fit into the memory on their way.
static int64_t getCost(Product product, const Array &array, int64_t columns) {
  // Of a descriptor.
  constexpr int64_t kGapBytes = 16;
  product.blockColumns = columns;
  int64_t cores = shareChannels(array).front(), block = product.blockBytes();
  int64_t units = llvm::divideCeil(product.rows(), kUnitRows);
  int64_t rounds = llvm::divideCeil(units, array.rows * array.columns);
  int64_t blocks = rounds * cores * product.blocks() *
                   static_cast<int64_t>(product.matrices.size());
  int64_t x = product.pieces() * block;
  int64_t held = (kMemoryDepth + kCoreDepth) * cores * block;
  return blocks * kGapBytes + 2 * block + std::max<int64_t>(0, x - held);
}

void headrace::dataflow::chooseBlocks(Product &product, const Array &array) {
  for (int64_t columns : kUnitColumns)
    if (getUnitLayout(product.format(), columns) &&
        getCost(product, array, columns) <=
            getCost(product, array, product.blockColumns))
      product.blockColumns = columns;
}

int64_t headrace::dataflow::getCoreMemory(const Product &product,
                                          int64_t pieces, bool gated,
                                          bool handsOver) {
  int64_t columns = getStoredColumns(product, pieces);
  int64_t buffers = kCoreDepth * product.blockBytes() + kUnitRows * 4 +
                    (gated ? kUnitRows * 4 : 0);
  // Pieces on their way and those for the neighbour, all activations, their
  // sums.
  return buffers +
         (handsOver ? 2 : 1) * product.xDepth() * product.blockBytes() +
         columns * 2 + columns / kGroupColumns * 8;
}
