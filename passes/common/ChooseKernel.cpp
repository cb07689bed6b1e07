//===- ChooseKernel.cpp - dense, sparse or tables, and splits, by cost ----===//

#include "dialects/QAttn/QAttn.h"
#include "dialects/QAttn/QAttnCosts.h"
#include "dialects/QLinear/QLinearCosts.h"
#include "passes/common/CostAssumptions.h"
#include "passes/common/KernelChoice.h"
#include "passes/common/Passes.h"

#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

#include <algorithm>
#include <cmath>

namespace headrace::common {
#define GEN_PASS_DEF_CHOOSEKERNEL
#include "passes/common/Passes.h.inc"
} // namespace headrace::common

using namespace mlir;
using namespace headrace;
using namespace headrace::common;
using namespace headrace::qlinear;

namespace {

/// A part of a cache is not worth a kernel of its own below this.
constexpr int64_t kLeastTokens = 64;

constexpr int64_t kMostThreads = 65536;

/// Rates are per microsecond.
struct Device {
  double bytes, products, lookups, overhead;
  int64_t threads;

  /// Time of a kernel that starts, moves and computes `cost`.
  double time(const Cost &cost, double rate) const {
    return overhead + work(cost, rate);
  }
  double work(const Cost &cost, double rate) const {
    return std::max(cost.movedBytes() / bytes,
                    (cost.operations + cost.transcendentals) / rate);
  }
};

struct Choice {
  StringRef kernel;
  double microseconds;
};

/// How many products use one list of columns with `op`: sparse products of the
/// same activations and threshold share it.
int64_t productsOfList(Operation *op, Value x) {
  return llvm::count_if(llvm::SmallPtrSet<Operation *, 8>(x.getUsers().begin(),
                                                          x.getUsers().end()),
                        [&](Operation *user) {
                          return isa<MatvecOp, GatedMatvecOp>(user) &&
                                 user->getBlock() == op->getBlock() &&
                                 user->getAttr(kThresholdAttribute) ==
                                     op->getAttr(kThresholdAttribute);
                        });
}

bool hasTables(PackedType weight) {
  auto codebook = dyn_cast<CodebookFormatAttr>(weight.getFormat());
  return codebook && codebook.hasTables();
}

class Chooser {
public:
  Chooser(const Device &device, const CostAssumptions &assumptions)
      : device(device), assumptions(assumptions) {}

  SmallVector<Choice> choices(Operation *op) const {
    return llvm::TypeSwitch<Operation *, SmallVector<Choice>>(op)
        .Case<MatvecOp, MatmulOp>([&](auto product) {
          PackedType weight = product.getWeight().getType();
          return choicesOf(op, weight, product.getX(), Cost());
        })
        .Case([&](GatedMatvecOp gated) {
          PackedType gate = gated.getGate().getType();
          PackedType up = gated.getUp().getType();
          return choicesOf(
              op, {gate, up}, gated.getX(),
              gatedActivationCost(gated.getActivation(), gate.getRows()));
        })
        .Default(SmallVector<Choice>());
  }

  /// The number of parts with the least time; the smallest of equals.
  template <typename Op> int64_t splits(Op op, int64_t units) const {
    std::optional<int64_t> window;
    if constexpr (std::is_same_v<Op, qattn::DecodeOp>)
      if (op.getWindow())
        window = static_cast<int64_t>(*op.getWindow());
    int64_t tokens = qattn::seenTokens(op.getCache().getType(), op.getTable(),
                                       assumptions.length, window);
    Cost cost = cast<CostOpInterface>(op.getOperation()).getCost(assumptions);
    double whole = device.work(cost, device.products);
    double results = cost.writtenBytes;
    int64_t most = std::min(tokens / kLeastTokens, 8 * device.threads);
    int64_t best = 1;
    double least = 0;
    for (int64_t parts = 1; parts <= std::max<int64_t>(most, 1); ++parts) {
      // In whole rounds, a thread does one unit of work in each.
      auto rounds =
          static_cast<double>(llvm::divideCeil(units * parts, device.threads));
      double time = device.overhead + rounds * whole *
                                          static_cast<double>(device.threads) /
                                          static_cast<double>(units * parts);
      if (parts > 1) // partial results are written and read again
        time += device.overhead +
                2 * results * static_cast<double>(parts) / device.bytes;
      if (parts == 1 || time < least) {
        best = parts;
        least = time;
      }
    }
    return best;
  }

private:
  /// Products of `x` with `weights`; `rest` is what follows them where they are
  /// not one operation.
  SmallVector<Choice> choicesOf(Operation *op, ArrayRef<PackedType> weights,
                                Value x, const Cost &rest) const {
    Cost whole = cast<CostOpInterface>(op).getCost(assumptions);
    SmallVector<Choice> all{{"dense", device.time(whole, device.products)}};
    auto type = dyn_cast<ShapedType>(x.getType());
    if (!type) // packed activations go with dense products only
      return all;
    double after =
        weights.size() > 1 ? device.time(rest, device.products) : 0.0;
    if (op->hasAttr(kThresholdAttribute) && !isa<MatmulOp>(op)) {
      double time = listTime(op, x) + after;
      for (PackedType weight : weights)
        time += device.time(
            sparseMatvecCost(weight, type, weight.getCols(), assumptions),
            device.products);
      all.push_back({"sparse", time});
    }
    if (device.lookups > 0 && type.getElementType().isF32() &&
        llvm::all_of(weights, hasTables)) {
      double time = after;
      for (PackedType weight : weights)
        time += lutTime(weight, type.getNumElements() / weight.getCols());
      all.push_back({"lut", time});
    }
    return all;
  }

