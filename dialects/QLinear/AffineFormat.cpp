//===- AffineFormat.cpp - integers with scales and zero points ------------===//

#include "dialects/QLinear/FormatDecoder.h"

using namespace mlir;
using namespace headrace::qlinear;

static int64_t scaleBytes(ScaleKind kind) {
  return kind == ScaleKind::F32 ? 4 : 2;
}

static Value readScale(Decoder &d, ScaleKind kind, Value at) {
  switch (kind) {
  case ScaleKind::F16:
    return d.f16(at);
  case ScaleKind::BF16:
    return d.bf16(at);
  case ScaleKind::F32:
    return d.f32At(at);
  }
  llvm_unreachable("unknown scale kind");
}

//===----------------------------------------------------------------------===//
// Assembly
//===----------------------------------------------------------------------===//

void AffineFormatAttr::print(AsmPrinter &printer) const {
  printer << "<bits = " << getBits() << ", group = ";
  if (isPerChannel())
    printer << "channel";
  else
    printer << getGroup();
  printer << ", scale = " << stringifyScaleKind(getScale());
  if (getZeroPoint() != ZeroPointKind::None)
    printer << ", zero_point = " << stringifyZeroPointKind(getZeroPoint());
  if (getActOrder())
    printer << ", act_order";
  printer << ">";
}

/// Parses a keyword that is one of an enumeration.
template <typename Enum>
static ParseResult parseEnum(AsmParser &parser, Enum &value,
                             std::optional<Enum> (*symbolize)(StringRef),
                             StringRef allowed) {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  if (parser.parseKeyword(&keyword))
    return failure();
  std::optional<Enum> found = symbolize(keyword);
  if (!found)
    return parser.emitError(loc)
           << "expected one of " << allowed << ", but got '" << keyword << "'";
  value = *found;
  return success();
}

Attribute AffineFormatAttr::parse(AsmParser &parser, Type) {
  int64_t bits = 0, group = 0;
  auto scale = ScaleKind::F16;
  auto zeroPoint = ZeroPointKind::None;
  bool actOrder = false;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseKeyword("bits") ||
      parser.parseEqual() || parser.parseInteger(bits) || parser.parseComma() ||
      parser.parseKeyword("group") || parser.parseEqual())
    return {};
  if (failed(parser.parseOptionalKeyword("channel"))) {
    SMLoc groupLoc = parser.getCurrentLocation();
    if (parser.parseInteger(group))
      return {};
    if (group < 1) {
      parser.emitError(groupLoc)
          << "expected a positive group or 'channel', but got " << group;
      return {};
    }
  }
  if (parser.parseComma() || parser.parseKeyword("scale") ||
      parser.parseEqual() ||
      parseEnum<ScaleKind>(parser, scale, symbolizeScaleKind, "f16, bf16, f32"))
    return {};
  while (succeeded(parser.parseOptionalComma())) {
    if (succeeded(parser.parseOptionalKeyword("act_order"))) {
      actOrder = true;
      break;
    }
    SMLoc at = parser.getCurrentLocation();
    if (zeroPoint != ZeroPointKind::None) {
      parser.emitError(at) << "expected 'act_order' after the zero point";
      return {};
    }
    if (parser.parseKeyword("zero_point") || parser.parseEqual() ||
        parseEnum<ZeroPointKind>(parser, zeroPoint, symbolizeZeroPointKind,
                                 "integer, float"))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<AffineFormatAttr>(loc, parser.getContext(), bits,
                                             group, scale, zeroPoint, actOrder);
}

LogicalResult
AffineFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         int64_t bits, int64_t group, ScaleKind, ZeroPointKind,
                         bool) {
  if (bits != 2 && bits != 4 && bits != 8)
    return emitError() << "affine: expected 2, 4 or 8 bits, but got " << bits;
  // Whole bytes of codes, and sizes far from overflow.
  if (group < 0 || group % 8 || group > (int64_t(1) << 28))
    return emitError() << "affine: expected a group of a multiple of 8 columns "
                          "or 'channel', but got "
                       << group;
  return success();
}

//===----------------------------------------------------------------------===//
// Format
//===----------------------------------------------------------------------===//

