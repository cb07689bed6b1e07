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

  llvm::StringRef format() const {
    return matrices.front().getFormat().getFormatName();
  }
  int64_t rows() const { return matrices.front().getRows(); }
  int64_t columns() const { return matrices.front().getCols(); }
  /// Blocks that a row goes through.
  int64_t blocks() const;
  /// Bytes of a block of `kUnitRows` rows.
  int64_t blockBytes() const { return getUnitLayout(format())->bytes; }
  /// Activations come in pieces that are as large as blocks.
  int64_t pieces() const;
};

/// Memory that a core needs for products of at most so many pieces, stack
/// excluded. gated: whether there is any with a gate.
int64_t getCoreMemory(const Product &product, int64_t pieces, bool gated);

/// Builds the graph of products, which are done one after the other, at the
/// builder's place.
GraphOp buildProducts(llvm::ArrayRef<Product> products, const Array &array,
                      mlir::OpBuilder &builder, llvm::StringRef name);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_PRODUCTGRAPH_H
