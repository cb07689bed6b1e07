//===- QLinearBufferization.cpp - qlinear operations on memrefs -----------===//
//
// A packed matrix is a read-only view: of the memref that a tensor of bytes
// became, or of a new one for quantized activations. Slices, concatenations and
// repacked matrices have no tensors, and stay as they are.
//
//===----------------------------------------------------------------------===//

#include "dialects/Interfaces/Bufferization.h"
#include "dialects/QLinear/InterfaceModels.h"
#include "dialects/QLinear/QLinear.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;
using namespace headrace;
using namespace headrace::qlinear;

namespace {

bool neverWritten(Value) { return false; }

struct QuantizeBufferization
    : BufferizableOpInterface::ExternalModel<QuantizeBufferization,
                                             QuantizeOp> {
  bool bufferizesToMemoryRead(Operation *, OpOperand &,
                              const AnalysisState &) const {
    return true;
  }
  bool bufferizesToMemoryWrite(Operation *, OpOperand &,
                               const AnalysisState &) const {
    return false;
  }
  AliasingValueList getAliasingValues(Operation *, OpOperand &,
                                      const AnalysisState &) const {
    return {};
  }

  LogicalResult verifyAnalysis(Operation *op, const AnalysisState &) const {
    auto quantize = cast<QuantizeOp>(op);
    if (!quantize.getResult())
      return success();
    if (OpOperand *escape = findEscape(quantize.getResult())) {
      InFlightDiagnostic diag =
          op->emitOpError()
          << "expected the result to end with the block that has its buffer, "
             "but it is passed on; allowed: to pass on its bytes";
      diag.attachNote(escape->getOwner()->getLoc()) << "passed on here";
      return diag;
    }
    return success();
  }

  LogicalResult bufferize(Operation *op, RewriterBase &rewriter,
                          const BufferizationOptions &options,
                          BufferizationState &state) const {
    auto quantize = cast<QuantizeOp>(op);
    FailureOr<SmallVector<Value>> operands =
        bufferOperands(op, rewriter, options, state);
    if (failed(operands))
      return failure();
    PackedType type = quantize.getPackedType();
    auto bytesType =
        MemRefType::get({type.getStorageBytes()}, rewriter.getI8Type());
    FailureOr<Value> bytes =
        options.createAlloc(rewriter, op->getLoc(), bytesType, {});
    if (failed(bytes))
      return failure();
    Value packed = FromBytesOp::create(rewriter, op->getLoc(), type, *bytes);
    QuantizeOp::create(rewriter, op->getLoc(), Type(), operands->front(),
                       packed);
    bufferization::replaceOpWithBufferizedValues(rewriter, op, packed);
    return success();
  }
};

/// An element is read before it is written, so that `init` may be `gate`.
struct GatedActivationBufferization
    : DestinationModel<GatedActivationBufferization, GatedActivationOp> {
  bool bufferizesToElementwiseAccess(Operation *, const AnalysisState &,
                                     ArrayRef<OpOperand *>) const {
    return true;
  }
};

template <typename... Ops> void attachDestinations(MLIRContext *context) {
  (Ops::template attachInterface<DestinationBufferization<Ops>>(*context), ...);
}

} // namespace

void headrace::qlinear::registerBufferizationModels(DialectRegistry &registry) {
  registry.insert<bufferization::BufferizationDialect, memref::MemRefDialect>();
  registry.addExtension(+[](MLIRContext *context, QLinearDialect *) {
    context->loadDialect<bufferization::BufferizationDialect,
                         memref::MemRefDialect>();
    attachDestinations<MatvecOp, MatmulOp, GatedMatvecOp, SparseMatvecOp,
                       LutMatvecOp, AssignCentroidsOp, SelectColumnsOp,
                       DequantizeOp, RmsNormOp, LayerNormOp>(context);
    GatedActivationOp::attachInterface<GatedActivationBufferization>(*context);
    FromBytesOp::attachInterface<
        FromBytesBufferization<FromBytesOp, ToBytesOp, neverWritten>>(*context);
    ToBytesOp::attachInterface<
        ToBytesBufferization<FromBytesOp, ToBytesOp, neverWritten>>(*context);
    QuantizeOp::attachInterface<QuantizeBufferization>(*context);
  });
}
