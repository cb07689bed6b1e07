//===- LayoutFormats.cpp - zigzag and repacked ----------------------------===//

#include "dialects/QLinear/FormatDecoder.h"
#include "dialects/QLinear/StripLayout.h"

using namespace mlir;
using namespace headrace::qlinear;

/// Layouts rearrange the blocks of formats whose rows are nothing but runs of
/// blocks.
static LogicalResult verifyInner(function_ref<InFlightDiagnostic()> emitError,
                                 StringRef layout,
                                 QuantFormatAttrInterface format) {
  int64_t cols = format.getBlockCols();
  bool blocksOnly = format.getBlockRows() == 1 &&
                    format.getHeaderBytes(1, cols) == 0 &&
                    format.getBlockRowBytes(cols) == format.getBlockBytes();
  if (blocksOnly && !format.isActivationFormat() && !format.padsToBlock())
    return success();
  return emitError() << layout
                     << ": expected a format whose rows are runs of blocks, "
                        "but got "
                     << format << "; allowed: for example #qlinear.gguf<q4_k>";
}

//===----------------------------------------------------------------------===//
// zigzag
//===----------------------------------------------------------------------===//

LogicalResult
ZigzagFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                         QuantFormatAttrInterface format, int64_t band) {
  if (failed(verifyInner(emitError, "zigzag", format)))
    return failure();
  if (band < 1 || band > (1 << 20) || band % format.getBlockCols())
    return emitError() << "zigzag: expected a band of a multiple of "
                       << format.getBlockCols() << " rows (the block of "
                       << format.getFormatName()
                       << "), at most 1048576, but got " << band;
  return success();
}

StringRef ZigzagFormatAttr::getFormatName() const {
  std::string name = getFormat().getFormatName().str() + ":zigzag";
  if (getBand() != 256)
    name += std::to_string(getBand());
  return internName(getContext(), name);
}
int64_t ZigzagFormatAttr::getBlockRows() const { return getBand(); }
int64_t ZigzagFormatAttr::getBlockCols() const { return 1; }
int64_t ZigzagFormatAttr::getBlockBytes() const {
  return getFormat().getBlockRowBytes(getBand());
}
bool ZigzagFormatAttr::padsToBlock() const { return true; }

Value ZigzagFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                               int64_t rows, int64_t cols, Value row,
                               Value col) const {
  Decoder d{builder, loc, bytes};
  // Column `col` of a band is a row of `format`.
  Value line = d.add(d.mul(d.div(row, getBand()), cols), col);
  return getFormat().decode(builder, loc, bytes, rows / getBand() * cols,
                            getBand(), line, d.rem(row, getBand()));
}

//===----------------------------------------------------------------------===//
// repacked
//===----------------------------------------------------------------------===//

int64_t RepackedFormatAttr::getInterleavedRows() const {
  return llvm::StringSwitch<int64_t>(getLayout())
      .Case("rows4", 4)
      .Case("rows8", 8)
      .Case("rows16", 16)
      .Case("strips16", kStripRows)
      .Default(0);
}

LogicalResult
RepackedFormatAttr::verify(function_ref<InFlightDiagnostic()> emitError,
                           QuantFormatAttrInterface format, StringRef layout) {
  if (failed(verifyInner(emitError, "repacked", format)))
    return failure();
  if (layout == "strips16" && !stripLayoutOf(format))
    return emitError()
           << "repacked: expected bf16, a block type of GGUF files, "
              "or 4 or 8 bits in groups of 32, 64, 128 or 256, for "
              "\"strips16\", but got "
           << format;
  if (!llvm::is_contained({"rows4", "rows8", "rows16", "strips16"}, layout))
    return emitError() << "repacked: expected the layout \"rows4\", \"rows8\", "
                          "\"rows16\" or \"strips16\", but got \""
                       << layout << "\"";
  return success();
}

std::optional<StripLayout> RepackedFormatAttr::getStrips() const {
  if (getLayout() != "strips16")
    return std::nullopt;
  return stripLayoutOf(getFormat());
}

StringRef RepackedFormatAttr::getFormatName() const {
  return internName(getContext(),
                    getFormat().getFormatName() + ":" + getLayout());
}
int64_t RepackedFormatAttr::getBlockRows() const {
  return getInterleavedRows();
}
int64_t RepackedFormatAttr::getBlockCols() const {
  if (std::optional<StripLayout> strips = getStrips())
    return strips->cols;
  return getFormat().getBlockCols();
}
int64_t RepackedFormatAttr::getBlockBytes() const {
  return getInterleavedRows() * getFormat().getBlockRowBytes(getBlockCols());
}
bool RepackedFormatAttr::padsToBlock() const { return true; }

/// A byte of row `row` of the piece at `piece`, by its offset in the blocks of
/// that row.
static Value placeInStrip(Decoder &d, const StripLayout &layout, Value piece,
                          Value row, Value at) {
  Value result;
  int64_t to = 0;
  for (const StripRun &run : layout.runs) {
    Value inRun = d.sub(at, d.index(run.from));
    Value unit = d.div(inRun, run.unit);
    Value here = d.add(d.mul(d.add(d.mul(unit, kStripRows), row), run.unit),
                       d.rem(inRun, run.unit));
    here = d.add(here, kStripRows * to);
    // Unsigned, so that bytes before the run are not less.
    result = result ? d.select(d.less(inRun, run.bytes), here, result) : here;
    to += run.bytes;
  }
  return d.add(piece, result);
}

Value RepackedFormatAttr::decode(OpBuilder &builder, Location loc, Value bytes,
                                 int64_t rows, int64_t cols, Value row,
                                 Value col) const {
  Decoder d{builder, loc, bytes};
  int64_t blockCols = getBlockCols(), interleaved = getInterleavedRows();
  int64_t blocksPerRow = cols / blockCols;
  // The number of the block; each is like a row of one block.
  Value column = d.add(d.mul(d.div(row, interleaved), blocksPerRow),
                       d.div(col, blockCols));
  if (std::optional<StripLayout> strips = getStrips()) {
    Value piece = d.mul(column, getBlockBytes());
    Value inStrip = d.rem(row, kStripRows), inPiece = d.rem(col, blockCols);
    d.place = [&](Value at) {
      return placeInStrip(d, *strips, piece, inStrip, at);
    };
    if (auto affine = dyn_cast<AffineFormatAttr>(getFormat()))
      return decodeAffineInStrip(d, affine, inPiece);
    if (isa<PlainFormatAttr>(getFormat())) // of bf16 only
      return d.bf16(d.mul(inPiece, 2));
    auto gguf = cast<GgufFormatAttr>(getFormat());
    int64_t width = gguf.getBlockCols();
    Value block = d.mul(d.div(inPiece, width), gguf.getBlockBytes());
    return decodeGgufBlock(d, gguf.getKind(), block, d.rem(inPiece, width));
  }
  Value block = d.add(d.mul(column, interleaved), d.rem(row, interleaved));
  return getFormat().decode(builder, loc, bytes, rows * blocksPerRow, blockCols,
                            block, d.rem(col, blockCols));
}
