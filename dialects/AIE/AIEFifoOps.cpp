//===- AIEFifoOps.cpp - objectFifos and what cores do with them -----------===//

#include "dialects/AIE/AIE.h"

#include "llvm/ADT/SmallPtrSet.h"

using namespace mlir;
using namespace headrace::aie;

//===----------------------------------------------------------------------===//
// Text of the ends of a fifo
//===----------------------------------------------------------------------===//

static ParseResult parseDims(OpAsmParser &parser, StringRef keyword,
                             DimsAttr &dims) {
  dims = DimsAttr::get(parser.getContext(), {});
  if (failed(parser.parseOptionalKeyword(keyword)))
    return success();
  dims = dyn_cast_or_null<DimsAttr>(DimsAttr::parse(parser, Type()));
  return failure(!dims);
}

static void printDims(OpAsmPrinter &printer, StringRef keyword, DimsAttr dims) {
  if (dims.empty())
    return;
  printer << " " << keyword << " ";
  dims.print(printer);
}

static ParseResult parseProducer(OpAsmParser &parser,
                                 OpAsmParser::UnresolvedOperand &tile,
                                 DimsAttr &dims) {
  return failure(parser.parseOperand(tile) ||
                 parseDims(parser, "dimensionsToStream", dims));
}

static void printProducer(OpAsmPrinter &printer, Operation *, Value tile,
                          DimsAttr dims) {
  printer << tile;
  printDims(printer, "dimensionsToStream", dims);
}

static ParseResult
parseConsumers(OpAsmParser &parser,
               SmallVectorImpl<OpAsmParser::UnresolvedOperand> &tiles,
               DimsPerConsumerAttr &dims) {
  SmallVector<DimsAttr> each;
  auto parseOne = [&]() -> ParseResult {
    return failure(
        parser.parseOperand(tiles.emplace_back()) ||
        parseDims(parser, "dimensionsFromStream", each.emplace_back()));
  };
  if (parser.parseCommaSeparatedList(parseOne))
    return failure();
  dims = DimsPerConsumerAttr::get(parser.getContext(), each);
  return success();
}

static void printConsumers(OpAsmPrinter &printer, Operation *,
                           OperandRange tiles, DimsPerConsumerAttr dims) {
  for (auto [i, tile] : llvm::enumerate(tiles)) {
    printer << (i ? ", " : "") << tile;
    if (i < dims.size())
      printDims(printer, "dimensionsFromStream", dims[i]);
  }
}

#define GET_OP_CLASSES
#include "dialects/AIE/AIEOps.cpp.inc"

//===----------------------------------------------------------------------===//
// ObjectFifoOp
//===----------------------------------------------------------------------===//

MemRefType ObjectFifoOp::getElementMemRef() {
  return getElemType().getElement();
}

int64_t ObjectFifoOp::getElementBytes() { return getBytes(getElementMemRef()); }

TileOp ObjectFifoOp::getProducerTileOp() {
  return TileOp::of(getProducerTile());
}

TileOp ObjectFifoOp::getConsumerTileOp(unsigned consumer) {
  return TileOp::of(getConsumerTiles()[consumer]);
}

bool ObjectFifoOp::hasDepthPerEnd() { return isa<ArrayAttr>(getElemNumber()); }

int64_t ObjectFifoOp::getDepth(unsigned end) {
  if (auto number = dyn_cast<IntegerAttr>(getElemNumber()))
    return number.getInt();
  return cast<IntegerAttr>(cast<ArrayAttr>(getElemNumber())[end]).getInt();
}

std::optional<unsigned> ObjectFifoOp::findConsumer(TileOp tile) {
  for (auto [i, consumer] : llvm::enumerate(getConsumerTiles()))
    if (consumer == tile.getResult())
      return i;
  return std::nullopt;
}

ArrayRef<DimAttr> ObjectFifoOp::getDims(unsigned end) {
  if (end == 0)
    return getDimensionsToStream();
  DimsPerConsumerAttr dims = getDimensionsFromStreamPerConsumerAttr();
  return dims.empty() ? ArrayRef<DimAttr>() : dims[end - 1].getValue();
}

/// More elements than any tile can hold.
constexpr int64_t kMostElements = 1 << 16;

static LogicalResult verifyDepths(ObjectFifoOp op) {
  unsigned ends = 1 + op.getConsumerTiles().size();
  if (auto depths = dyn_cast<ArrayAttr>(op.getElemNumber());
      depths && depths.size() != ends)
    return op.emitOpError("expected a depth for the producer and each of ")
           << ends - 1 << " consumers, but got " << depths.size();
  for (unsigned i = 0; i < ends; ++i)
    if (op.getDepth(i) < 1 || op.getDepth(i) > kMostElements)
      return op.emitOpError("expected depths from 1 to ")
             << kMostElements << ", but got " << op.getDepth(i);
  return success();
}

