//===- CheckArguments.cpp - transfers move all of their arguments ---------===//

#include "passes/aie/Passes.h"
#include "passes/aie/Sequence.h"

#include "llvm/ADT/STLExtras.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIECHECKARGUMENTS
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aiex;

namespace {

/// Values of an argument: from `begin` to before `end`.
struct Range {
  int64_t begin, end;

  bool operator<(const Range &other) const { return begin < other.begin; }
};

/// Ranges in order, with gaps between them.
using Ranges = SmallVector<Range>;

/// What a task moves of its argument.
struct Transfer {
  DMAConfigureTaskForOp task;
  unsigned argument;
  bool writes;
  Ranges ranges;
  /// Whether a value is moved more than once.
  bool again;
};

/// Most pieces of a transfer that are looked at.
constexpr int64_t kMostPieces = int64_t(1) << 24;

struct AieCheckArguments
    : headrace::aie::impl::AieCheckArgumentsBase<AieCheckArguments> {
  void runOnOperation() override {
    for (auto device : getOperation().getOps<DeviceOp>())
      for (auto sequence : device.getBodyRegion().getOps<RuntimeSequenceOp>())
        if (!check(sequence))
          return signalPassFailure();
  }

  static bool check(RuntimeSequenceOp sequence) {
    std::vector<Transfer> running;
    SmallVector<Ranges> moved(sequence.getBody().getNumArguments());
    for (Operation &op : sequence.getBody().front()) {
      if (auto start = dyn_cast<DMAStartTaskOp>(op)) {
        std::optional<Transfer> transfer = transferOf(start.getTaskOp());
        if (!transfer || !checkStart(start, *transfer, running))
          return false;
        moved[transfer->argument].append(transfer->ranges);
        running.push_back(std::move(*transfer));
      } else if (auto await = dyn_cast<DMAAwaitTaskOp>(op)) {
        end(await.getTaskOp(), running);
      } else if (auto free = dyn_cast<DMAFreeTaskOp>(op)) {
        end(free.getTaskOp(), running);
      }
    }
    for (auto [number, ranges] : llvm::enumerate(moved))
      if (!checkWhole(sequence, number, ranges))
        return false;
    return true;
  }

private:
  /// A task that ends, and those before it on its channel.
  static void end(DMAConfigureTaskForOp task, std::vector<Transfer> &running) {
    auto last = llvm::find_if(llvm::reverse(running), [&](Transfer &other) {
      return other.task == task;
    });
    size_t count = running.rend() - last;
    size_t index = 0;
    llvm::erase_if(running, [&](Transfer &other) {
      return index++ < count && other.task.getAlloc() == task.getAlloc();
    });
  }

  static void merge(Ranges &ranges) {
    llvm::sort(ranges);
    size_t count = 0;
    for (Range range : ranges) {
      if (count && range.begin <= ranges[count - 1].end)
        ranges[count - 1].end = std::max(ranges[count - 1].end, range.end);
      else
        ranges[count++] = range;
    }
    ranges.truncate(count);
  }

  /// The pieces of an access pattern, each a run of values.
  static std::optional<Transfer> transferOf(DMAConfigureTaskForOp task) {
    DmaBdOp descriptor = task.getDescriptor();
    Transfer made{task,
                  cast<BlockArgument>(descriptor.getBuffer()).getArgNumber(),
                  !task.getObjectFifo().getProducerTileOp().isShim(),
                  {},
                  false};
    int64_t offset = descriptor.getOffset(), length = descriptor.getLength();
    int64_t times = int64_t(task.getRepeatCount()) + 1, values = length;
    made.ranges = {{offset, offset + length}};
    if (auto dims = descriptor.getDimensions()) {
      // What is one run: inner dimensions that follow each other.
      int64_t run = 1;
      ArrayRef<DimAttr> outer = *dims;
      for (; !outer.empty() && int64_t(outer.back().getStride()) == run;
           outer = outer.drop_back())
        run *= outer.back().getSize();
      made.ranges = {{offset, offset + run}};
      values = run;
      for (DimAttr dim : llvm::reverse(outer)) {
        int64_t size = dim.getSize(), count = made.ranges.size();
        if (count * size > kMostPieces) {
          descriptor.emitOpError("expected at most ")
              << kMostPieces << " pieces of its argument, but got "
              << count * size << "; make the innermost dimension larger";
          return std::nullopt;
        }
        values *= size;
        for (int64_t i = 1; i < size; ++i)
          for (int64_t j = 0; j < count; ++j) {
            Range first = made.ranges[j];
            int64_t step = i * dim.getStride();
            made.ranges.push_back({first.begin + step, first.end + step});
          }
      }
    }
    merge(made.ranges);
    int64_t different = 0;
    for (Range range : made.ranges)
      different += range.end - range.begin;
    // With a dimension for repetitions, these move values of their own.
    made.again = different < values || values < length * times;
    return made;
  }

  /// What is written is written once, and not while others are at it.
  static bool checkStart(DMAStartTaskOp start, const Transfer &transfer,
                         ArrayRef<Transfer> running) {
    if (transfer.writes && transfer.again) {
      start.emitOpError("writes values of argument ")
          << transfer.argument
          << " more than once: expected a place for each result";
      return false;
    }
    for (const Transfer &other : running) {
      if (other.argument != transfer.argument ||
          (!other.writes && !transfer.writes))
        continue;
      std::optional<Range> both = overlap(transfer.ranges, other.ranges);
      if (!both)
        continue;
      DMAConfigureTaskForOp task = other.task;
      start.emitOpError(transfer.writes ? "writes" : "reads")
          << " values " << both->begin << " to " << both->end - 1
          << " of argument " << transfer.argument << ", which a task of @"
          << task.getAlloc() << " may still "
          << (other.writes ? "write" : "read")
          << ": expected it to be awaited before";
      return false;
    }
    return true;
  }

  /// The first values that are in both.
  static std::optional<Range> overlap(const Ranges &a, const Ranges &b) {
    for (size_t i = 0, j = 0; i < a.size() && j < b.size();) {
      Range both{std::max(a[i].begin, b[j].begin),
                 std::min(a[i].end, b[j].end)};
      if (both.begin < both.end)
        return both;
      ++(a[i].end <= b[j].end ? i : j);
    }
    return std::nullopt;
  }

  /// An argument is as long as what is moved of it.
  static bool checkWhole(RuntimeSequenceOp sequence, unsigned number,
                         Ranges &ranges) {
    merge(ranges);
    auto type =
        cast<MemRefType>(sequence.getBody().getArgument(number).getType());
    Range missing{0, type.getNumElements()};
    if (!ranges.empty() && ranges.front().begin > 0)
      missing.end = ranges.front().begin;
    else if (!ranges.empty())
      missing = {ranges.front().end,
                 ranges.size() > 1 ? ranges[1].begin : missing.end};
    if (missing.begin >= missing.end)
      return true;
    sequence.emitOpError("expected transfers of all of argument ")
        << number << ", but none moves its values " << missing.begin << " to "
        << missing.end - 1;
    return false;
  }
};

} // namespace
