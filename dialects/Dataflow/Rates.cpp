//===- Rates.cpp - how many elements pass a stream ------------------------===//

#include "dialects/Dataflow/Rates.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace headrace::dataflow;

std::optional<int64_t> headrace::dataflow::getTripCount(Operation *loop) {
  auto forOp = dyn_cast<scf::ForOp>(loop);
  std::optional<APInt> count =
      forOp ? forOp.getStaticTripCount() : std::nullopt;
  if (!count || count->getActiveBits() > 62)
    return std::nullopt;
  return count->getSExtValue();
}

bool headrace::dataflow::putsInto(OpOperand &operand) {
  Operation *op = operand.getOwner();
  if (auto port = dyn_cast<PortOp>(op))
    return port.getDirection() == Direction::Read;
  if (isa<BroadcastOp, DistributeOp>(op))
    return operand.getOperandNumber() > 0;
  if (isa<JoinOp>(op))
    return operand.getOperandNumber() + 1 == op->getNumOperands();
  return isa<PushOp>(op);
}

/// The operation of a graph that `op`, which uses a stream, is or is part of.
static Operation *getAgent(Operation *op) {
  if (isa<PushOp, PopOp>(op))
    return op->getParentOfType<TaskOp>();
  return op;
}

StreamEnds headrace::dataflow::getEnds(Value stream) {
  StreamEnds ends;
  for (OpOperand &use : stream.getUses())
    (putsInto(use) ? ends.producer : ends.consumer) = getAgent(use.getOwner());
  return ends;
}

/// How often a window is open in one run of its task.
static int64_t countWindow(Operation *window) {
  int64_t count = 1;
  for (Operation *op = window->getParentOp(); !isa<TaskOp>(op);
       op = op->getParentOp())
    if (isa<scf::ForOp>(op)) {
      // Saturates: no two ends can be told apart, but none is wrong by
      // wrapping.
      int64_t trips = getTripCount(op).value_or(0);
      constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
      count = trips && count > kMost / trips ? kMost : count * trips;
    }
  return count;
}

namespace {

/// Elements that each side of each stream moves in a run. What goes through
/// broadcasts, distributions and joins is what comes from tasks and ports
/// before or behind them.
class Rates {
public:
  /// Elements that the operation at one end moves, if tasks or ports say so.
  std::optional<int64_t> at(Value stream, bool producing) {
    std::optional<int64_t> sum;
    for (OpOperand &use : stream.getUses()) {
      if (putsInto(use) != producing)
        continue;
      Operation *op = use.getOwner();
      if (auto port = dyn_cast<PortOp>(op))
        sum = sum.value_or(0) + port.getElementCount();
      else if (isa<PushOp, PopOp>(op))
        sum = sum.value_or(0) + countWindow(op);
      else
        return through(op, producing);
    }
    return sum;
  }

private:
  /// Elements that an operation that moves them moves, looked up on its other
  /// side; none in a ring without any task or port.
  std::optional<int64_t> through(Operation *op, bool producing) {
    if (!visiting.insert(op).second)
      return std::nullopt;
    std::optional<int64_t> found;
    for (OpOperand &operand : op->getOpOperands())
      if (!found && putsInto(operand) != producing)
        found = at(operand.get(), producing);
    visiting.erase(op);
    return found;
  }

  llvm::SmallPtrSet<Operation *, 8> visiting;
};

} // namespace

int64_t headrace::dataflow::getElementCount(Value stream) {
  return Rates().at(stream, /*producing=*/true).value_or(0);
}

/// Ports of a stream are listed as they take turns.
static LogicalResult verifySteps(GraphOp graph) {
  llvm::DenseMap<Value, uint64_t> last[2];
  for (PortOp port : graph.getBlock().getOps<PortOp>()) {
    uint64_t &before =
        last[port.getDirection() == Direction::Read][port.getStream()];
    if (port.getStep() < before)
      return port.emitOpError()
             << "expected a step from " << before
             << " on, which that of the port before it at this stream is, but "
                "got "
             << port.getStep();
    before = port.getStep();
  }
  return success();
}

/// How `op` is called in messages.
static std::string describe(Operation *op) {
  if (auto task = dyn_cast<TaskOp>(op))
    return ("task \"" + task.getName() + "\"").str();
  return op->getName().getStringRef().str();
}

LogicalResult headrace::dataflow::verifyRates(GraphOp graph) {
  llvm::StringSet<> names;
  for (StreamOp stream : graph.getBlock().getOps<StreamOp>()) {
    if (!names.insert(stream.getName()).second)
      return stream.emitOpError() << "expected names that differ, but another "
                                     "stream is \""
                                  << stream.getName() << "\" too";
    StreamEnds ends;
    for (OpOperand &use : stream.getStream().getUses()) {
      bool puts = putsInto(use);
      Operation *agent = getAgent(use.getOwner());
      Operation *&end = puts ? ends.producer : ends.consumer;
      // Windows of one task, and ports, take turns.
      bool turns =
          end && (isa<TaskOp>(agent) ? end == agent
                                     : isa<PortOp>(end) && isa<PortOp>(agent));
      if (end && !turns)
        return stream.emitOpError()
               << "expected one " << (puts ? "producer" : "consumer")
               << " of \"" << stream.getName() << "\", but got "
               << describe(end) << " and " << describe(agent)
               << (puts ? "" : "; dataflow.broadcast gives it to several");
      end = agent;
    }
    if (!ends.producer || !ends.consumer)
      return stream.emitOpError()
             << "expected a producer and a consumer of \"" << stream.getName()
             << "\", but got no " << (ends.producer ? "consumer" : "producer");
    if (ends.producer == ends.consumer)
      return stream.emitOpError()
             << "expected two ends of \"" << stream.getName() << "\", but got "
             << describe(ends.producer)
             << " at both; its own memory is memref.alloca";
  }
  for (StreamOp stream : graph.getBlock().getOps<StreamOp>()) {
    Rates rates;
    std::optional<int64_t> in = rates.at(stream.getStream(), true);
    std::optional<int64_t> out = rates.at(stream.getStream(), false);
    if (!in || !out)
      return stream.emitOpError()
             << "expected a task or a port that says how many elements pass \""
             << stream.getName() << "\", but got a ring without any";
    if (*in == *out)
      continue;
    StreamEnds ends = getEnds(stream.getStream());
    InFlightDiagnostic error = stream.emitOpError()
                               << "expected as many elements to leave \""
                               << stream.getName() << "\" as enter it, but got "
                               << *in << " from " << describe(ends.producer)
                               << " and " << *out << " to "
                               << describe(ends.consumer);
    error.attachNote(ends.consumer->getLoc()) << "this takes them out";
    return error;
  }
  return verifySteps(graph);
}
