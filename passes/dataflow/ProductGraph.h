//===- ProductGraph.h - products for the cores of an array ------*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_PRODUCTGRAPH_H
#define HEADRACE_PASSES_DATAFLOW_PRODUCTGRAPH_H

#include "dialects/Dataflow/Dataflow.h"
#include "dialects/QLinear/QLinear.h"
#include "passes/dataflow/Columns.h"
#include "passes/dataflow/CoreCalls.h"

namespace headrace::dataflow {

/// A matrix, or gate and up, times a vector.
struct Product {
  mlir::Operation *op;
  llvm::SmallVector<qlinear::PackedType, 2> matrices;
  mlir::Value x;
  /// Of a gated product, the name of its function.
  std::string gate;
  /// Columns of a block.
  int64_t blockColumns = kBlockColumns;

  llvm::StringRef format() const {
    return matrices.front().getFormat().getFormatName();
  }
  int64_t rows() const { return matrices.front().getRows(); }
  int64_t columns() const { return matrices.front().getCols(); }
  /// Blocks that a row goes through.
  int64_t blocks() const;
  /// Bytes of a block of `kUnitRows` rows.
  int64_t blockBytes() const {
    return getUnitLayout(format(), blockColumns)->bytes;
  }
  /// Activations come in pieces that are as large as blocks.
  int64_t pieces() const;
  /// Pieces that a core has room for on their way: one comes while it takes the
  /// other, where blocks are so small that there is memory.
  int64_t xDepth() const { return blockColumns < kBlockColumns ? 2 : 1; }
};

/// Elements of weights that a memory tile holds: what it has descriptors for if
/// there is one element of results. More of those have no use: results are few
/// and there is time for them.
constexpr int64_t kMemoryDepth = 4, kResultsDepth = 1;
/// Elements of weights that a core holds: cores take less time for one, with
/// its way to them, than the memory of the host. Of a fifo with two, loops of
/// the core's code would be there twice, once for each.
constexpr int64_t kCoreDepth = 1;

/// Columns of x that a core has room for, so many pieces of them.
int64_t getStoredColumns(const Product &product, int64_t pieces);

/// Memory that a core needs for products of at most so many pieces, stack
/// excluded. gated: whether there is any with a gate. handsOver: whether a core
/// hands activations over to its neighbour.
int64_t getCoreMemory(const Product &product, int64_t pieces, bool gated,
                      bool handsOver);

/// Chooses the columns of the blocks of a product that is alone.
void chooseBlocks(Product &product, const Array &array);

/// Builds the graph of products, which are done one after the other, at the
/// builder's place. handsOver: whether the second core takes every other piece
/// of the activations and hands it over to the first.
GraphOp buildProducts(llvm::ArrayRef<Product> products, const Array &array,
                      bool handsOver, mlir::OpBuilder &builder,
                      llvm::StringRef name);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_PRODUCTGRAPH_H