StringRef AffineFormatAttr::getFormatName() const {
  std::string name = "int" + std::to_string(getBits()) + ":";
  name += isPerChannel() ? "channel" : "g" + std::to_string(getGroup());
  if (getZeroPoint() == ZeroPointKind::Integer)
    name += ":zp";
  if (getZeroPoint() == ZeroPointKind::Float)
    name += ":fz";
  if (getScale() != ScaleKind::F16)
    name += ":" + stringifyScaleKind(getScale()).str();
  if (getActOrder())
    name += ":act_order";
  return internName(getContext(), name);
}

int64_t AffineFormatAttr::getGroupBytes() const {
  int64_t scale = scaleBytes(getScale());
  switch (getZeroPoint()) {
  case ZeroPointKind::None:
    return scale;
  case ZeroPointKind::Integer:
    return scale + 1;
  case ZeroPointKind::Float:
    return 2 * scale;
  }
  llvm_unreachable("unknown zero point");
}

int64_t AffineFormatAttr::getBlockRows() const { return 1; }
int64_t AffineFormatAttr::getBlockCols() const {
  return isPerChannel() ? 8 / getBits() : getGroup();
}
int64_t AffineFormatAttr::getBlockBytes() const {
  return isPerChannel() ? 1 : getGroup() * getBits() / 8 + getGroupBytes();
}
int64_t AffineFormatAttr::getBlockRowBytes(int64_t cols) const {
  int64_t blocks = cols / getBlockCols() * getBlockBytes();
  return isPerChannel() ? blocks + getGroupBytes() : blocks;
}
int64_t AffineFormatAttr::getHeaderBytes(int64_t, int64_t cols) const {
  return getActOrder() ? 4 * cols : 0;
}

/// The value of a code with the scale and the zero point at these places.
static Value valueOf(Decoder &d, AffineFormatAttr format, Value code,
                     Value scaleAt, Value zeroAt) {
  ScaleKind kind = format.getScale();
  Value scale = readScale(d, kind, scaleAt);
  int64_t middle = int64_t(1) << (format.getBits() - 1);
  switch (format.getZeroPoint()) {
  case ZeroPointKind::None:
    return d.mulf(scale, d.toFloat(d.sub(code, middle)));
  case ZeroPointKind::Integer:
    return d.mulf(scale, d.toFloat(d.sub(code, d.u8(zeroAt))));
  case ZeroPointKind::Float: {
    Value zero = readScale(d, kind, zeroAt);
    return d.addf(d.mulf(d.toFloat(d.sub(code, middle)), scale), zero);
  }
  }
  llvm_unreachable("unknown zero point");
}

Value AffineFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                               int64_t rows, int64_t cols, Value row,
                               Value col) const {
  Decoder d{builder, loc, bytes};
  int64_t groups = isPerChannel() ? 1 : cols / getGroup();
  Value position = col;
  if (getActOrder())
    position = d.toIndex(d.u32(d.mul(col, 4)));
  Value start =
      d.add(d.mul(row, getBlockRowBytes(cols)), getHeaderBytes(rows, cols));
  Value scales = d.add(start, cols * getBits() / 8);
  Value group = isPerChannel() ? d.index(0) : d.div(position, getGroup());
  Value scaleAt = d.add(scales, d.mul(group, scaleBytes(getScale())));
  Value zeros = d.add(scales, groups * scaleBytes(getScale()));
  int64_t zeroBytes = getGroupBytes() - scaleBytes(getScale());
  Value zeroAt = d.add(zeros, d.mul(group, zeroBytes));
  return valueOf(d, *this, d.code(start, position, getBits()), scaleAt, zeroAt);
}

Value headrace::qlinear::decodeAffineInStrip(Decoder &d,
                                             AffineFormatAttr format,
                                             Value col) {
  int64_t group = format.getGroup(), bits = format.getBits();
  Value block = d.mul(d.div(col, group), format.getBlockBytes());
  Value within = d.rem(col, group);
  Value code =
      bits == 8 ? d.u8(d.add(block, within))
                : d.halfSplitNibble(d.add(block, d.mul(d.div(within, 32), 16)),
                                    d.rem(within, 32));
  Value scaleAt = d.add(block, group * bits / 8);
  return valueOf(d, format, code, scaleAt,
                 d.add(scaleAt, scaleBytes(format.getScale())));
}
