//===- Depths.cpp - whether streams are deep enough -----------------------===//
//
// Tasks wait for streams and for nothing else, so how far each of them comes
// does not depend on who is faster (Kahn): one run, in any order, shows whether
// all come to their end.
//
//===----------------------------------------------------------------------===//

#include "dialects/Dataflow/Rates.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace headrace::dataflow;

namespace {

/// What one end of a stream has done: windows opened, and closed again.
struct End {
  Operation *op;
  int64_t opened = 0;
  int64_t closed = 0;
};

/// A stream. The parts of an element may be put, and taken, independently.
struct Queue {
  StringRef name;
  int64_t depth;
  SmallVector<End, 1> writers, readers;

  static End &slowest(MutableArrayRef<End> ends) {
    return *llvm::min_element(
        ends, [](const End &a, const End &b) { return a.closed < b.closed; });
  }
  bool canOpen(bool writing, unsigned end) {
    if (writing)
      return writers[end].opened - slowest(readers).closed < depth;
    return readers[end].opened < slowest(writers).closed;
  }
};

struct Step {
  enum Kind { Open, Close, Loop, EndLoop } kind;
  /// Of a window.
  Queue *queue = nullptr;
  bool writing = false;
  unsigned end = 0;
  /// Of a loop.
  int64_t trips = 0;
  size_t begin = 0;
};

/// Something that waits by itself: its steps, and where it is in them.
struct Agent {
  Operation *op;
  SmallVector<Step> steps;
  size_t at = 0;
  SmallVector<int64_t> left;

  bool isDone() const { return at == steps.size(); }

  /// Goes on until it must wait; returns how many steps that was.
  int64_t run() {
    int64_t count = 0;
    for (; !isDone(); ++at, ++count) {
      Step &step = steps[at];
      if (step.kind == Step::Loop) {
        left.push_back(step.trips);
      } else if (step.kind == Step::EndLoop) {
        if (--left.back() > 0)
          at = step.begin;
        else
          left.pop_back();
      } else {
        End &end = (step.writing ? step.queue->writers
                                 : step.queue->readers)[step.end];
        if (step.kind == Step::Close)
          ++end.closed;
        else if (step.queue->canOpen(step.writing, step.end))
          ++end.opened;
        else
          break;
      }
    }
    return count;
  }
};

class Run {
public:
  explicit Run(GraphOp graph) {
    for (StreamOp stream : graph.getBlock().getOps<StreamOp>())
      queues.insert(
          {stream.getStream(),
           Queue{stream.getName(), int64_t(stream.getDepth()), {}, {}}});
    for (Operation &op : graph.getBlock())
      addAgents(&op);
  }

  /// Runs until all have ended or wait, or for `most` steps; then returns
  /// false.
  bool finish(int64_t most) {
    int64_t progress = 1;
    while (progress && most > 0) {
      progress = 0;
      for (Agent &agent : agents)
        progress += agent.run();
      most -= progress;
    }
    return progress == 0;
  }

  Agent *findStuck() {
    auto *found = llvm::find_if(
        agents, [](const Agent &agent) { return !agent.isDone(); });
    return found == agents.end() ? nullptr : found;
  }

  /// The agent that `agent` waits for.
  Agent *next(const Agent &agent) {
    const Step &step = agent.steps[agent.at];
    End &end = Queue::slowest(step.writing ? step.queue->readers
                                           : step.queue->writers);
    return llvm::find_if(agents, [&](Agent &other) {
      return other.op == end.op && !other.isDone() &&
             llvm::any_of(other.steps, [&](const Step &its) {
               return its.queue == step.queue &&
                      &(its.writing ? its.queue->writers
                                    : its.queue->readers)[its.end] == &end;
             });
    });
  }

private:
  unsigned addEnd(Value stream, bool writing, Operation *op) {
    Queue &queue = queues.find(stream)->second;
    SmallVector<End, 1> &ends = writing ? queue.writers : queue.readers;
    ends.push_back({op});
    return ends.size() - 1;
  }
  Step window(Step::Kind kind, Value stream, bool writing, unsigned end = 0) {
    return {kind, &queues.find(stream)->second, writing, end};
  }

  /// An agent that moves `count` elements between these ends.
  void addMover(Operation *op, int64_t count,
                ArrayRef<std::pair<Value, bool>> streams) {
    SmallVector<Step> steps = {{Step::Loop, nullptr, false, 0, count}};
    for (auto [stream, writing] : streams)
      steps.push_back(
          window(Step::Open, stream, writing, addEnd(stream, writing, op)));
    for (size_t i = 1, e = steps.size(); i < e; ++i) {
      steps.push_back(steps[i]);
      steps.back().kind = Step::Close;
    }
    steps.push_back({Step::EndLoop});
    if (count)
      agents.push_back({op, steps, 0, {}});
  }

