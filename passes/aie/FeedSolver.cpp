//===- FeedSolver.cpp - numbers of elements of a run ----------------------===//

#include "passes/aie/FeedSolver.h"

#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace headrace::aie;

FeedSolver::FeedSolver(DeviceOp device, ArrayRef<CoreFlow> flows)
    : device(device) {
  for (const CoreFlow &flow : flows)
    cores.push_back({flow.core, flow.traffic, std::nullopt});
}

bool FeedSolver::endsInShim(ObjectFifoOp fifo) {
  if (fifo.getProducerTileOp().isShim())
    return true;
  for (unsigned i = 0; i < fifo.getConsumerTiles().size(); ++i)
    if (fifo.getConsumerTileOp(i).isShim())
      return true;
  return false;
}

ObjectFifoOp FeedSolver::lookUp(StringRef name) {
  return cast<ObjectFifoOp>(SymbolTable::lookupSymbolIn(device, name));
}

bool FeedSolver::set(ObjectFifoOp fifo, int64_t count,
                     const std::string &reason) {
  auto [at, isNew] = known.insert({fifo, {count, reason}});
  const Known &first = at->second;
  if (isNew || first.count == count)
    return true;
  fifo.emitOpError("expected one number of elements of @")
      << fifo.getSymName() << " in a run, but got " << first.count << " "
      << first.reason << ", and " << count << " " << reason;
  return false;
}

bool FeedSolver::solve() {
  for (auto fifo : device.getBodyRegion().getOps<ObjectFifoOp>())
    if (!checkEnds(fifo))
      return false;
  // What is known grows with each round, until nothing is new.
  for (size_t before = size_t(-1); before != known.size();) {
    before = known.size();
    for (auto link : device.getBodyRegion().getOps<ObjectFifoLinkOp>())
      if (!spreadLink(link))
        return false;
    for (Core &core : cores)
      if (!spreadCore(core))
        return false;
  }
  return true;
}

/// Every end must be used: by a link, a core or the sequence.
bool FeedSolver::checkEnds(ObjectFifoOp fifo) {
  for (unsigned end = 0; end <= fifo.getConsumerTiles().size(); ++end) {
    TileOp tile =
        end ? fifo.getConsumerTileOp(end - 1) : fifo.getProducerTileOp();
    if (tile.isShim())
      continue;
    Port port = end ? Port::Consume : Port::Produce;
    bool used = llvm::any_of(cores, [&](const Core &core) {
      return CoreOp(core.op).getTileOp() == tile &&
             core.traffic.ports.contains(
                 {fifo.getSymName(), static_cast<uint32_t>(port)});
    });
    for (auto link : device.getBodyRegion().getOps<ObjectFifoLinkOp>())
      used |=
          link.getTileOp() == tile &&
          llvm::is_contained(end ? link.getInputs() : link.getOutputs(), fifo);
    if (used)
      continue;
    fifo.emitOpError("@") << fifo.getSymName() << " has its "
                          << (end ? "consumer" : "producer") << " in "
                          << tile.describe() << ", where no core or link "
                          << (end ? "takes" : "gives") << " its elements";
    return false;
  }
  return true;
}

/// A link hands each element on, `repeat_count` times.
bool FeedSolver::spreadLink(ObjectFifoLinkOp link) {
  std::vector<ObjectFifoOp> inputs = link.getInputs();
  std::vector<ObjectFifoOp> outputs = link.getOutputs();
  std::optional<Known> elements;
  std::string from;
  for (ObjectFifoOp input : inputs)
    if (auto at = known.find(input); at != known.end() && !elements) {
      elements = at->second;
      from = input.getSymName();
    }
  for (ObjectFifoOp output : outputs) {
    auto at = known.find(output);
    if (at == known.end() || elements)
      continue;
    int64_t times = output.getRepeatCount().value_or(1);
    if (at->second.count % times != 0) {
      output.emitOpError("expected a multiple of ")
          << times << " elements of @" << output.getSymName()
          << ", as often as each is sent, but got " << at->second.count << " "
          << at->second.reason;
      return false;
    }
    elements = {at->second.count / times, at->second.reason};
    from = output.getSymName();
  }
  if (!elements)
    return true;
  auto reason = [&](ObjectFifoOp fifo) {
    return fifo.getSymName() == from
               ? elements->reason
               : llvm::formatv("as @{0} has {1} ({2})", from, elements->count,
                               elements->reason)
                     .str();
  };
  for (ObjectFifoOp input : inputs)
    if (!set(input, elements->count, reason(input)))
      return false;
  for (ObjectFifoOp output : outputs)
    if (!set(output,
             elements->count * int64_t(output.getRepeatCount().value_or(1)),
             reason(output)))
      return false;
  return true;
}

static const char *verbOf(PortKey key) {
  return static_cast<Port>(key.second) == Port::Consume ? "takes" : "gives";
}

bool FeedSolver::findIterations(Core &core, PortKey key, int64_t rate) {
  ObjectFifoOp fifo = lookUp(key.first);
  const Known &fed = known.find(fifo)->second;
  if (fed.count % rate != 0) {
    core.op.emitOpError("in ")
        << core.op.getTileOp().describe() << " " << verbOf(key) << " " << rate
        << " elements of @" << key.first << " in each iteration, but there are "
        << fed.count << " " << fed.reason
        << "; what fits: " << fed.count / rate * rate << " or "
        << (fed.count / rate + 1) * rate;
    return false;
  }
  core.iterations = {
      fed.count / rate,
      llvm::formatv("for the {0} elements of @{1}", fed.count, key.first)};
  return true;
}

bool FeedSolver::spreadCore(Core &core) {
  for (auto &[key, port] : core.traffic.ports)
    if (!core.iterations && port.rate > 0 &&
        known.contains(lookUp(key.first)) &&
        !findIterations(core, key, port.rate))
      return false;
  if (!core.iterations)
    return true;
  auto [iterations, why] = *core.iterations;
  for (auto &[key, port] : core.traffic.ports) {
    std::string reason = llvm::formatv("that {0} {1} in {2} iterations, {3}",
                                       core.op.getTileOp().describe(),
                                       verbOf(key), iterations, why);
    if (!set(lookUp(key.first), iterations * port.rate, reason))
      return false;
  }
  return true;
}
