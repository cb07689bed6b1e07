//===- AffineMatcher.cpp - the parts of a dequantized matrix --------------===//

#include "passes/common/AffineMatcher.h"

#include "dialects/QLinear/OpVerification.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

#include <cmath>

using namespace mlir;
using namespace headrace::common;
using namespace headrace::qlinear;

std::optional<AffineParts> AffineMatcher::match(Value tensor, bool transposed) {
  SmallVector<AffineExpr> indices = {row(), col()};
  if (transposed)
    std::swap(indices[0], indices[1]);
  Element value = tracer.computed(tracer.element(tensor, indices));
  if (computedBy<arith::AddFOp>(value)) {
    for (unsigned i : {0, 1}) {
      parts = AffineParts();
      ScaleKind kind;
      if (!matchProduct(tracer.operand(value, i)) || parts.zeros)
        continue;
      parts.zeros = matchFloats(tracer.operand(value, 1 - i), kind);
      if (parts.zeros && kind == scaleKind && choose(ZeroPointKind::Float))
        return parts;
    }
    return std::nullopt;
  }
  if (!matchProduct(value))
    return std::nullopt;
  int64_t middle = int64_t(1) << (parts.code.bits - 1);
  bool symmetric = !parts.zeros && parts.code.zero == middle;
  if (!choose(symmetric ? ZeroPointKind::None : ZeroPointKind::Integer))
    return std::nullopt;
  return parts;
}

bool AffineMatcher::choose(ZeroPointKind zero) {
  int64_t middle = int64_t(1) << (parts.code.bits - 1);
  if (zero == ZeroPointKind::Float && parts.code.zero != middle)
    return false;
  if (parts.code.zero < 0 || parts.code.zero > 255)
    return false;
  int64_t group = parts.groups == 1 ? 0 : cols / parts.groups;
  parts.format = AffineFormatAttr::get(context, parts.code.bits, group,
                                       scaleKind, zero, /*actOrder=*/false);
  return cols % parts.format.getBlockCols() == 0;
}

/// scale * codes, or codes alone.
bool AffineMatcher::matchProduct(const Element &element) {
  Element value = tracer.computed(element);
  if (!computedBy<arith::MulFOp>(value)) {
    parts = AffineParts();
    scaleKind = ScaleKind::F32;
    return matchCodes(value);
  }
  for (unsigned i : {0, 1}) {
    parts = AffineParts();
    if (matchScale(tracer.operand(value, 1 - i)) &&
        matchCodes(tracer.operand(value, i)))
      return true;
  }
  return false;
}

//===----------------------------------------------------------------------===//
// Scales
//===----------------------------------------------------------------------===//

std::optional<Arrangement>
AffineMatcher::perGroup(const Element &element) const {
  AffineExpr group = parts.groups == 1 ? tracer.number(0)
                                       : col().floorDiv(cols / parts.groups);
  return tracer.arrange(element, {row(), group}, {rows, parts.groups});
}

std::optional<Arrangement> AffineMatcher::matchFloats(const Element &element,
                                                      ScaleKind &kind) {
  Element leaf = element;
  Element value = tracer.computed(element);
  if (computedBy<arith::ExtFOp>(value))
    leaf = tracer.operand(value, 0);
  leaf = tracer.argument(leaf);
  auto type = dyn_cast<RankedTensorType>(leaf.value.getType());
  if (!type)
    return std::nullopt;
  if (type.getElementType().isF32())
    kind = ScaleKind::F32;
  else if (type.getElementType().isF16())
    kind = ScaleKind::F16;
  else if (type.getElementType().isBF16())
    kind = ScaleKind::BF16;
  else
    return std::nullopt;
  return perGroup(tracer.source(leaf));
}

bool AffineMatcher::matchScale(const Element &element) {
  if (std::optional<double> scale = tracer.constant(element)) {
    parts.scale = *scale;
    scaleKind = ScaleKind::F32;
    return true;
  }
  // As many groups as there are numbers for a row, the earliest that fits.
  Element value = tracer.computed(element);
  Element leaf =
      computedBy<arith::ExtFOp>(value) ? tracer.operand(value, 0) : element;
  leaf = tracer.source(tracer.argument(leaf));
  auto type = dyn_cast<RankedTensorType>(leaf.value.getType());
  if (!type || !isCountable(type) || type.getNumElements() % rows)
    return false;
  parts.groups = type.getNumElements() / rows;
  if (parts.groups == 0 || cols % parts.groups ||
      (parts.groups > 1 && cols / parts.groups % 8))
    return false;
  parts.scales = matchFloats(element, scaleKind);
  return parts.scales.has_value();
}

