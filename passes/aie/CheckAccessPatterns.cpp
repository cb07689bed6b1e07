//===- CheckAccessPatterns.cpp - DMAs can do the access patterns ----------===//

#include "passes/aie/Design.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"
#include "passes/aie/Sequence.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKACCESSPATTERNS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aiex;

namespace {

/// An access pattern to check, and what it lies in.
struct Pattern {
  Operation *op;
  /// For messages: "@w (producer)", "the argument".
  std::string what;
  ArrayRef<DimAttr> dims; // the outermost first; empty: linear
  int64_t offset = 0;
  int64_t length = 0;
  /// Values of the memref, and bytes of one.
  int64_t size = 0;
  int64_t bytes = 0;
};

class Checker {
public:
  Checker(const DeviceModel &model) : model(model) {}

  bool checkTask(DMAConfigureTaskForOp task) const;
  bool checkFifo(ObjectFifoOp fifo) const;
  bool checkLink(ObjectFifoLinkOp link) const;

private:
  bool checkLinear(const Pattern &pattern) const;
  bool checkBounds(const Pattern &pattern, int64_t last) const;
  bool checkDims(const Pattern &pattern, const TileModel &tile) const;
  bool checkLimits(const Pattern &pattern, const TileModel &tile) const;

  const DeviceModel &model;
};

} // namespace

/// Whether the pattern is one run of values, which needs no sizes.
static bool isOneRun(ArrayRef<DimAttr> dims) {
  for (DimAttr dim : dims.drop_back())
    if (dim.getSize() != 1)
      return false;
  return dims.back().getStride() == 1;
}

bool Checker::checkLinear(const Pattern &p) const {
  auto fail = [&](StringRef name, int64_t got) {
    p.op->emitOpError("expected ")
        << name << " of " << p.what << " to be a multiple of " << model.granule
        << " bytes, but got " << got << " values of " << p.bytes
        << " bytes; what fits: "
        << got * p.bytes / model.granule * model.granule / p.bytes << " values";
    return false;
  };
  if (p.length * p.bytes % model.granule != 0)
    return fail("the length", p.length);
  if (p.offset * p.bytes % model.granule != 0)
    return fail("the offset", p.offset);
  return true;
}

bool Checker::checkBounds(const Pattern &p, int64_t last) const {
  if (last < p.size)
    return true;
  InFlightDiagnostic diag = p.op->emitOpError("reaches value ")
                            << last << " of " << p.what << ", which has "
                            << p.size << " values";
  if (p.dims.empty() && p.offset < p.size)
    diag << "; what fits: a length of " << p.size - p.offset << " from offset "
         << p.offset << " on";
  return false;
}

/// Sizes and strides of a pattern with dimensions, against what a descriptor
/// of the tile can hold.
bool Checker::checkLimits(const Pattern &p, const TileModel &tile) const {
  int64_t mostWrap = (int64_t(1) << tile.wrapBits) - 1;
  int64_t mostStep = int64_t(1) << tile.stepBits;
  for (int64_t i = 0, count = p.dims.size(); i < count; ++i) {
    int64_t place = count - 1 - i; // in the text, the outermost first
    DimAttr dim = p.dims[place];
    auto fail = [&](StringRef name, int64_t got, int64_t limit) {
      p.op->emitOpError("expected ")
          << name << " of dimension " << place << " of " << p.what
          << " to be at most " << limit << " times " << model.granule
          << " bytes, but got " << got;
      return false;
    };
    int64_t size = dim.getSize(), stride = dim.getStride();
    // A run of values counts in granules.
    bool inner = i == 0;
    if (inner && (size * p.bytes % model.granule != 0 ||
                  (stride != 1 && size > 1 && p.bytes % model.granule != 0))) {
      p.op->emitOpError("expected the innermost dimension of ")
          << p.what << " to move multiples of " << model.granule
          << " bytes that lie together, but got " << size << " values of "
          << p.bytes << " bytes with stride " << stride;
      return false;
    }
    if (!inner && size > 1 && stride * p.bytes % model.granule != 0) {
      p.op->emitOpError("expected strides of ")
          << p.what << " to be multiples of " << model.granule
          << " bytes, but got " << stride << " values of " << p.bytes
          << " bytes";
      return false;
    }
    int64_t wrap = inner ? size * p.bytes / model.granule : size;
    int64_t step = inner ? stride : stride * p.bytes / model.granule;
    // The outermost dimension ends with the transfer: it has no size.
    if (i + 1 < tile.dimensions && wrap > mostWrap)
      return fail("the size", wrap, mostWrap);
    if (size > 1 && step > mostStep)
      return fail("the stride", step, mostStep);
  }
  return true;
}

