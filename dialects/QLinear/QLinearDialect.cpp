//===- QLinearDialect.cpp - registration and the packed type --------------===//

#include "dialects/QLinear/QLinear.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::qlinear;

#include "dialects/QLinear/QLinearDialect.cpp.inc"
#include "dialects/QLinear/QLinearEnums.cpp.inc"
#include "dialects/QLinear/QLinearInterfaces.cpp.inc"
#define GET_ATTRDEF_CLASSES
#include "dialects/QLinear/QLinearAttrs.cpp.inc"
#define GET_TYPEDEF_CLASSES
#include "dialects/QLinear/QLinearTypes.cpp.inc"

void QLinearDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/QLinear/QLinearAttrs.cpp.inc"
      >();
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/QLinear/QLinearTypes.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/QLinear/QLinearOps.cpp.inc"
      >();
}

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

StringRef headrace::qlinear::internName(MLIRContext *context,
                                        const Twine &name) {
  return StringAttr::get(context, name).getValue();
}

/// As the generated parser, but an unknown format is told what there is.
Attribute QLinearDialect::parseAttribute(DialectAsmParser &parser,
                                         Type type) const {
  SMLoc loc = parser.getCurrentLocation();
  StringRef keyword;
  Attribute attribute;
  if (generatedAttributeParser(parser, &keyword, type, attribute).has_value())
    return attribute;
  parser.emitError(loc) << "unknown format '" << keyword
                        << "'; allowed: gguf, q4nx, plain, fp8, mx, nvfp4, "
                           "affine, codebook, zigzag, repacked, act_i8, for "
                           "example #qlinear.gguf<q4_k>";
  return {};
}

void QLinearDialect::printAttribute(Attribute attribute,
                                    DialectAsmPrinter &printer) const {
  (void)generatedAttributePrinter(attribute, printer);
}

//===----------------------------------------------------------------------===//
// PackedType
//===----------------------------------------------------------------------===//

/// The shape that `format` stores for a matrix of `rows` x `cols`.
static std::pair<int64_t, int64_t>
paddedShape(int64_t rows, int64_t cols, QuantFormatAttrInterface format) {
  if (!format.padsToBlock())
    return {rows, cols};
  return {llvm::alignTo(rows, format.getBlockRows()),
          llvm::alignTo(cols, format.getBlockCols())};
}

void PackedType::print(AsmPrinter &printer) const {
  printer << "<" << getRows() << "x" << getCols() << ", " << getFormat();
  if (getPaddedRows() != getRows() || getPaddedCols() != getCols())
    printer << ", padded = " << getPaddedRows() << "x" << getPaddedCols();
  printer << ">";
}

/// Parses `4096x14336`.
static ParseResult parseShape(AsmParser &parser, int64_t &rows, int64_t &cols) {
  SmallVector<int64_t> dims;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseDimensionList(dims, /*allowDynamic=*/false,
                                /*withTrailingX=*/false))
    return failure();
  if (dims.size() != 2)
    return parser.emitError(loc)
           << "expected rows x columns, but got " << dims.size()
           << " dimensions; allowed: two positive numbers, for example "
              "4096x14336";
  rows = dims[0];
  cols = dims[1];
  return success();
}

Type PackedType::parse(AsmParser &parser) {
  int64_t rows = 0, cols = 0;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parseShape(parser, rows, cols) ||
      parser.parseComma())
    return {};
  QuantFormatAttrInterface format;
  SMLoc formatLoc = parser.getCurrentLocation();
  Attribute attribute;
  if (parser.parseAttribute(attribute))
    return {};
  format = dyn_cast<QuantFormatAttrInterface>(attribute);
  if (!format) {
    parser.emitError(formatLoc)
        << "expected a storage format, but got " << attribute
        << "; allowed: attributes with QuantFormatAttrInterface, for example "
           "#qlinear.gguf<q4_k>, #qlinear.q4nx";
    return {};
  }
  int64_t paddedRows = rows, paddedCols = cols;
  if (succeeded(parser.parseOptionalComma()))
    if (parser.parseKeyword("padded") || parser.parseEqual() ||
        parseShape(parser, paddedRows, paddedCols))
      return {};
  if (parser.parseGreater())
    return {};
  return parser.getChecked<PackedType>(loc, parser.getContext(), rows, cols,
                                       format, paddedRows, paddedCols);
}

LogicalResult PackedType::verify(function_ref<InFlightDiagnostic()> emitError,
                                 int64_t rows, int64_t cols,
                                 QuantFormatAttrInterface format,
                                 int64_t paddedRows, int64_t paddedCols) {
  if (rows <= 0 || cols <= 0)
    return emitError() << "packed type: expected positive rows and columns, "
                          "but got "
                       << rows << "x" << cols;
  if (rows > kMaxSide || cols > kMaxSide)
    return emitError() << "packed type: expected at most " << kMaxSide
                       << " rows and columns, but got " << rows << "x" << cols;
  int64_t blockRows = format.getBlockRows(), blockCols = format.getBlockCols();
  if (!format.padsToBlock() && (rows % blockRows || cols % blockCols)) {
    bool columns = cols % blockCols;
    return emitError() << "packed type: expected "
                       << (columns ? "columns" : "rows") << " in multiples of "
                       << (columns ? blockCols : blockRows) << " (the block of "
                       << format.getFormatName() << "), but got "
                       << (columns ? cols : rows)
                       << "; pad the matrix with zeros, or use a format that "
                          "pads, for example #qlinear.q4nx";
  }
  auto [wantRows, wantCols] = paddedShape(rows, cols, format);
  if (paddedRows != wantRows || paddedCols != wantCols)
    return emitError() << "packed type: expected padded = " << wantRows << "x"
                       << wantCols << " for " << rows << "x" << cols << " in "
                       << format.getFormatName() << ", but got " << paddedRows
                       << "x" << paddedCols;
  return success();
}

PackedType PackedType::get(int64_t rows, int64_t cols,
                           QuantFormatAttrInterface format) {
  auto [paddedRows, paddedCols] = paddedShape(rows, cols, format);
  return get(format.getContext(), rows, cols, format, paddedRows, paddedCols);
}

int64_t PackedType::getHeaderBytes() const {
  return getFormat().getHeaderBytes(getPaddedRows(), getPaddedCols());
}

int64_t PackedType::getBlockRowBytes() const {
  return getFormat().getBlockRowBytes(getPaddedCols());
}

int64_t PackedType::getStorageBytes() const {
  return getHeaderBytes() +
         getPaddedRows() / getFormat().getBlockRows() * getBlockRowBytes();
}