  /// Ports at one end of a stream are one agent.
  void addPort(PortOp port) {
    bool writing = port.getDirection() == Direction::Read;
    auto [at, isFirst] =
        ports[writing].insert({port.getStream(), agents.size()});
    if (isFirst)
      addMover(port, port.getElementCount(), {{port.getStream(), writing}});
    else
      agents[at->second].steps.front().trips += port.getElementCount();
  }

  void addAgents(Operation *op) {
    if (auto port = dyn_cast<PortOp>(op))
      return addPort(port);
    if (auto task = dyn_cast<TaskOp>(op)) {
      llvm::SmallDenseSet<Value, 8> ends[2];
      task.walk([&](Operation *inner) {
        bool writing = isa<PushOp>(inner);
        if (isa<PushOp, PopOp>(inner) &&
            ends[writing].insert(inner->getOperand(0)).second)
          addEnd(inner->getOperand(0), writing, op);
      });
      agents.push_back({op, {}, 0, {}});
      return addSteps(task.getBody().front(), agents.back().steps);
    }
    if (auto broadcast = dyn_cast<BroadcastOp>(op)) {
      SmallVector<std::pair<Value, bool>> streams = {
          {broadcast.getInput(), false}};
      for (Value output : broadcast.getOutputs())
        streams.push_back({output, true});
      return addMover(op, getElementCount(broadcast.getInput()), streams);
    }
    if (auto distribute = dyn_cast<DistributeOp>(op))
      for (Value output : distribute.getOutputs())
        addMover(op, getElementCount(distribute.getInput()),
                 {{distribute.getInput(), false}, {output, true}});
    if (auto join = dyn_cast<JoinOp>(op))
      for (Value input : join.getInputs())
        addMover(op, getElementCount(join.getOutput()),
                 {{input, false}, {join.getOutput(), true}});
  }

  /// Appends what a block of a task does to streams.
  void addSteps(Block &block, SmallVector<Step> &steps) {
    for (Operation &op : block) {
      if (auto loop = dyn_cast<scf::ForOp>(op)) {
        int64_t trips = getTripCount(&op).value_or(0);
        size_t begin = steps.size();
        steps.push_back({Step::Loop, nullptr, false, 0, trips});
        addSteps(*loop.getBody(), steps);
        if (trips && steps.size() > begin + 1)
          steps.push_back({Step::EndLoop, nullptr, false, 0, 0, begin});
        else // nothing in it waits
          steps.truncate(begin);
      } else if (isa<PushOp, PopOp>(op)) {
        Value stream = op.getOperand(0);
        steps.push_back(window(Step::Open, stream, isa<PushOp>(op)));
        addSteps(op.getRegion(0).front(), steps);
        steps.push_back(window(Step::Close, stream, isa<PushOp>(op)));
      }
    }
  }

  // Steps point into it, so it is complete before the first of them.
  llvm::MapVector<Value, Queue> queues;
  SmallVector<Agent> agents;
  llvm::DenseMap<Value, size_t> ports[2];
};

/// How what waits is called: by its name or by its stream.
std::string describe(Operation *op) {
  if (auto task = dyn_cast<TaskOp>(op))
    return ("task \"" + task.getName() + "\"").str();
  unsigned operand = isa<JoinOp>(op)   ? op->getNumOperands() - 1
                     : isa<PortOp>(op) ? 1
                                       : 0;
  auto stream = op->getOperand(operand).getDefiningOp<StreamOp>();
  return (op->getName().getStringRef() + " of \"" + stream.getName() + "\"")
      .str();
}

} // namespace

LogicalResult headrace::dataflow::verifyDepths(GraphOp graph) {
  // More than any array of cores moves in a run: far less than seconds here.
  constexpr int64_t kMostSteps = int64_t(1) << 27;
  Run run(graph);
  if (!run.finish(kMostSteps))
    return graph.emitOpError() << "expected a run to end within " << kMostSteps
                               << " steps, so that its streams can be checked, "
                                  "but it goes on; make "
                                  "elements larger";
  Agent *agent = run.findStuck();
  if (!agent)
    return success();
  // Each waits for another one that waits: follow them until one comes again.
  llvm::SetVector<Agent *> seen;
  while (seen.insert(agent))
    agent = run.next(*agent);
  InFlightDiagnostic error =
      graph.emitOpError()
      << "expected streams that are deep enough, but got a cycle of waits:";
  for (Agent *waiting :
       ArrayRef<Agent *>(seen.getArrayRef()).drop_until([&](Agent *it) {
         return it == agent;
       })) {
    const Step &step = waiting->steps[waiting->at];
    error << (waiting == agent ? " " : "; ") << describe(waiting->op)
          << " waits for ";
    if (step.writing)
      error << "room in \"" << step.queue->name << "\" (depth "
            << step.queue->depth << ")";
    else
      error << "an element of \"" << step.queue->name << "\"";
  }
  return error;
}
