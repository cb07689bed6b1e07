//===- QLinearLayoutOps.cpp - packed matrices from packed matrices --------===//

#include "dialects/QLinear/OpVerification.h"

using namespace mlir;
using namespace headrace::qlinear;

//===----------------------------------------------------------------------===//
// Concat
//===----------------------------------------------------------------------===//

LogicalResult ConcatOp::verify() {
  if (getInputs().empty())
    return emitOpError("expected at least one matrix, but got none");
  auto first = cast<PackedType>(getInputs().front().getType());
  QuantFormatAttrInterface format = first.getFormat();
  if (first.getHeaderBytes() != 0)
    return emitOpError() << "expected rows that stand alone, but got " << format
                         << ", whose rows share the header of the matrix; "
                            "allowed: for example #qlinear.gguf<q4_k>";
  int64_t rows = 0, block = format.getBlockRows();
  for (auto [i, input] : llvm::enumerate(getInputs())) {
    auto type = cast<PackedType>(input.getType());
    if (type.getFormat() != format)
      return emitOpError() << "expected matrices of one format, but got "
                           << format << " and " << type.getFormat();
    if (failed(expectSize(*this, "columns of matrix " + std::to_string(i),
                          first.getCols(), type.getCols(),
                          "those of the first")))
      return failure();
    if (type.getRows() % block && i + 1 != getInputs().size())
      return emitOpError() << "expected rows of matrix " << i
                           << " in multiples of " << block << " (the block of "
                           << format.getFormatName() << "), but got "
                           << type.getRows()
                           << "; allowed: a partial block in the last matrix";
    rows += type.getRows();
  }
  PackedType result = getResult().getType();
  if (result.getRows() != rows || result.getCols() != first.getCols() ||
      result.getFormat() != format)
    return emitOpError() << "expected a result of " << rows << "x"
                         << first.getCols() << " in " << format << ", but got "
                         << result;
  return success();
}

OpFoldResult ConcatOp::fold(FoldAdaptor) {
  return getInputs().size() == 1 ? getInputs().front() : Value();
}

//===----------------------------------------------------------------------===//
// Repack
//===----------------------------------------------------------------------===//

/// The format whose blocks are in some order.
static QuantFormatAttrInterface blockFormat(PackedType type) {
  auto repacked = dyn_cast<RepackedFormatAttr>(type.getFormat());
  return repacked ? repacked.getFormat() : type.getFormat();
}

PackedType RepackOp::getPackedType() {
  return cast<PackedType>(getResult() ? getResult().getType()
                                      : getDest().getType());
}

void RepackOp::getEffects(
    SmallVectorImpl<SideEffects::EffectInstance<MemoryEffects::Effect>>
        &effects) {
  if (!getDest())
    return;
  effects.emplace_back(MemoryEffects::Read::get(), &getPackedMutable(),
                       SideEffects::DefaultResource::get());
  effects.emplace_back(MemoryEffects::Write::get(), &getDestMutable()[0],
                       SideEffects::DefaultResource::get());
}

LogicalResult RepackOp::verify() {
  if (!getDest() == !getResult())
    return emitOpError() << "expected either a destination (in a kernel) or a "
                            "result, but got "
                         << (getDest() ? "both" : "neither");
  PackedType source = getPacked().getType(), result = getPackedType();
  if (source.getRows() != result.getRows() ||
      source.getCols() != result.getCols())
    return emitOpError() << "expected a result of " << source.getRows() << "x"
                         << source.getCols() << ", as the operand, but got "
                         << result;
  QuantFormatAttrInterface from = blockFormat(source), to = blockFormat(result);
  if (from == to)
    return success();
  return emitOpError() << "expected another order of the blocks of " << from
                       << ", but got " << result.getFormat()
                       << "; allowed: " << from
                       << " and #qlinear.repacked of it with \"rows4\", "
                          "\"rows8\", \"rows16\" or \"strips16\"";
}

LogicalResult RepackOp::fold(FoldAdaptor,
                             SmallVectorImpl<OpFoldResult> &results) {
  if (getDest())
    return failure();
  if (getPacked().getType() == getPackedType()) {
    results.push_back(getPacked());
    return success();
  }
  // Where the blocks were before does not matter.
  auto before = getPacked().getDefiningOp<RepackOp>();
  if (!before)
    return failure();
  if (before.getPacked().getType() == getPackedType()) {
    results.push_back(before.getPacked());
    return success();
  }
  getPackedMutable().assign(before.getPacked());
  return success();
}
