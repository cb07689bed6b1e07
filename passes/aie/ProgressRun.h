//===- ProgressRun.h - a run of a design without its data -------*- C++ -*-===//
//
// Cores, DMAs and the runtime sequence wait for elements and for room, and for
// nothing else; each end of a pool of buffers belongs to one of them. So how
// far each comes does not depend on who is faster (Kahn): one run, in any
// order, shows whether the sequence ends. What streams hold on their way is not
// counted: a design must end without it.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_PASSES_AIE_PROGRESSRUN_H
#define HEADRACE_PASSES_AIE_PROGRESSRUN_H

#include "passes/aie/Design.h"

#include <deque>
#include <map>
#include <string>
#include <tuple>

namespace headrace::aie::progress {

struct Agent;

/// What one end of a pool has done: elements taken hold of, and given back.
struct End {
  Agent *agent;
  int64_t opened = 0;
  int64_t closed = 0;
};

/// Buffers of a fifo in one tile, or of a link's fifos. Parts of an element are
/// written, and read, independently.
struct Pool {
  std::string name;
  int64_t depth = 0;
  std::deque<End> writers, readers; // ends stay where they are

  std::deque<End> &ends(bool writing) { return writing ? writers : readers; }
  static End *slowest(std::deque<End> &ends) {
    auto found = llvm::min_element(
        ends, [](const End &a, const End &b) { return a.closed < b.closed; });
    return found == ends.end() ? nullptr : &*found;
  }
  /// Whether an end can hold elements up to the one of that number.
  bool canOpen(bool writing, int64_t upTo) {
    End *other = slowest(ends(!writing));
    return upTo - (writing ? depth : 0) <= (other ? other->closed : 0);
  }
};

/// An end of a pool, from the side of who waits there.
struct Hold {
  Pool *pool = nullptr;
  bool writing = false;
  End *end = nullptr;
};

struct Step {
  enum Kind { Acquire, Release, Loop, EndLoop, Start, Await } kind;
  mlir::Operation *op = nullptr;
  Hold hold;
  /// Elements, trips, or bytes of the fifo's transfers up to this one.
  int64_t count = 0;
  size_t begin = 0;
};

/// The host's side of a fifo: bytes of tasks that were started, bytes moved.
struct Transfers {
  int64_t started = 0;
  int64_t moved = 0;
  Agent *dma = nullptr;
};

/// Something that goes on by itself: a core or the sequence, which have steps,
/// or the DMAs that move elements of a fifo.
struct Agent {
  std::string name;
  llvm::SmallVector<Step> steps;
  size_t at = 0;
  llvm::SmallVector<int64_t> left; // trips of the loops around
  // Of DMAs:
  Hold source;
  llvm::SmallVector<Hold> targets;
  Transfers *host = nullptr;
  int64_t bytes = 0;
  int64_t repeats = 1, sent = 0;
};

/// Why an agent does not go on, and who could change that.
struct Wait {
  std::string what;
  Agent *other = nullptr;
};

/// One run of a sequence.
class Run {
public:
  Run(DeviceOp device, RuntimeSequenceOp sequence);

  /// Goes on until nothing moves or `most` steps are done; false if there are
  /// more.
  bool finish(int64_t most);
  /// The step that the sequence waits at; null if it has ended.
  Step *stuck() {
    Agent &agent = agents.front();
    return agent.at == agent.steps.size() ? nullptr : &agent.steps[agent.at];
  }
  /// Who waits for whom, from the sequence on.
  llvm::SmallVector<std::string> chain();

private:
  Hold hold(ObjectFifoOp fifo, unsigned end, Agent *agent, bool writing);
  Pool &poolOf(ObjectFifoOp fifo, unsigned end);
  void addMover(ObjectFifoOp fifo);
  void addSteps(mlir::Block &block, Agent &core, TileOp tile);
  void addSequence(RuntimeSequenceOp sequence);
  int64_t go(Agent &agent);
  bool step(Agent &agent, Step &step);
  bool move(Agent &agent);
  Wait waitOf(Agent &agent);
  static Wait waitAt(const Hold &hold);

  Design design;
  std::deque<Agent> agents; // the sequence is the first
  /// By link, or by fifo and end.
  std::map<std::pair<mlir::Operation *, unsigned>, Pool> pools;
  std::map<std::tuple<Pool *, Agent *, bool>, End *> ends;
  std::map<mlir::Operation *, Transfers> transfers; // by fifo
};

} // namespace headrace::aie::progress

#endif // HEADRACE_PASSES_AIE_PROGRESSRUN_H