  /// This operation's part of the time in which columns are found, by one of
  /// the units that work beside each other.
  double listTime(Operation *op, Value x) const {
    double work = device.work(selectColumnsCost(x.getType()), device.products);
    double time = device.overhead + work * static_cast<double>(device.threads);
    return time / static_cast<double>(productsOfList(op, x));
  }

  double lutTime(PackedType weight, int64_t tokens) const {
    return device.time(assignCentroidsCost(weight, tokens), device.products) +
           device.time(lutProductCost(weight, tokens), device.lookups);
  }

  const Device &device;
  CostAssumptions assumptions;
};

struct ChooseKernel : headrace::common::impl::ChooseKernelBase<ChooseKernel> {
  using Base::Base;

  void runOnOperation() override {
    CostAssumptions given{density, length, sector};
    if (failed(verifyOptions()) ||
        failed(verifyAssumptions(getOperation(), "choose-kernel", given)))
      return signalPassFailure();
    Device device{readBandwidth * 1e3, denseRate * 1e3, lookupRate * 1e3,
                  overhead, threads};
    WalkResult result = getOperation()->walk([&](Operation *op) {
      if (!isa<CostOpInterface>(op))
        return WalkResult::advance();
      FailureOr<CostAssumptions> assumptions = assumptionsFor(op, given);
      if (failed(assumptions))
        return WalkResult::interrupt();
      Chooser chooser(device, *assumptions);
      if (failed(chooseKernel(op, chooser)))
        return WalkResult::interrupt();
      if (auto decode = dyn_cast<qattn::DecodeOp>(op))
        chooseSplits(decode, decode.getCache().getType().getHeads(), chooser);
      else if (auto mla = dyn_cast<qattn::MlaDecodeOp>(op))
        chooseSplits(mla, 1, chooser); // all heads read the same latents
      return WalkResult::advance();
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

private:
  LogicalResult verifyOptions() {
    auto expect = [&](StringRef name, double value, bool allowed,
                      StringRef what) -> LogicalResult {
      if (allowed)
        return success();
      return getOperation()->emitError()
             << "choose-kernel: expected " << name << " " << what
             << ", but got " << value;
    };
    return success(
        succeeded(expect("read-bandwidth", readBandwidth, readBandwidth > 0,
                         "above 0")) &&
        succeeded(expect("dense-gops", denseRate, denseRate > 0, "above 0")) &&
        succeeded(expect("lookup-gops", lookupRate, lookupRate >= 0,
                         "of 0 or above")) &&
        succeeded(
            expect("overhead-us", overhead, overhead >= 0, "of 0 or above")) &&
        succeeded(expect("threads", static_cast<double>(threads),
                         threads >= 1 && threads <= kMostThreads,
                         "from 1 to 65536")));
  }

  LogicalResult chooseKernel(Operation *op, const Chooser &chooser) {
    FailureOr<StringRef> chosen = chosenKernel(op);
    if (failed(chosen))
      return failure();
    SmallVector<Choice> choices = chooser.choices(op);
    if (!chosen->empty() || choices.size() < 2)
      return success();
    const Choice *best =
        llvm::min_element(choices, [](const Choice &a, const Choice &b) {
          return a.microseconds < b.microseconds;
        });
    Builder b(&getContext());
    op->setAttr(kKernelAttribute, b.getStringAttr(best->kernel));
    SmallVector<NamedAttribute> times;
    for (const Choice &choice : choices) // in nanoseconds, to be readable
      times.push_back(b.getNamedAttr(
          choice.kernel,
          b.getF64FloatAttr(std::round(choice.microseconds * 1e3) / 1e3)));
    op->setAttr("headrace.modelled_us", b.getDictionaryAttr(times));
    return success();
  }

  template <typename Op>
  void chooseSplits(Op op, int64_t units, const Chooser &chooser) {
    if (threads == 1 || op.getSplits() || op->hasAttr(kSplitsAttribute) ||
        op->getResults().empty())
      return;
    Builder b(&getContext());
    op->setAttr(kSplitsAttribute,
                b.getI64IntegerAttr(chooser.splits(op, units)));
  }
};

} // namespace