bool Checker::checkDims(const Pattern &p, const TileModel &tile) const {
  if (int64_t(p.dims.size()) > tile.dimensions) {
    p.op->emitOpError("expected at most ")
        << tile.dimensions << " dimensions of " << p.what << ", but got "
        << p.dims.size();
    return false;
  }
  int64_t count = 1, last = p.offset;
  for (DimAttr dim : p.dims) {
    count *= dim.getSize();
    if (count < 1 || count > p.length) // so that nothing overflows
      break;
    last += (int64_t(dim.getSize()) - 1) * dim.getStride();
  }
  if (count != p.length) {
    p.op->emitOpError("expected dimensions of ")
        << p.what << " that move its length of " << p.length
        << " values, but they move " << count;
    return false;
  }
  if (!isOneRun(p.dims) && !checkLimits(p, tile))
    return false;
  return checkBounds(p, last);
}

/// A task of a shim tile. With one dimension more than its descriptors have,
/// the outermost is what each repetition adds to the address.
bool Checker::checkTask(DMAConfigureTaskForOp task) const {
  DmaBdOp descriptor = task.getDescriptor();
  MemRefType type = descriptor.getBufferType();
  Pattern p;
  p.op = descriptor;
  p.what = "argument " +
           std::to_string(
               cast<BlockArgument>(descriptor.getBuffer()).getArgNumber());
  if (descriptor.getDimensions())
    p.dims = *descriptor.getDimensions();
  p.offset = descriptor.getOffset();
  p.length = descriptor.getLength();
  p.size = type.getNumElements();
  p.bytes = getValueBytes(type);
  int64_t repeats = task.getRepeatCount();
  if (repeats > model.repeat) {
    task.emitOpError("expected a repeat_count of at most ")
        << model.repeat << ", but got " << repeats;
    return false;
  }
  if (!checkLinear(p))
    return false;
  if (p.dims.empty())
    return checkBounds(p, p.offset + p.length - 1);
  if (int64_t(p.dims.size()) == model.shim.dimensions + 1) {
    DimAttr outer = p.dims.front();
    int64_t most =
        outer.getStride() == 0 ? model.repeat + 1 : model.shim.iterations;
    if (outer.getSize() != repeats + 1 || outer.getSize() > most) {
      descriptor.emitOpError("expected the outermost of ")
          << p.dims.size()
          << " dimensions to have the size repeat_count + 1 = " << repeats + 1
          << ", at most " << most << ", but got " << outer.getSize();
      return false;
    }
    if (int64_t(outer.getStride()) * p.bytes % model.granule != 0) {
      descriptor.emitOpError("expected strides of ")
          << p.what << " to be multiples of " << model.granule
          << " bytes, but got " << outer.getStride() << " values of " << p.bytes
          << " bytes";
      return false;
    }
    p.dims = p.dims.drop_front();
    // Everything lies behind where the last repetition begins.
    p.offset += (int64_t(outer.getSize()) - 1) * outer.getStride();
  }
  return checkDims(p, model.shim);
}

bool Checker::checkFifo(ObjectFifoOp fifo) const {
  if (findSharedEnd(fifo))
    return true; // no DMA
  Pattern p;
  p.op = fifo;
  p.bytes = getValueBytes(fifo.getElementMemRef());
  p.size = p.length = fifo.getElementMemRef().getNumElements();
  p.what = ("an element of @" + fifo.getSymName()).str();
  if (!checkLinear(p))
    return false;
  for (unsigned end = 0; end <= fifo.getConsumerTiles().size(); ++end) {
    TileOp tile =
        end ? fifo.getConsumerTileOp(end - 1) : fifo.getProducerTileOp();
    p.dims = fifo.getDims(end);
    if (!p.dims.empty() && !checkDims(p, model.of(tile)))
      return false;
  }
  return true;
}

/// Each part begins at a granule.
bool Checker::checkLink(ObjectFifoLinkOp link) const {
  int64_t bytes = getValueBytes(link.getInputs().front().getElementMemRef());
  for (ArrayAttr offsets : {link.getSrcOffsets(), link.getDstOffsets()})
    for (Attribute offset : offsets) {
      int64_t at = cast<IntegerAttr>(offset).getInt();
      if (at * bytes % model.granule == 0)
        continue;
      link.emitOpError("expected offsets that are multiples of ")
          << model.granule << " bytes, but got " << at << " values of " << bytes
          << " bytes";
      return false;
    }
  return true;
}

namespace {

struct AieCheckAccessPatterns
    : headrace::aie::impl::AieCheckAccessPatternsBase<AieCheckAccessPatterns> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    Checker checker(model);
    bool fits = true;
    device.walk([&](Operation *op) {
      if (auto task = dyn_cast<DMAConfigureTaskForOp>(op))
        fits &= checker.checkTask(task);
      else if (auto fifo = dyn_cast<ObjectFifoOp>(op))
        fits &= checker.checkFifo(fifo);
      else if (auto link = dyn_cast<ObjectFifoLinkOp>(op))
        fits &= checker.checkLink(link);
    });
    return fits;
  }
};

} // namespace
