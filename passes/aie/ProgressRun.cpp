//===- ProgressRun.cpp - a run of a design without its data ---------------===//

#include "passes/aie/ProgressRun.h"
#include "passes/aie/CoreTraffic.h"
#include "passes/aie/Sequence.h"

#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace headrace::aie;
using namespace headrace::aie::progress;
using namespace headrace::aiex;

//===----------------------------------------------------------------------===//
// Building
//===----------------------------------------------------------------------===//

static TileOp tileOf(ObjectFifoOp fifo, unsigned end) {
  return end ? fifo.getConsumerTileOp(end - 1) : fifo.getProducerTileOp();
}

Run::Run(DeviceOp device, RuntimeSequenceOp sequence) : design(device) {
  agents.emplace_back().name = "the runtime sequence";
  for (auto fifo : device.getBodyRegion().getOps<ObjectFifoOp>())
    addMover(fifo);
  for (auto core : device.getBodyRegion().getOps<CoreOp>()) {
    Agent &agent = agents.emplace_back();
    agent.name = core.getTileOp().describe();
    addSteps(core.getBody().front(), agent, core.getTileOp());
  }
  addSequence(sequence);
}

/// The buffers at an end: a link's fifos share some, and so do neighbours.
Pool &Run::poolOf(ObjectFifoOp fifo, unsigned end) {
  std::optional<unsigned> shared = findSharedEnd(fifo);
  for (unsigned other : {0u, 1u})
    if (shared && design.linkAt(fifo, tileOf(fifo, other)))
      shared = std::nullopt;
  std::pair<Operation *, unsigned> key{fifo, shared.value_or(end)};
  ObjectFifoOp owner = fifo;
  if (ObjectFifoLinkOp link = design.linkAt(fifo, tileOf(fifo, end))) {
    key = {link, 0};
    owner =
        link.isJoin() ? link.getOutputs().front() : link.getInputs().front();
    end = link.isJoin() ? 0 : 1;
  }
  Pool &pool = pools[key];
  pool.name = owner.getSymName();
  pool.depth = owner.getDepth(end);
  if (shared) // the larger of both depths
    pool.depth = std::max(pool.depth, fifo.getDepth(1 - end));
  return pool;
}

Hold Run::hold(ObjectFifoOp fifo, unsigned end, Agent *agent, bool writing) {
  Pool &pool = poolOf(fifo, end);
  End *&found = ends[{&pool, agent, writing}];
  if (!found)
    found = &pool.ends(writing).emplace_back(End{agent});
  return {&pool, writing, found};
}

/// The DMAs of all ends of a fifo, which move an element at a time: a broadcast
/// goes on when all its ends have room.
void Run::addMover(ObjectFifoOp fifo) {
  std::optional<unsigned> shared = findSharedEnd(fifo);
  if (shared && !design.linkAt(fifo, tileOf(fifo, 0)) &&
      !design.linkAt(fifo, tileOf(fifo, 1)))
    return;
  Agent &agent = agents.emplace_back();
  agent.name = ("@" + fifo.getSymName()).str();
  agent.bytes = fifo.getElementBytes();
  agent.repeats = fifo.getRepeatCount().value_or(1);
  auto toHost = [&] {
    agent.host = &transfers[fifo];
    agent.host->dma = &agent;
  };
  if (fifo.getProducerTileOp().isShim())
    toHost();
  else
    agent.source = hold(fifo, 0, &agent, /*writing=*/false);
  for (unsigned i = 0; i < fifo.getConsumerTiles().size(); ++i) {
    if (fifo.getConsumerTileOp(i).isShim())
      toHost();
    else
      agent.targets.push_back(hold(fifo, i + 1, &agent, /*writing=*/true));
  }
}

/// What a core does with fifos. Of two paths that no constant chooses between,
/// which take and give the same, the first.
void Run::addSteps(Block &block, Agent &core, TileOp tile) {
  auto use = [&](auto op, Step::Kind kind) {
    auto fifo = SymbolTable::lookupNearestSymbolFrom<ObjectFifoOp>(
        op, op.getObjFifoNameAttr());
    bool produces = op.getPort() == Port::Produce;
    unsigned end = produces ? 0 : *fifo.findConsumer(tile) + 1;
    core.steps.push_back({kind, op, hold(fifo, end, &core, produces),
                          static_cast<int64_t>(op.getSize())});
  };
  for (Operation &op : block) {
    if (auto acquire = dyn_cast<AcquireOp>(op)) {
      use(acquire, Step::Acquire);
    } else if (auto release = dyn_cast<ReleaseOp>(op)) {
      use(release, Step::Release);
    } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
      size_t begin = core.steps.size();
      int64_t trips = getTripCount(loop).value_or(0);
      core.steps.push_back({Step::Loop, &op, {}, trips});
      addSteps(*loop.getBody(), core, tile);
      if (trips && core.steps.size() > begin + 1)
        core.steps.push_back({Step::EndLoop, &op, {}, 0, begin});
      else // nothing in it waits
        core.steps.truncate(begin);
    } else if (auto branch = dyn_cast<scf::IfOp>(op)) {
      std::optional<int64_t> known = getConstantIntValue(branch.getCondition());
      Region &taken =
          known.value_or(1) ? branch.getThenRegion() : branch.getElseRegion();
      if (!taken.empty())
        addSteps(taken.front(), core, tile);
    }
  }
}