//===----------------------------------------------------------------------===//
// Codes and integer zero points
//===----------------------------------------------------------------------===//

bool AffineMatcher::matchCodes(const Element &element) {
  std::optional<ElementFunction> function =
      ElementFunction::get(tracer, element, /*allowInput=*/true);
  if (function)
    return matchBytes(*function);
  // Codes less zero points of groups, as floats or as integers that have room.
  Element value = tracer.computed(element);
  if (auto cast = computedBy<arith::SIToFPOp>(value)) {
    value = tracer.computed(tracer.operand(value, 0));
    if (!computedBy<arith::SubIOp>(value) ||
        value.value.getType().getIntOrFloatBitWidth() < 16)
      return false;
  } else if (!computedBy<arith::SubFOp>(value) ||
             !value.value.getType().isF32()) {
    return false;
  }
  function = ElementFunction::get(tracer, tracer.operand(value, 0),
                                  /*allowInput=*/true);
  return function && matchBytes(*function) &&
         matchZero(tracer.operand(value, 1));
}

/// Codes that are computed are activations, not weights.
static bool isWeight(Value value) {
  Operation *op = value.getDefiningOp();
  return !op || op->getNumOperands() == 0;
}

bool AffineMatcher::matchBytes(const ElementFunction &function) {
  if (!function.getInput() || !isWeight(function.getInput()->value))
    return false;
  const Element &input = *function.getInput();
  auto type = cast<RankedTensorType>(input.value.getType());
  if (!isCountable(type))
    return false;
  int64_t perByte = rows * cols / type.getNumElements();
  if ((perByte != 1 && perByte != 2 && perByte != 4) || cols % perByte)
    return false;
  SmallVector<AffineExpr> indices = function.getIndices();
  if (!llvm::all_of(indices, [&](AffineExpr index) {
        return tracer.equal(index, col() % perByte);
      }))
    return false;
  std::optional<Arrangement> codes = tracer.arrange(
      input, {row(), col().floorDiv(perByte)}, {rows, cols / perByte});
  if (!codes)
    return false;

  int64_t bits = 8 / perByte, mask = (1 << bits) - 1, sign = 1 << (bits - 1);
  for (bool isSigned : {false, true}) {
    for (bool reversed : {false, true}) {
      auto code = [&](int64_t byte, int64_t at) {
        int64_t low = (reversed ? perByte - 1 - at : at) * bits;
        return double((byte >> low & mask) ^ (isSigned ? sign : 0));
      };
      double zero = code(0, 0) - function.evaluate({0, 0}, 0);
      bool fits = zero == std::floor(zero) && std::abs(zero) < 1024;
      for (int64_t byte = 0; byte < 256 && fits; ++byte)
        for (int64_t at = 0; at < perByte && fits; ++at)
          fits = function.evaluate({0, at}, byte) == code(byte, at) - zero;
      if (!fits)
        continue;
      parts.code.bits = bits;
      parts.code.reversed = reversed && perByte > 1;
      parts.code.zero = static_cast<int64_t>(zero);
      for (int64_t at = 0; at < perByte && isSigned; ++at)
        parts.code.flip |= sign << (at * bits);
      parts.codes = *codes;
      return true;
    }
  }
  return false;
}

bool AffineMatcher::matchZero(const Element &element) {
  std::optional<ElementFunction> function =
      ElementFunction::get(tracer, element, /*allowInput=*/true);
  if (!function || !function->getInput() || !function->getIndices().empty())
    return false;
  parts.zeros = perGroup(*function->getInput());
  if (!parts.zeros)
    return false;
  // What is stored is the byte itself, or with its sign bit flipped.
  for (uint8_t flip : {0x00, 0x80}) {
    bool fits = true;
    for (int64_t byte = 0; byte < 256 && fits; ++byte)
      fits = function->evaluate({0, 0}, byte) + parts.code.zero ==
             double(byte ^ flip);
    if (fits) {
      parts.flipZero = flip;
      parts.code.zero = 0;
      return true;
    }
  }
  return false;
}
