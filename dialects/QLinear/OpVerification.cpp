//===- OpVerification.cpp - what verifiers of qlinear share ---------------===//

#include "dialects/QLinear/OpVerification.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::qlinear;

bool headrace::qlinear::isCountable(ShapedType type) {
  int64_t bytes = 16;
  return type.hasStaticShape() &&
         llvm::all_of(type.getShape(), [&](int64_t size) {
           return size > 0 && !llvm::MulOverflow(bytes, size, bytes);
         });
}

LogicalResult headrace::qlinear::expectSize(Operation *op, StringRef what,
                                            int64_t want, int64_t got,
                                            const Twine &why) {
  if (want == got)
    return success();
  InFlightDiagnostic diag = op->emitOpError()
                            << "expected " << what << " of " << want << " ("
                            << why << "), but got ";
  if (ShapedType::isDynamic(got))
    return diag << "a dynamic size; allowed: static shapes";
  return diag << got;
}

LogicalResult headrace::qlinear::expectShapeOf(Operation *op, StringRef what,
                                               Value value, StringRef likeName,
                                               Value like) {
  ShapedType got = shaped(value), want = shaped(like);
  if (!want.hasStaticShape())
    return op->emitOpError()
           << "expected " << likeName << " of a static shape, but got " << want;
  if (got.getShape() == want.getShape())
    return success();
  return op->emitOpError() << "expected " << what << " of the shape of "
                           << likeName << ", " << want << ", but got " << got;
}

LogicalResult headrace::qlinear::expectWeight(Operation *op, PackedType type) {
  if (!type.getFormat().isActivationFormat())
    return success();
  return op->emitOpError() << "expected a weight format, but got "
                           << type.getFormat()
                           << ", which holds activations; allowed: for example "
                              "#qlinear.gguf<q4_k>, #qlinear.q4nx";
}

LogicalResult headrace::qlinear::expectActivations(Operation *op, Value x,
                                                   int64_t tokens,
                                                   int64_t cols) {
  if (auto packed = dyn_cast<PackedType>(x.getType())) {
    if (!packed.getFormat().isActivationFormat())
      return op->emitOpError()
             << "expected x in an activation format, but got "
             << packed.getFormat() << "; allowed: #qlinear.act_i8, f32 or bf16";
    if (failed(expectSize(op, "rows of x", tokens, packed.getRows(),
                          "the number of tokens")))
      return failure();
    return expectSize(op, "columns of x", cols, packed.getCols(),
                      "the columns of the weight");
  }
  auto type = shaped(x);
  if (type.getRank() == 2 &&
      failed(expectSize(op, "dimension 0 of x", tokens, type.getDimSize(0),
                        "the number of tokens")))
    return failure();
  return expectSize(op,
                    type.getRank() == 1 ? "a size of x" : "dimension 1 of x",
                    cols, lastDim(x), "the columns of the weight");
}

LogicalResult headrace::qlinear::expectOneWorld(Operation *op, ValueRange inits,
                                                ValueRange inputs,
                                                size_t results) {
  bool tensors = isa<TensorType>(inits[0].getType());
  auto mixed = [&](ValueRange values) -> Type {
    for (Value value : values)
      if (!isa<PackedType>(value.getType()) &&
          isa<TensorType>(value.getType()) != tensors)
        return value.getType();
    return {};
  };
  for (ValueRange values : {inputs, inits})
    if (Type type = mixed(values))
      return op->emitOpError()
             << "expected inputs and outs all tensors or all memrefs, but got "
             << type << " and " << inits[0].getType();
  size_t want = tensors ? inits.size() : 0;
  if (results == want)
    return success();
  InFlightDiagnostic diag = op->emitOpError() << "expected ";
  if (want == 0)
    diag << "no result";
  else if (want == 1)
    diag << "one result";
  else
    diag << want << " results";
  return diag << " for outs of " << inits[0].getType() << ", but got "
              << results;
}

/// Effects of an op in destination style: on memrefs it reads its inputs and
/// writes its destination; on tensors it has none. A packed operand may be a
/// view of a memref, so it counts as read whenever the destination is a memref.
void headrace::qlinear::addDestinationStyleEffects(
    DestinationStyleOpInterface op,
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  if (op.hasPureTensorSemantics())
    return;
  bool buffers = isa<BaseMemRefType>(op.getDpsInitOperand(0)->get().getType());
  if (!buffers)
    return;
  for (OpOperand *input : op.getDpsInputOperands())
    effects.emplace_back(MemoryEffects::Read::get(), input,
                         SideEffects::DefaultResource::get());
  for (OpOperand &init : op.getDpsInitsMutable())
    effects.emplace_back(MemoryEffects::Write::get(), &init,
                         SideEffects::DefaultResource::get());
}