static LogicalResult verifyEnds(ObjectFifoOp op) {
  TileOp producer = op.getProducerTileOp();
  if (!producer)
    return op.emitOpError("expected an aie.tile as producer");
  if (op.getConsumerTiles().empty())
    return op.emitOpError("expected one or more consumers");
  llvm::SmallPtrSet<Operation *, 8> seen{producer};
  for (unsigned i = 0; i < op.getConsumerTiles().size(); ++i) {
    TileOp tile = op.getConsumerTileOp(i);
    if (!tile)
      return op.emitOpError("expected an aie.tile as consumer ") << i;
    if (!seen.insert(tile).second)
      return op.emitOpError("expected different tiles at its ends, but ")
             << tile.describe() << " is there twice";
    if (producer.isShim() && tile.isShim())
      return op.emitOpError("expected one end in a memory or core tile, but "
                            "both are shim tiles");
  }
  return success();
}

LogicalResult ObjectFifoOp::verify() {
  if (failed(verifyEnds(*this)) || failed(verifyDepths(*this)))
    return failure();
  DimsPerConsumerAttr dims = getDimensionsFromStreamPerConsumerAttr();
  if (!dims.empty() && dims.size() != getConsumerTiles().size())
    return emitOpError("expected dimensions for each of ")
           << getConsumerTiles().size() << " consumers, but got "
           << dims.size();
  for (unsigned end = 0; end <= getConsumerTiles().size(); ++end) {
    TileOp tile = end ? getConsumerTileOp(end - 1) : getProducerTileOp();
    if (tile.isShim() && !getDims(end).empty())
      return emitOpError("expected no dimensions at ")
             << tile.describe()
             << ": a shim tile takes its access pattern from aie.dma_bd";
  }
  if (getRepeatCount() && !getProducerTileOp().isMemory())
    return emitOpError("expected a memory tile as producer with "
                       "repeat_count, but got ")
           << getProducerTileOp().describe();
  return success();
}

//===----------------------------------------------------------------------===//
// ObjectFifoLinkOp
//===----------------------------------------------------------------------===//

static std::vector<ObjectFifoOp> lookUp(Operation *op, ArrayAttr names) {
  std::vector<ObjectFifoOp> fifos;
  for (Attribute name : names) {
    auto fifo = SymbolTable::lookupNearestSymbolFrom<ObjectFifoOp>(
        op, cast<FlatSymbolRefAttr>(name));
    if (!fifo)
      return {};
    fifos.push_back(fifo);
  }
  return fifos;
}

std::vector<ObjectFifoOp> ObjectFifoLinkOp::getInputs() {
  return lookUp(*this, getFifoIns());
}

std::vector<ObjectFifoOp> ObjectFifoLinkOp::getOutputs() {
  return lookUp(*this, getFifoOuts());
}

TileOp ObjectFifoLinkOp::getTileOp() {
  std::vector<ObjectFifoOp> outputs = getOutputs();
  return outputs.empty() ? TileOp() : outputs.front().getProducerTileOp();
}

LogicalResult ObjectFifoLinkOp::verify() {
  size_t ins = getFifoIns().size(), outs = getFifoOuts().size();
  if (ins == 0 || outs == 0 || (ins > 1 && outs > 1))
    return emitOpError("expected one input or one output, but got ")
           << ins << " inputs and " << outs << " outputs";
  size_t parts[] = {ins > 1 ? ins : 0, outs > 1 ? outs : 0};
  StringRef names[] = {"src_offsets", "dst_offsets"};
  ArrayAttr offsets[] = {getSrcOffsets(), getDstOffsets()};
  for (int side : {0, 1})
    if (offsets[side].size() != parts[side])
      return emitOpError("expected ")
             << parts[side] << " " << names[side] << " with " << ins
             << " inputs and " << outs << " outputs, but got "
             << offsets[side].size();
  return success();
}

/// The parts must lie behind each other and fill the element of `whole`.
static LogicalResult verifyParts(ObjectFifoLinkOp op, ObjectFifoOp whole,
                                 ArrayRef<ObjectFifoOp> parts,
                                 ArrayAttr offsets) {
  int64_t at = 0;
  for (auto [i, offset] : llvm::enumerate(offsets)) {
    ObjectFifoOp part = parts[i];
    int64_t got = cast<IntegerAttr>(offset).getInt();
    if (got != at)
      return op.emitOpError("expected offset ")
             << at << " of @" << part.getSymName() << ", but got " << got
             << ": parts fill an element of @" << whole.getSymName()
             << " without a gap";
    at += part.getElementMemRef().getNumElements();
  }
  int64_t size = whole.getElementMemRef().getNumElements();
  if (at != size)
    return op.emitOpError("expected parts of ")
           << size << " values, as an element of @" << whole.getSymName()
           << " has, but they have " << at;
  return success();
}

