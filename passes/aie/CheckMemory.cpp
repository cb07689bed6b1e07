//===- CheckMemory.cpp - what a tile holds fits its memory ----------------===//

#include "passes/aie/Design.h"
#include "passes/aie/DeviceModel.h"
#include "passes/aie/Passes.h"

#include "llvm/Support/FormatVariadic.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKMEMORY
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;

namespace {

struct Item {
  std::string what;
  int64_t bytes;
};

struct AieCheckMemory
    : headrace::aie::impl::AieCheckMemoryBase<AieCheckMemory> {
  using Base::Base;

  void runOnOperation() override {
    if (!forEachDevice(getOperation(), devices, check))
      signalPassFailure();
  }

  static bool check(DeviceOp device, const DeviceModel &model) {
    Design design(device);
    bool fits = true;
    for (auto &[key, ends] : design.tiles())
      if (TileOp tile = key; !tile.isShim())
        fits &= checkTile(design, tile, ends, model.of(tile).memoryBytes);
    for (auto core : device.getBodyRegion().getOps<CoreOp>()) {
      fits &= checkUses(core);
      fits &= checkStack(core, model.core);
    }
    return fits;
  }

  /// The compiler of the array would put buffers on a stack that is larger than
  /// the bank where it begins.
  static bool checkStack(CoreOp core, const TileModel &model) {
    int64_t bank = model.memoryBytes / model.banks, stack = core.getStackSize();
    if (stack <= bank)
      return true;
    core.emitOpError("needs a stack of ")
        << stack << " bytes, but a bank of " << core.getTileOp().describe()
        << " has " << bank;
    return false;
  }

  /// What another core uses as well would need locks of its own.
  static bool checkUses(CoreOp core) {
    TileOp tile = core.getTileOp();
    auto checkOperands = [&](Operation *op) {
      for (Value operand : op->getOperands()) {
        auto buffer = operand.getDefiningOp<BufferOp>();
        if (!buffer || buffer.getTileOp() == tile)
          continue;
        op->emitOpError("expected buffers of ")
            << tile.describe() << ", but got " << describe(buffer) << " of "
            << buffer.getTileOp().describe();
        return WalkResult::interrupt();
      }
      return WalkResult::advance();
    };
    return !core.getBody().walk(checkOperands).wasInterrupted();
  }

  static bool checkTile(const Design &design, TileOp tile,
                        ArrayRef<FifoEnd> ends, int64_t limit) {
    SmallVector<Item> items;
    if (CoreOp core = design.coreOf(tile))
      items.push_back({"the stack", core.getStackSize()});
    for (Operation *user : tile->getUsers())
      if (auto buffer = dyn_cast<BufferOp>(user))
        items.push_back({describe(buffer), bytesOf(buffer)});
    const FifoEnd *largest = nullptr;
    for (const FifoEnd &end : ends) {
      int64_t bytes = end.buffers * end.bytes;
      if (bytes == 0)
        continue;
      items.push_back({llvm::formatv("{0} x {1} bytes of {2}", end.buffers,
                                     end.bytes, end.describe()),
                       bytes});
      if (!largest || bytes > largest->buffers * largest->bytes)
        largest = &end;
    }
    int64_t need = 0;
    for (const Item &item : items)
      need += item.bytes;
    if (need <= limit)
      return true;
    llvm::sort(items, [](const Item &a, const Item &b) {
      return std::pair(-a.bytes, a.what) < std::pair(-b.bytes, b.what);
    });
    InFlightDiagnostic diag = tile.emitOpError("needs ")
                              << need << " bytes of memory, but "
                              << tile.describe() << " has " << limit;
    for (const Item &item : items)
      diag.attachNote(tile.getLoc())
          << item.what << ": " << item.bytes << " bytes";
    if (!largest)
      return false;
    int64_t others = need - largest->buffers * largest->bytes;
    int64_t depth = (limit - others) / largest->bytes;
    if (others < limit && depth > 0)
      diag.attachNote(tile.getLoc())
          << "what fits: a depth of " << depth << " of " << largest->describe();
    else
      diag.attachNote(tile.getLoc())
          << "what fits: elements of at most "
          << std::max<int64_t>(0, limit - others) << " bytes of "
          << largest->describe() << ", at a depth of 1";
    return false;
  }

  static int64_t bytesOf(BufferOp buffer) {
    return getBytes(cast<MemRefType>(buffer.getBuffer().getType()));
  }

  static std::string describe(BufferOp buffer) {
    return buffer.getSymName() ? ("buffer " + *buffer.getSymName()).str()
                               : "a buffer";
  }
};

} // namespace
