//===- Place.cpp - tasks of a graph to the tiles of an array --------------===//

#include "dialects/Dataflow/Dataflow.h"
#include "dialects/Dataflow/Rates.h"
#include "passes/aie/Passes.h"

#include "llvm/ADT/DenseSet.h"
#include "llvm/ADT/EquivalenceClasses.h"
#include "llvm/ADT/MapVector.h"

namespace headrace::aie {
#define GEN_PASS_DEF_AIEPLACE
#include "passes/aie/Passes.h.inc"
} // namespace headrace::aie

using namespace mlir;
using namespace headrace::dataflow;

namespace {

constexpr StringLiteral kPlace = "place";
constexpr int64_t kShimRow = 0, kMemoryRow = 1, kFirstCoreRow = 2;

/// What is free in a column, or what has to be.
struct Resources {
  int64_t cores = 0, reads = 0, writes = 0;

  bool holds(const Resources &needed) const {
    return cores >= needed.cores && reads >= needed.reads &&
           writes >= needed.writes;
  }
};

/// Operations that belong in one column.
struct Cluster {
  /// In the order of the graph.
  size_t number = 0;
  SmallVector<Operation *> ops;
  Resources needed;
  llvm::SmallDenseSet<Value> channels[2];

  void add(Operation *op) {
    ops.push_back(op);
    if (isa<TaskOp>(op))
      ++needed.cores;
    auto port = dyn_cast<PortOp>(op);
    if (!port)
      return;
    // Ports that take turns at a stream have one channel.
    bool reads = port.getDirection() == Direction::Read;
    if (channels[reads].insert(port.getStream()).second)
      ++(reads ? needed.reads : needed.writes);
  }
};

/// The task whose elements a broadcast passes on, if it is one: it does so by
/// the core's own channel.
TaskOp getSender(Operation *op) {
  auto broadcast = dyn_cast<BroadcastOp>(op);
  return broadcast ? dyn_cast<TaskOp>(getEnds(broadcast.getInput()).producer)
                   : TaskOp();
}

std::string describe(Operation *op) {
  if (auto task = dyn_cast<TaskOp>(op))
    return ("task \"" + task.getName() + "\"").str();
  return op->getName().getStringRef().str();
}

class Placement {
public:
  Placement(GraphOp graph, int64_t columns, const Resources &column)
      : graph(graph), columns(columns, column) {}

  LogicalResult run() {
    SmallVector<Cluster> clusters = findClusters();
    // Broadcasts, then the largest; of equals, in their order.
    llvm::sort(clusters, [](const Cluster &a, const Cluster &b) {
      auto key = [](const Cluster &cluster) {
        int64_t cores = cluster.needed.cores;
        return std::tuple(cores != 0, -cores, cluster.number);
      };
      return key(a) < key(b);
    });
    for (Cluster &cluster : clusters)
      if (failed(place(cluster)))
        return failure();
    for (Operation &op : graph.getBlock())
      if (TaskOp sender = getSender(&op))
        op.setAttr(kPlace, sender.getPlaceAttr());
    return success();
  }

private:
  /// What distributions and joins connect, with the ports at their ends.
  SmallVector<Cluster> findClusters() {
    llvm::EquivalenceClasses<Operation *> together;
    auto isPlaced = [](Operation &op) {
      return !isa<StreamOp>(op) && !getSender(&op);
    };
    for (Operation &op : graph.getBlock())
      if (isPlaced(op))
        together.insert(&op);
    for (StreamOp stream : graph.getBlock().getOps<StreamOp>()) {
      StreamEnds ends = getEnds(stream.getStream());
      // Streams between cores, and from a broadcast to them, may cross columns.
      auto holds = [](Operation *op) {
        return isa<DistributeOp, JoinOp, PortOp>(op);
      };
      if (holds(ends.producer) || holds(ends.consumer))
        together.unionSets(ends.producer, ends.consumer);
      for (Operation *user : stream.getStream().getUsers())
        if (isa<PortOp>(user))
          together.unionSets(user, ends.producer);
    }
    llvm::MapVector<Operation *, Cluster> clusters;
    for (Operation &op : graph.getBlock())
      if (isPlaced(op))
        clusters[together.getLeaderValue(&op)].add(&op);
    SmallVector<Cluster> found;
    for (auto &[leader, cluster] : clusters) {
      cluster.number = found.size();
      found.push_back(std::move(cluster));
    }
    return found;
  }

  LogicalResult place(Cluster &cluster) {
    auto *best = columns.end();
    for (auto *column = columns.begin(); column != columns.end(); ++column) {
      if (!column->holds(cluster.needed))
        continue;
      auto left = [](const Resources &free) {
        return std::pair(free.reads, free.cores);
      };
      // Columns that a cluster without cores finds all alike: the first.
      if (best == columns.end() ||
          (cluster.needed.cores && left(*column) < left(*best)))
        best = column;
    }
    if (best == columns.end())
      return fail(cluster);
    int64_t column = best - columns.begin();
    int64_t core = kFirstCoreRow + cores - best->cores;
    for (Operation *op : cluster.ops) {
      int64_t row = isa<TaskOp>(op)   ? core++
                    : isa<PortOp>(op) ? kShimRow
                                      : kMemoryRow;
      op->setAttr(kPlace,
                  DenseI64ArrayAttr::get(op->getContext(), {column, row}));
    }
    best->cores -= cluster.needed.cores;
    best->reads -= cluster.needed.reads;
    best->writes -= cluster.needed.writes;
    return success();
  }

  LogicalResult fail(const Cluster &cluster) {
    Operation *first = cluster.ops.front();
    for (Operation *op : cluster.ops)
      if (isa<TaskOp>(op)) {
        first = op;
        break;
      }
    auto most = [&](int64_t Resources::*kind) {
      int64_t number = 0;
      for (const Resources &column : columns)
        number = std::max(number, column.*kind);
      return number;
    };
    const Resources &needed = cluster.needed;
    return first->emitOpError()
           << "needs a column with " << needed.cores << " free cores, "
           << needed.reads << " channels that read memory and " << needed.writes
           << " that write it for " << describe(first)
           << " and what it shares distributions, joins and ports with, but "
              "columns have at most "
           << most(&Resources::cores) << ", " << most(&Resources::reads)
           << " and " << most(&Resources::writes)
           << " left, and none has them all; the array has " << columns.size()
           << " columns of " << cores << " cores";
  }

  GraphOp graph;
  SmallVector<Resources> columns;
  int64_t cores = columns.empty() ? 0 : columns.front().cores;
};

struct AiePlace : headrace::aie::impl::AiePlaceBase<AiePlace> {
  using Base::Base;

  void runOnOperation() override {
    for (GraphOp graph : getOperation().getOps<GraphOp>()) {
      if (llvm::any_of(graph.getBlock(),
                       [](Operation &op) { return op.hasAttr(kPlace); }))
        continue;
      Placement placement(graph, columns, {rows, channels, channels});
      if (failed(placement.run()))
        return signalPassFailure();
    }
  }
};

} // namespace