LogicalResult
ObjectFifoLinkOp::verifySymbolUses(SymbolTableCollection &symbols) {
  SmallVector<ObjectFifoOp> inputs, outputs;
  llvm::SmallPtrSet<Operation *, 8> seen;
  for (auto [names, fifos] :
       {std::pair(getFifoIns(), &inputs), std::pair(getFifoOuts(), &outputs)})
    for (auto name : names.getAsRange<FlatSymbolRefAttr>()) {
      auto fifo = symbols.lookupNearestSymbolFrom<ObjectFifoOp>(*this, name);
      if (!fifo)
        return emitOpError("expected the name of an aie.objectfifo, but got ")
               << name;
      if (!seen.insert(fifo).second)
        return emitOpError("has ") << name << " twice";
      fifos->push_back(fifo);
    }
  TileOp tile = outputs.front().getProducerTileOp();
  if (!tile || tile.isShim())
    return emitOpError("expected @") << outputs.front().getSymName()
                                     << " to begin in a memory or core tile";
  for (ObjectFifoOp input : inputs)
    if (input.getConsumerTiles().size() != 1 ||
        input.getConsumerTiles().front() != tile.getResult())
      return emitOpError("expected @") << input.getSymName() << " to end in "
                                       << tile.describe() << ", and there only";
  for (ObjectFifoOp output : outputs)
    if (output.getProducerTile() != tile.getResult())
      return emitOpError("expected @")
             << output.getSymName() << " to begin in " << tile.describe();
  for (ObjectFifoOp fifo : llvm::concat<ObjectFifoOp>(inputs, outputs)) {
    Type got = fifo.getElementMemRef().getElementType();
    Type want = inputs.front().getElementMemRef().getElementType();
    if (got != want)
      return emitOpError("expected fifos of ")
             << want << ", but @" << fifo.getSymName() << " has " << got;
  }
  if (isJoin())
    return verifyParts(*this, outputs.front(), inputs, getSrcOffsets());
  if (isDistribute())
    return verifyParts(*this, inputs.front(), outputs, getDstOffsets());
  int64_t in = inputs.front().getElementMemRef().getNumElements();
  int64_t out = outputs.front().getElementMemRef().getNumElements();
  if (in != out)
    return emitOpError("expected elements of one size, but @")
           << inputs.front().getSymName() << " has " << in << " values and @"
           << outputs.front().getSymName() << " has " << out;
  return success();
}

//===----------------------------------------------------------------------===//
// AcquireOp, ReleaseOp, SubviewAccessOp
//===----------------------------------------------------------------------===//

/// The fifo, where it ends in the tile of the core around `op`.
template <typename PortOp>
static FailureOr<ObjectFifoOp> verifyPort(PortOp op,
                                          SymbolTableCollection &symbols) {
  auto core = op->template getParentOfType<CoreOp>();
  if (!core || !core.getTileOp()) {
    op.emitOpError("expected an aie.core around it");
    return failure();
  }
  TileOp tile = core.getTileOp();
  auto fifo = symbols.lookupNearestSymbolFrom<ObjectFifoOp>(
      op, op.getObjFifoNameAttr());
  if (!fifo) {
    op.emitOpError("expected the name of an aie.objectfifo, but got ")
        << op.getObjFifoNameAttr();
    return failure();
  }
  bool produces = op.getPort() == Port::Produce;
  std::optional<unsigned> consumer = fifo.findConsumer(tile);
  if (produces ? fifo.getProducerTile() != tile.getResult() : !consumer) {
    op.emitOpError("expected ")
        << op.getObjFifoNameAttr() << " to have "
        << (produces ? "its producer" : "a consumer") << " in "
        << tile.describe() << ", but it has none there";
    return failure();
  }
  int64_t size = op.getSize();
  int64_t depth = fifo.getDepth(produces ? 0 : *consumer + 1);
  if (size > depth) {
    op.emitOpError("expected at most ")
        << depth << " elements, the depth of " << op.getObjFifoNameAttr()
        << " there, but got " << size;
    return failure();
  }
  return fifo;
}

LogicalResult AcquireOp::verifySymbolUses(SymbolTableCollection &symbols) {
  FailureOr<ObjectFifoOp> fifo = verifyPort(*this, symbols);
  if (failed(fifo))
    return failure();
  MemRefType element = fifo->getElementMemRef();
  if (getSubview().getType().getElement() != element)
    return emitOpError("expected elements ")
           << element << " of " << getObjFifoNameAttr() << ", but got "
           << getSubview().getType().getElement();
  return success();
}

LogicalResult ReleaseOp::verifySymbolUses(SymbolTableCollection &symbols) {
  return verifyPort(*this, symbols);
}

LogicalResult SubviewAccessOp::verify() {
  auto acquire = getSubview().getDefiningOp<AcquireOp>();
  if (!acquire || !acquire.getSizeAttr())
    return emitOpError("expected the result of aie.objectfifo.acquire");
  if (getIndex() >= acquire.getSize())
    return emitOpError("expected an index below ")
           << acquire.getSize() << ", the number of elements that were "
           << "acquired, but got " << getIndex();
  if (getOutput().getType() != getSubview().getType().getElement())
    return emitOpError("expected a result of type ")
           << getSubview().getType().getElement() << ", but got "
           << getOutput().getType();
  return success();
}
