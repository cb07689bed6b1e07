//===- GraphBuilder.h - pieces of a graph -----------------------*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_GRAPHBUILDER_H
#define HEADRACE_PASSES_DATAFLOW_GRAPHBUILDER_H

#include "dialects/Dataflow/Dataflow.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

namespace headrace::dataflow {

/// Contiguous memory of `size` numbers.
inline mlir::MemRefType getMemory(int64_t size, mlir::Type element) {
  return mlir::MemRefType::get({size}, element);
}

/// Builds streams of a graph, and what tasks have around their calls.
struct GraphBuilder {
  mlir::OpBuilder &b;
  mlir::Location loc;

  mlir::Value addStream(const llvm::Twine &name, int64_t depth,
                        mlir::MemRefType element) {
    llvm::SmallString<16> text;
    return StreamOp::create(b, loc, StreamType::get(b.getContext(), element),
                            name.toStringRef(text), depth);
  }

  /// Goes on in a new task.
  void enterTask(llvm::StringRef name, mlir::DenseI64ArrayAttr place) {
    TaskOp task = TaskOp::create(b, loc, name, place);
    b.setInsertionPointToEnd(&task.getBody().emplaceBlock());
    zero = mlir::arith::ConstantIndexOp::create(b, loc, 0);
    one = mlir::arith::ConstantIndexOp::create(b, loc, 1);
  }

  /// `body` with the window of a stream.
  template <typename Window>
  void inWindow(mlir::Value stream,
                llvm::function_ref<void(mlir::Value)> body) {
    mlir::OpBuilder::InsertionGuard guard(b);
    Window window = Window::create(b, loc, stream);
    b.setInsertionPointToEnd(&window.getBlock());
    body(window.getWindow());
  }

  /// `body` in a loop of `count`, with the number of the iteration.
  void addLoop(int64_t count, llvm::function_ref<void(mlir::Value)> body) {
    mlir::OpBuilder::InsertionGuard guard(b);
    mlir::Value end = mlir::arith::ConstantIndexOp::create(b, loc, count);
    mlir::scf::ForOp loop = mlir::scf::ForOp::create(b, loc, zero, end, one);
    b.setInsertionPointToStart(loop.getBody());
    body(loop.getInductionVar());
  }

  /// A number of an iteration as an argument of a core's function.
  mlir::Value asArgument(mlir::Value index) {
    return mlir::arith::IndexCastOp::create(b, loc, b.getI32Type(), index);
  }

  /// Constants of the task.
  mlir::Value zero = {}, one = {};
};

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_GRAPHBUILDER_H
