//===- CodebookFormat.cpp - vectors of weights from codebooks -------------===//

#include "dialects/QLinear/FormatDecoder.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace headrace::qlinear;

//===----------------------------------------------------------------------===//
// Assembly
//===----------------------------------------------------------------------===//

void CodebookFormatAttr::print(AsmPrinter &printer) const {
  printer << "<dim = " << getDim() << ", entries = " << getEntries()
          << ", group = " << getGroup();
  if (hasTables())
    printer << ", table = " << stringifyTableKind(getTable())
            << ", activation_entries = " << getActivationEntries();
  if (getSplit())
    printer << ", split";
  printer << ">";
}

static ParseResult parseNumber(AsmParser &parser, StringRef keyword,
                               int64_t &value) {
  return failure(parser.parseKeyword(keyword) || parser.parseEqual() ||
                 parser.parseInteger(value));
}

Attribute CodebookFormatAttr::parse(AsmParser &parser, Type) {
  int64_t dim = 0, entries = 0, group = 0, activationEntries = 0;
  bool split = false;
  auto table = TableKind::None;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parseNumber(parser, "dim", dim) ||
      parser.parseComma() || parseNumber(parser, "entries", entries) ||
      parser.parseComma() || parseNumber(parser, "group", group))
    return {};
  if (succeeded(parser.parseOptionalComma())) {
    StringRef keyword;
    if (parser.parseKeyword("table") || parser.parseEqual())
      return {};
    SMLoc tableLoc = parser.getCurrentLocation();
    if (parser.parseKeyword(&keyword))
      return {};
    std::optional<TableKind> kind = symbolizeTableKind(keyword);
    if (!kind || *kind == TableKind::None) {
      parser.emitError(tableLoc)
          << "expected one of i8, i4, but got '" << keyword << "'";
      return {};
    }
    table = *kind;
    if (parser.parseComma() ||
        parseNumber(parser, "activation_entries", activationEntries))
      return {};
    split = succeeded(parser.parseOptionalComma());
    if (split && parser.parseKeyword("split"))
      return {};
  }
  if (parser.parseGreater())
    return {};
  return parser.getChecked<CodebookFormatAttr>(loc, parser.getContext(), dim,
                                               entries, group, table,
                                               activationEntries, split);
}

LogicalResult CodebookFormatAttr::verify(
    function_ref<InFlightDiagnostic()> emitError, int64_t dim, int64_t entries,
    int64_t group, TableKind table, int64_t activationEntries, bool split) {
  if (dim < 1 || dim > 8)
    return emitError() << "codebook: expected dim from 1 to 8, but got " << dim;
  if (entries != 4 && entries != 16 && entries != 256)
    return emitError() << "codebook: expected 4, 16 or 256 entries, but got "
                       << entries;
  if (group < 8 || group % 8 || group > (1 << 20))
    return emitError() << "codebook: expected a group of a multiple of 8 rows, "
                          "at most 1048576, but got "
                       << group;
  if (table == TableKind::None && split)
    return emitError() << "codebook: expected tables to split, but got none";
  if (table == TableKind::None)
    return activationEntries == 0
               ? success()
               : emitError() << "codebook: expected no activation_entries "
                                "without tables, but got "
                             << activationEntries;
  if (activationEntries < 2 || activationEntries > 256 ||
      !llvm::isPowerOf2_64(static_cast<uint64_t>(activationEntries)))
    return emitError() << "codebook: expected activation_entries to be a power "
                          "of two from 2 to 256, but got "
                       << activationEntries;
  return success();
}

//===----------------------------------------------------------------------===//
// Format
//===----------------------------------------------------------------------===//

StringRef CodebookFormatAttr::getFormatName() const {
  std::string name = "codebook:d" + std::to_string(getDim()) + ":e" +
                     std::to_string(getEntries()) + ":g" +
                     std::to_string(getGroup());
  if (hasTables())
    name += ":" + stringifyTableKind(getTable()).str() + ":a" +
            std::to_string(getActivationEntries());
  if (getSplit())
    name += ":split";
  return internName(getContext(), name);
}

int64_t CodebookFormatAttr::getIndexBits() const {
  return llvm::Log2_64(static_cast<uint64_t>(getEntries()));
}
int64_t CodebookFormatAttr::getTableBytes() const {
  int64_t bytes = getActivationEntries() * getEntries();
  return getTable() == TableKind::I4 ? bytes / 2 : bytes;
}
int64_t CodebookFormatAttr::getIndexBytes() const {
  return getGroup() * getIndexBits() / 8;
}
int64_t CodebookFormatAttr::getBlockRows() const { return getGroup(); }
int64_t CodebookFormatAttr::getBlockCols() const { return getDim(); }
int64_t CodebookFormatAttr::getBlockBytes() const {
  return getTableBytes() + getIndexBytes() + getEntries() * getDim() * 4;
}
int64_t CodebookFormatAttr::getHeaderBytes(int64_t rows, int64_t cols) const {
  if (!hasTables())
    return 0;
  // What is in no block: where parts are split, that includes their padding.
  int64_t blocks = rows / getGroup() * (cols / getDim());
  return getLayout(rows, cols).end - blocks * getBlockBytes();
}
bool CodebookFormatAttr::padsToBlock() const { return true; }

CodebookLayout CodebookFormatAttr::getLayout(int64_t rows, int64_t cols) const {
  int64_t groups = rows / getGroup(), pieces = cols / getDim();
  int64_t tableRow = hasTables() ? getTableBytes() / getActivationEntries() : 0;
  int64_t header = hasTables() ? 8 + cols * getActivationEntries() * 4 : 0;
  int64_t block = getBlockBytes(), row = pieces * block;
  CodebookLayout layout;
  if (!getSplit()) {
    int64_t indices = header + getTableBytes();
    layout.activations = 8;
    layout.tables = {header, row, block, tableRow};
    layout.indices = {indices, row, block, 0};
    layout.centroids = {indices + getIndexBytes(), row, block, 0};
    layout.end = header + groups * row;
    return layout;
  }
  auto aligned = [](int64_t at) -> int64_t { return llvm::alignTo(at, 64); };
  int64_t centroids = getEntries() * getDim() * 4;
  layout.activations = 64;
  layout.tables = {aligned(64 + header - 8), tableRow,
                   getActivationEntries() * groups * tableRow,
                   groups * tableRow};
  layout.indices = {
      aligned(layout.tables.first + groups * pieces * getTableBytes()),
      pieces * getIndexBytes(), getIndexBytes(), 0};
  layout.centroids = {
      aligned(layout.indices.first + groups * pieces * getIndexBytes()),
      pieces * centroids, centroids, 0};
  layout.end = layout.centroids.first + groups * pieces * centroids;
  return layout;
}

static Value partAt(Decoder &d, const CodebookPart &part, Value group,
                    Value piece) {
  return d.add(d.add(d.mul(group, part.perGroup), d.mul(piece, part.perPiece)),
               part.first);
}

Value CodebookFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                                 int64_t rows, int64_t cols, Value row,
                                 Value col) const {
  Decoder d{builder, loc, bytes};
  CodebookLayout layout = getLayout(rows, cols);
  Value group = d.div(row, getGroup()), piece = d.div(col, getDim());
  Value entry = d.toIndex(d.code(partAt(d, layout.indices, group, piece),
                                 d.rem(row, getGroup()), getIndexBits()));
  Value element = d.add(d.mul(entry, getDim()), d.rem(col, getDim()));
  return d.f32At(
      d.add(partAt(d, layout.centroids, group, piece), d.mul(element, 4)));
}
