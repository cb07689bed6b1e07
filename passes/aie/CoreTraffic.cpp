//===- CoreTraffic.cpp - the elements that a core takes and gives ---------===//

#include "passes/aie/CoreTraffic.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

#include <limits>

using namespace mlir;
using namespace headrace::aie;

std::optional<int64_t> headrace::aie::getTripCount(Operation *op) {
  auto loop = cast<scf::ForOp>(op);
  std::optional<int64_t> lower = getConstantIntValue(loop.getLowerBound());
  std::optional<int64_t> upper = getConstantIntValue(loop.getUpperBound());
  std::optional<int64_t> step = getConstantIntValue(loop.getStep());
  if (!lower || !upper || !step || *step <= 0)
    return std::nullopt;
  if (*upper <= *lower)
    return 0;
  uint64_t distance = uint64_t(*upper) - uint64_t(*lower);
  uint64_t trips = (distance - 1) / uint64_t(*step) + 1;
  return std::min<uint64_t>(trips, std::numeric_limits<int64_t>::max());
}

namespace {

/// What has happened at one port so far.
struct PortState {
  int64_t held = 0;
  int64_t moved = 0; // taken by a consumer, given by a producer
  int64_t released = 0;
  int64_t acquires = 0;
  Operation *firstAcquire = nullptr;
  Operation *differs = nullptr;
};

using State = llvm::MapVector<PortKey, PortState>;

/// Most iterations of a loop that are followed one by one.
constexpr int64_t kMostSteps = 1 << 12;

PortKey keyOf(StringRef fifo, Port port) {
  return {fifo, static_cast<uint32_t>(port)};
}

std::string describe(PortKey key) {
  return ("@" + key.first + " (" +
          stringifyPort(static_cast<Port>(key.second)) + ")")
      .str();
}

bool usesFifos(Operation *op) {
  return op
      ->walk([](Operation *inner) {
        return isa<AcquireOp, ReleaseOp>(inner) ? WalkResult::interrupt()
                                                : WalkResult::advance();
      })
      .wasInterrupted();
}

class Follower {
public:
  LogicalResult follow(Block &block);
  /// At the end of the core.
  LogicalResult finish(CoreOp core);

  State state;
  /// What one iteration of the endless loop does, once it was reached.
  std::optional<State> iteration;
  /// Iterations of it before that one, which did something else.
  int64_t others = 0;

private:
  void acquire(AcquireOp op);
  LogicalResult release(ReleaseOp op);
  LogicalResult use(Operation &op);
  LogicalResult useWithin(Operation &op);
  LogicalResult loop(scf::ForOp op);
  LogicalResult endless(scf::ForOp op);
  LogicalResult branch(scf::IfOp op);

  /// Of what an acquire returned last: elements released before its first one.
  llvm::DenseMap<Value, int64_t> firsts;
};

} // namespace

void Follower::acquire(AcquireOp op) {
  PortState &port = state[keyOf(op.getObjFifoName(), op.getPort())];
  int64_t size = op.getSize();
  if (op.getPort() == Port::Consume)
    port.moved += std::max<int64_t>(0, size - port.held);
  port.held = std::max(port.held, size);
  firsts[op.getSubview()] = port.released;
  ++port.acquires;
  if (!port.firstAcquire)
    port.firstAcquire = op;
}

LogicalResult Follower::release(ReleaseOp op) {
  PortKey key = keyOf(op.getObjFifoName(), op.getPort());
  PortState &port = state[key];
  int64_t size = op.getSize();
  if (size > port.held)
    return op.emitOpError("releases ")
           << size << " elements of " << describe(key)
           << ", but the core holds " << port.held << " there";
  port.held -= size;
  port.released += size;
  if (op.getPort() == Port::Produce)
    port.moved += size;
  return success();
}

/// What `op` reads or writes must not have been released: a DMA may be there.
LogicalResult Follower::use(Operation &op) {
  for (Value operand : op.getOperands()) {
    auto access = operand.getDefiningOp<SubviewAccessOp>();
    if (!access)
      continue;
    auto from = access.getSubview().getDefiningOp<AcquireOp>();
    PortKey key = keyOf(from.getObjFifoName(), from.getPort());
    if (firsts.lookup(from.getSubview()) + access.getIndex() <
        state[key].released)
      return op.emitOpError("uses an element of ")
             << describe(key) << " that the core has released";
  }
  return success();
}

/// The same for all operations in it, where none acquires or releases.
LogicalResult Follower::useWithin(Operation &op) {
  return failure(op.walk([&](Operation *inner) {
                     return WalkResult(use(*inner));
                   }).wasInterrupted());
}

LogicalResult Follower::follow(Block &block) {
  for (Operation &op : block) {
    if (iteration) // behind an endless loop: never reached
      return success();
    if (failed(usesFifos(&op) ? use(op) : useWithin(op)))
      return failure();
    LogicalResult result = success();
    if (auto acquireOp = dyn_cast<AcquireOp>(op))
      acquire(acquireOp);
    else if (auto releaseOp = dyn_cast<ReleaseOp>(op))
      result = release(releaseOp);
    else if (op.getNumRegions() == 0 || !usesFifos(&op))
      continue;
    else if (auto forOp = dyn_cast<scf::ForOp>(op))
      result = loop(forOp);
    else if (auto ifOp = dyn_cast<scf::IfOp>(op))
      result = branch(ifOp);
    else
      return op.emitOpError("is around operations on objectFifos; allowed: "
                            "scf.for and scf.if");
    if (failed(result))
      return failure();
  }
  return success();
}

