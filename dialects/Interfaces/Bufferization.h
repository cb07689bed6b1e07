//===- Bufferization.h - tensors and views of bytes to memrefs --*- C++ -*-===//
//
// Packed matrices and caches are not tensors: one-shot bufferization leaves
// them alone, and their bytes become a view of a memref. What it cannot see is
// that a view is read, or written, long after it was made. So an operation that
// makes a view of a tensor looks for everything that writes into the tensor's
// buffer at any other time than before, and copies the tensor if there is any.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_DIALECTS_INTERFACES_BUFFERIZATION_H
#define HEADRACE_DIALECTS_INTERFACES_BUFFERIZATION_H

#include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"

namespace headrace {

using mlir::bufferization::AliasingValueList;
using mlir::bufferization::AnalysisState;
using mlir::bufferization::BufferizableOpInterface;
using mlir::bufferization::BufferizationOptions;
using mlir::bufferization::BufferizationState;

/// The operands of `op` with tensors as memrefs.
mlir::FailureOr<llvm::SmallVector<mlir::Value>>
bufferOperands(mlir::Operation *op, mlir::RewriterBase &rewriter,
               const BufferizationOptions &options, BufferizationState &state);

/// The memref form of an operation in destination style, whose results are the
/// buffers of its destinations.
mlir::LogicalResult bufferizeDestinations(mlir::Operation *op,
                                          mlir::RewriterBase &rewriter,
                                          const BufferizationOptions &options,
                                          BufferizationState &state);

/// The values that are views of the same bytes as `view`: what operations and
/// loops that it is passed to yield of the same kind of type, itself first.
llvm::SetVector<mlir::Value> viewsOf(mlir::Value view);

/// The view that `view` is, before operations of its dialect, or loops of such,
/// wrote through it.
mlir::Value origin(mlir::Value view);

/// The use by which `view`, or a view of it, leaves its block; null if none.
mlir::OpOperand *findEscape(mlir::Value view);

/// Whether the buffer of `tensor` is written, in place, otherwise than before
/// `op`.
bool isOverwritten(mlir::Operation *op, mlir::Value tensor,
                   const AnalysisState &state);

/// Lets `op`, which makes `view` of its tensor operand, have a copy of the
/// tensor where its buffer is overwritten while the view may be read. Copies
/// and other buffers that end with their block are refused if the view does
/// not.
mlir::LogicalResult keepViewed(mlir::Operation *op, mlir::OpOperand &tensor,
                               mlir::Value view, mlir::RewriterBase &rewriter,
                               const AnalysisState &analysis,
                               const BufferizationState &state);

/// Lets the uses of tensor `result` of `op`, which are the bytes of a view,
/// have a copy where they, or the view if `viewChanges`, are overwritten later.
mlir::LogicalResult keepBytes(mlir::Operation *op, mlir::Value result,
                              bool viewChanges, mlir::RewriterBase &rewriter,
                              const AnalysisState &analysis,
                              const BufferizationState &state);

/// `buffer` as `type`, which differs in its layout at most.
mlir::Value castBuffer(mlir::OpBuilder &b, mlir::Location loc,
                       mlir::Value buffer, mlir::Type type);

/// The tensors that alias the tensor under `view`: its bytes.
template <typename ToBytesOp> AliasingValueList bytesOf(mlir::Value view) {
  AliasingValueList aliases;
  for (mlir::Value alias : viewsOf(view))
    for (mlir::Operation *user : alias.getUsers())
      if (auto bytes = mlir::dyn_cast<ToBytesOp>(user))
        if (mlir::isa<mlir::TensorType>(bytes->getResult(0).getType()))
          aliases.addAlias(
              {bytes->getResult(0),
               alias.getType() == view.getType()
                   ? mlir::bufferization::BufferRelation::Equivalent
                   : mlir::bufferization::BufferRelation::Unknown,
               /*isDefinite=*/false});
  return aliases;
}

/// What an operation in destination style does: reads its inputs, writes its
/// destinations. It never reads what they held.
template <typename Model, typename Op>
struct DestinationModel : BufferizableOpInterface::ExternalModel<Model, Op> {
  bool bufferizesToMemoryRead(mlir::Operation *op, mlir::OpOperand &operand,
                              const AnalysisState &) const {
    return !mlir::cast<mlir::DestinationStyleOpInterface>(op).isDpsInit(
        &operand);
  }
  bool bufferizesToMemoryWrite(mlir::Operation *op, mlir::OpOperand &operand,
                               const AnalysisState &) const {
    return mlir::cast<mlir::DestinationStyleOpInterface>(op).isDpsInit(
        &operand);
  }
  AliasingValueList getAliasingValues(mlir::Operation *op,
                                      mlir::OpOperand &operand,
                                      const AnalysisState &) const {
    auto dest = mlir::cast<mlir::DestinationStyleOpInterface>(op);
    if (!dest.isDpsInit(&operand))
      return {};
    return {{dest.getTiedOpResult(&operand),
             mlir::bufferization::BufferRelation::Equivalent}};
  }
  mlir::LogicalResult bufferize(mlir::Operation *op,
                                mlir::RewriterBase &rewriter,
                                const BufferizationOptions &options,
                                BufferizationState &state) const {
    return bufferizeDestinations(op, rewriter, options, state);
  }
};

template <typename Op>
struct DestinationBufferization
    : DestinationModel<DestinationBufferization<Op>, Op> {};

/// `FromBytesOp` takes a tensor as a view; `ToBytesOp` gives it back.
/// `isWritten` says whether something writes through a view.
template <typename FromBytesOp, typename ToBytesOp,
          bool (*isWritten)(mlir::Value)>
struct FromBytesBufferization
    : BufferizableOpInterface::ExternalModel<
          FromBytesBufferization<FromBytesOp, ToBytesOp, isWritten>,
          FromBytesOp> {
  bool bufferizesToMemoryRead(mlir::Operation *, mlir::OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(mlir::Operation *op, mlir::OpOperand &,
                               const AnalysisState &) const {
    return isWritten(op->getResult(0));
  }
  AliasingValueList getAliasingValues(mlir::Operation *op, mlir::OpOperand &,
                                      const AnalysisState &) const {
    return bytesOf<ToBytesOp>(op->getResult(0));
  }
  mlir::LogicalResult resolveConflicts(mlir::Operation *op,
                                       mlir::RewriterBase &rewriter,
                                       const AnalysisState &analysis,
                                       const BufferizationState &state) const {
    return keepViewed(op, op->getOpOperand(0), op->getResult(0), rewriter,
                      analysis, state);
  }
  mlir::LogicalResult bufferize(mlir::Operation *op,
                                mlir::RewriterBase &rewriter,
                                const BufferizationOptions &options,
                                BufferizationState &state) const {
    auto operands = bufferOperands(op, rewriter, options, state);
    if (failed(operands))
      return mlir::failure();
    mlir::bufferization::replaceOpWithNewBufferizedOp<FromBytesOp>(
        rewriter, op, op->getResult(0).getType(), operands->front());
    return mlir::success();
  }
};

template <typename FromBytesOp, typename ToBytesOp,
          bool (*isWritten)(mlir::Value)>
struct ToBytesBufferization
    : BufferizableOpInterface::ExternalModel<
          ToBytesBufferization<FromBytesOp, ToBytesOp, isWritten>, ToBytesOp> {
  AliasingValueList getAliasingValues(mlir::Operation *, mlir::OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }
  mlir::LogicalResult resolveConflicts(mlir::Operation *op,
                                       mlir::RewriterBase &rewriter,
                                       const AnalysisState &analysis,
                                       const BufferizationState &state) const {
    return keepBytes(op, op->getResult(0), isWritten(op->getOperand(0)),
                     rewriter, analysis, state);
  }
  mlir::FailureOr<mlir::bufferization::BufferLikeType>
  getBufferType(mlir::Operation *op, mlir::Value value,
                const BufferizationOptions &options,
                const BufferizationState &state,
                llvm::SmallVector<mlir::Value> &invocationStack) const {
    auto from = origin(op->getOperand(0)).template getDefiningOp<FromBytesOp>();
    if (!from)
      return mlir::bufferization::detail::defaultGetBufferType(
          value, options, state, invocationStack);
    if (auto buffer = mlir::dyn_cast<mlir::bufferization::BufferLikeType>(
            from.getBytes().getType()))
      return buffer;
    return mlir::bufferization::getBufferType(from.getBytes(), options, state,
                                              invocationStack);
  }
  mlir::LogicalResult bufferize(mlir::Operation *op,
                                mlir::RewriterBase &rewriter,
                                const BufferizationOptions &options,
                                BufferizationState &state) const {
    auto type =
        mlir::bufferization::getBufferType(op->getResult(0), options, state);
    if (failed(type))
      return mlir::failure();
    auto from = origin(op->getOperand(0)).template getDefiningOp<FromBytesOp>();
    mlir::Value bytes;
    if (from && mlir::isa<mlir::BaseMemRefType>(from.getBytes().getType()))
      bytes = castBuffer(rewriter, op->getLoc(), from.getBytes(), *type);
    else
      bytes = ToBytesOp::create(rewriter, op->getLoc(), mlir::Type(*type),
                                op->getOperand(0));
    mlir::bufferization::replaceOpWithBufferizedValues(rewriter, op, bytes);
    return mlir::success();
  }
};

} // namespace headrace

#endif // HEADRACE_DIALECTS_INTERFACES_BUFFERIZATION_H