void Run::addSequence(RuntimeSequenceOp sequence) {
  std::map<Operation *, int64_t> started;      // by fifo
  llvm::DenseMap<Operation *, int64_t> ending; // by task
  for (Operation &op : sequence.getBody().front()) {
    if (auto start = dyn_cast<DMAStartTaskOp>(op)) {
      DMAConfigureTaskForOp task = start.getTaskOp();
      int64_t &bytes = started[task.getObjectFifo()];
      bytes += getBytesMoved(task);
      ending[task] = bytes;
      agents.front().steps.push_back({Step::Start, &op, {}, bytes});
    } else if (auto await = dyn_cast<DMAAwaitTaskOp>(op)) {
      agents.front().steps.push_back(
          {Step::Await, &op, {}, ending.lookup(await.getTaskOp())});
    }
  }
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

bool Run::finish(int64_t most) {
  for (int64_t progress = 1; progress && most > 0; most -= progress) {
    progress = 0;
    for (Agent &agent : agents)
      for (int64_t done; progress < most && (done = go(agent));)
        progress += done;
  }
  return most > 0;
}

/// One step; 0 if it must wait or has ended.
int64_t Run::go(Agent &agent) {
  if (agent.steps.empty())
    return agent.bytes && move(agent);
  if (agent.at == agent.steps.size() || !step(agent, agent.steps[agent.at]))
    return 0;
  ++agent.at;
  return 1;
}

bool Run::step(Agent &agent, Step &step) {
  switch (step.kind) {
  case Step::Loop:
    agent.left.push_back(step.count);
    return true;
  case Step::EndLoop:
    if (--agent.left.back() > 0)
      agent.at = step.begin;
    else
      agent.left.pop_back();
    return true;
  case Step::Acquire: {
    End &end = *step.hold.end;
    int64_t upTo = std::max(end.opened, end.closed + step.count);
    if (!step.hold.pool->canOpen(step.hold.writing, upTo))
      return false;
    end.opened = upTo;
    return true;
  }
  case Step::Release:
    step.hold.end->closed += step.count;
    return true;
  case Step::Start: {
    auto fifo = cast<DMAStartTaskOp>(step.op).getTaskOp().getObjectFifo();
    transfers[fifo].started = step.count;
    return true;
  }
  case Step::Await: {
    // What is less than an element at the end waits in the stream.
    auto fifo = cast<DMAAwaitTaskOp>(step.op).getTaskOp().getObjectFifo();
    int64_t bytes = fifo.getElementBytes();
    return transfers[fifo].moved >= step.count / bytes * bytes;
  }
  }
  llvm_unreachable("every kind of step is there");
}

/// An element from one pool, or the host, to others, or the host.
bool Run::move(Agent &agent) {
  if (waitOf(agent).other || !waitOf(agent).what.empty())
    return false;
  if (agent.host)
    agent.host->moved += agent.bytes;
  for (Hold &target : agent.targets)
    target.end->closed = ++target.end->opened;
  if (agent.source.pool && ++agent.sent == agent.repeats) {
    agent.source.end->closed = ++agent.source.end->opened;
    agent.sent = 0;
  }
  return true;
}

//===----------------------------------------------------------------------===//
// Why it stands still
//===----------------------------------------------------------------------===//

/// What a closed end of a pool waits for.
Wait Run::waitAt(const Hold &hold) {
  Pool &pool = *hold.pool;
  End *other = Pool::slowest(pool.ends(!hold.writing));
  return {llvm::formatv(hold.writing ? "room in @{0} (depth {1})"
                                     : "an element of @{0}",
                        pool.name, pool.depth),
          other ? other->agent : nullptr};
}

Wait Run::waitOf(Agent &agent) {
  if (!agent.steps.empty()) {
    if (agent.at == agent.steps.size())
      return {"nothing: it has ended"};
    Step &step = agent.steps[agent.at];
    if (step.kind != Step::Await)
      return waitAt(step.hold);
    auto task = cast<DMAAwaitTaskOp>(step.op).getTaskOp();
    return {("the end of a task of @" + task.getAlloc()).str(),
            transfers[task.getObjectFifo()].dma};
  }
  if (agent.source.pool &&
      !agent.source.pool->canOpen(false, agent.source.end->opened + 1))
    return waitAt(agent.source);
  for (Hold &target : agent.targets)
    if (!target.pool->canOpen(true, target.end->opened + 1))
      return waitAt(target);
  if (agent.host && agent.host->moved + agent.bytes > agent.host->started)
    return {"aiex.dma_start_task of a task for it", &agents.front()};
  return {};
}

SmallVector<std::string> Run::chain() {
  SmallVector<std::string> lines;
  llvm::SmallSetVector<Agent *, 16> seen;
  for (Agent *agent = &agents.front(); agent && seen.insert(agent);) {
    Wait wait = waitOf(*agent);
    lines.push_back(agent->name + " waits for " + wait.what);
    agent = wait.other;
  }
  return lines;
}