static bool holdSame(const State &a, const State &b) {
  return llvm::all_of(b, [&](const auto &entry) {
    return a.lookup(entry.first).held == entry.second.held;
  });
}

/// `count + step * times`, or the largest number where that is too large.
static int64_t addTimes(int64_t count, int64_t step, int64_t times) {
  int64_t more = 0, sum = 0;
  if (llvm::MulOverflow(step, times, more) ||
      llvm::AddOverflow(count, more, sum))
    return std::numeric_limits<int64_t>::max();
  return sum;
}

/// Adds `times` more iterations that do what was done between two states.
static void repeat(State &state, const State &before, int64_t times) {
  for (auto &[key, port] : state) {
    PortState old = before.lookup(key);
    port.moved = addTimes(port.moved, port.moved - old.moved, times);
    port.released =
        addTimes(port.released, port.released - old.released, times);
  }
}

/// Follows iterations until one of them ends with what it began with: those
/// behind it do the same.
LogicalResult Follower::loop(scf::ForOp op) {
  std::optional<int64_t> trips = getTripCount(op);
  if (!trips)
    return op.emitOpError("expected constant bounds of a loop around "
                          "operations on objectFifos");
  for (int64_t i = 0; i < *trips; ++i) {
    State before = state;
    if (failed(follow(*op.getBody())))
      return failure();
    if (iteration) // an endless loop within
      return success();
    if (holdSame(before, state)) {
      if (*trips >= kEndless) {
        State once = state;
        for (auto &[key, port] : once) {
          PortState old = before.lookup(key);
          port.moved -= old.moved;
          port.released -= old.released;
          port.acquires -= old.acquires;
        }
        state = before;
        iteration = once;
        others = i;
        return endless(op);
      }
      repeat(state, before, *trips - i - 1);
      return success();
    }
    if (i == kMostSteps)
      return op.emitOpError("expected a loop whose iterations come to hold the "
                            "same elements of its objectFifos, but the first ")
             << kMostSteps << " do not";
  }
  return success();
}

/// In the endless loop, whatever is acquired must also be released.
LogicalResult Follower::endless(scf::ForOp op) {
  for (auto &[key, port] : *iteration)
    if (port.acquires > 0 && port.released == 0)
      return port.firstAcquire->emitOpError("acquires elements of ")
             << describe(key)
             << " in an endless loop that never releases any: the other end "
                "waits for ever";
  return success();
}

LogicalResult Follower::branch(scf::IfOp op) {
  if (std::optional<int64_t> constant =
          getConstantIntValue(op.getCondition())) {
    Region &taken = *constant ? op.getThenRegion() : op.getElseRegion();
    return taken.empty() ? success() : follow(taken.front());
  }
  State before = state;
  if (failed(follow(op.getThenRegion().front())))
    return failure();
  State after = state;
  state = before;
  if (!op.getElseRegion().empty() && failed(follow(op.getElseRegion().front())))
    return failure();
  if (iteration)
    return op.emitOpError("is around an endless loop; allowed: one that always "
                          "runs");
  for (auto &[key, port] : after)
    state[key]; // both branches have all ports
  for (auto &[key, port] : state) {
    PortState other = after.lookup(key);
    if (port.held != other.held)
      return op.emitOpError("ends with ")
             << other.held << " elements of " << describe(key)
             << " held on one path, but with " << port.held << " on the other";
    if (port.moved != other.moved || other.differs)
      port.differs = op;
    port.acquires = std::min(port.acquires, other.acquires);
    port.released = std::min(port.released, other.released);
    if (!port.firstAcquire)
      port.firstAcquire = other.firstAcquire;
  }
  return success();
}

LogicalResult Follower::finish(CoreOp core) {
  if (iteration)
    return success();
  for (auto &[key, port] : state)
    if (port.held > 0)
      return core.emitOpError("ends while it holds ")
             << port.held << " elements of " << describe(key)
             << ": expected it to release them";
  return success();
}

FailureOr<CoreTraffic> headrace::aie::followCore(CoreOp core) {
  Follower follower;
  if (failed(follower.follow(core.getBody().front())) ||
      failed(follower.finish(core)))
    return failure();
  CoreTraffic traffic;
  traffic.endless = follower.iteration.has_value();
  for (auto &[key, port] : follower.state)
    traffic.ports[key] = {port.moved, 0, port.differs};
  if (follower.iteration)
    for (auto &[key, port] : *follower.iteration) {
      PortTraffic &to = traffic.ports[key];
      to.rate = port.moved;
      to.base -= follower.others * to.rate;
      if (port.differs)
        to.differs = port.differs;
    }
  return traffic;
}
