//===- workgroup.cpp - The threads of a workgroup, and where they meet ----===//
//
// Threads run one at a time, each until it waits at a barrier or an operation
// of its subgroup; the schedule says in which order. When all have stopped,
// those that may go on do: the lanes of a subgroup that are at one operation,
// or else all threads at one barrier. Anything else is divergence.
//
//===----------------------------------------------------------------------===//

#include "simulator.h"

#include <algorithm>
#include <cstring>

using namespace simt;

Simulator simt::simulator;

uint32_t Simulator::draw(uint32_t bound) {
  random ^= random << 13;
  random ^= random >> 7;
  random ^= random << 17;
  return uint32_t((random >> 32) * bound >> 32);
}

void Simulator::order(std::vector<uint32_t> &items) {
  if (launch->order == orderReverse)
    std::reverse(items.begin(), items.end());
  else if (launch->order == orderRandom)
    for (uint32_t count = items.size(); count > 1; --count)
      std::swap(items[count - 1], items[draw(count)]);
}

/// What a fiber does for ever: one workgroup after the other.
static void runThread() {
  for (;;) {
    Thread &self = *simulator.running;
    auto entry = reinterpret_cast<Entry>(simulator.launch->entry);
    entry(simulator.bindings, simulator.arrays, &self.ids);
    wait(State::Ended, Site());
  }
}

void simt::wait(State state, const Site &site) {
  Thread &self = *simulator.running;
  self.state = state;
  self.site = site;
  simulator.scheduler.switchFrom(self.fiber);
}

void Simulator::resume(Thread &thread) {
  running = &thread;
  if (traffic)
    traffic->enterLane();
  thread.fiber.switchFrom(scheduler);
  running = nullptr;
}

bool Simulator::prepareThreads() {
  const uint32_t *size = launch->threads;
  threadCount = size[0] * size[1] * size[2];
  while (threads.size() < threadCount)
    threads.push_back(std::make_unique<Thread>());
  unsigned subgroups = (threadCount + subgroupSize - 1) / subgroupSize;
  subgroupMet.assign(subgroups, Met());
  for (unsigned index = 0; index < threadCount; ++index) {
    Thread &thread = *threads[index];
    if (!thread.fiber.start(runThread))
      return false;
    Ids &ids = thread.ids;
    ids.workgroups = {launch->grid[0], launch->grid[1], launch->grid[2]};
    ids.threads = {size[0], size[1], size[2]};
    ids.thread = {index % size[0], index / size[0] % size[1],
                  index / size[0] / size[1]};
    ids.threadIndex = index;
    ids.lane = index % subgroupSize;
    ids.subgroup = index / subgroupSize;
    ids.subgroups = subgroups;
  }
  return true;
}

void Simulator::runWorkgroup(Coordinates workgroup) {
  for (unsigned index = 0; index < threadCount; ++index) {
    threads[index]->state = State::Ready;
    threads[index]->ids.workgroup = workgroup;
  }
  for (Region &region : memory)
    if (region.space == Space::Workgroup)
      memory.fill(region);
  for (;;) {
    ready.clear();
    for (unsigned index = 0; index < threadCount; ++index)
      if (threads[index]->state == State::Ready)
        ready.push_back(index);
    order(ready);
    for (uint32_t index : ready)
      resume(*threads[index]);

    bool met = false;
    for (unsigned first = 0; first < threadCount; first += subgroupSize)
      met |= settle(first, std::min(subgroupSize, threadCount - first));
    if (met)
      continue;
    if (std::all_of(
            threads.begin(), threads.begin() + threadCount,
            [](const auto &thread) { return thread->state == State::Ended; }))
      return;
    settleBarrier();
  }
}

static bool sameSite(const Thread &one, const Thread &other) {
  return one.site.line == other.site.line &&
         one.site.column == other.site.column &&
         !strcmp(one.site.file, other.site.file);
}

void Simulator::failDivergent(HeadraceFailureKind kind, const Thread &one,
                              const Thread &other) {
  auto place = [](const Site &site, char *file, uint32_t &line,
                  uint32_t &column) {
    if (!site.file)
      return;
    strncpy(file, site.file, sizeof failure->file - 1);
    line = site.line;
    column = site.column;
  };
  uint32_t first = workgroupNumber * threadCount;
  failure->hasThread = failure->hasOther = 1;
  setThread(failure->workgroup, &failure->thread, first + one.ids.threadIndex);
  setThread(failure->otherWorkgroup, &failure->otherThread,
            first + other.ids.threadIndex);
  failure->otherEnded = other.state == State::Ended;
  place(one.site, failure->file, failure->line, failure->column);
  place(other.site, failure->otherFile, failure->otherLine,
        failure->otherColumn);
  fail(kind);
}

bool Simulator::settle(unsigned first, unsigned count) {
  if (traffic)
    traffic->meet(first / subgroupSize);
  Thread *one = nullptr; // that waits for its subgroup
  for (unsigned index = first; index < first + count && !one; ++index) {
    State state = threads[index]->state;
    if (state == State::AtSubgroup || state == State::AtSubgroupBarrier)
      one = threads[index].get();
  }
  if (!one)
    return false;
  void *operands[subgroupSize] = {};
  for (unsigned index = first; index < first + count; ++index) {
    const Thread &other = *threads[index];
    if (other.state != one->state || !sameSite(*one, other) ||
        (one->state == State::AtSubgroup && other.combine != one->combine))
      failDivergent(failureSubgroup, *one, other);
    operands[index - first] = other.operand;
  }
  if (one->state == State::AtSubgroup) {
    running = one; // it speaks for all if one of them asks for the impossible
    one->combine(operands);
    running = nullptr;
  } else {
    ++clock;
    Met &met = subgroupMet[first / subgroupSize];
    if (one->fences & fenceDevice)
      met.at[int(Space::Device)] = clock;
    if (one->fences & fenceWorkgroup)
      met.at[int(Space::Workgroup)] = clock;
  }
  for (unsigned index = first; index < first + count; ++index)
    threads[index]->state = State::Ready;
  return true;
}

void Simulator::settleBarrier() {
  const Thread *one = nullptr;
  for (unsigned index = 0; index < threadCount && !one; ++index)
    if (threads[index]->state == State::AtBarrier)
      one = threads[index].get();
  for (unsigned index = 0; index < threadCount; ++index) {
    const Thread &other = *threads[index];
    if (other.state != State::AtBarrier || !sameSite(*one, other))
      failDivergent(failureBarrier, *one, other);
  }
  ++clock;
  if (one->fences & fenceDevice)
    workgroupMet.at[int(Space::Device)] = clock;
  if (one->fences & fenceWorkgroup)
    workgroupMet.at[int(Space::Workgroup)] = clock;
  for (unsigned index = 0; index < threadCount; ++index)
    threads[index]->state = State::Ready;
}

// --- what kernels call -------------------------------------------------------

void headrace_simt_barrier(unsigned fences, Site site) {
  simulator.running->fences = fences;
  wait(State::AtBarrier, site);
}

void headrace_simt_subgroup_barrier(unsigned fences, Site site) {
  simulator.running->fences = fences;
  wait(State::AtSubgroupBarrier, site);
}

void headrace_simt_subgroup(Combine combine, void *operand, Site site) {
  simulator.running->combine = combine;
  simulator.running->operand = operand;
  wait(State::AtSubgroup, site);
}

unsigned headrace_simt_lane() { return simulator.running->ids.lane; }

void headrace_simt_no_such_lane(unsigned lane, unsigned source) {
  // `running` is any lane of the subgroup that is combined.
  unsigned first = simulator.running->ids.subgroup * subgroupSize;
  simulator.running = simulator.threads[first + lane].get();
  const Site &site = simulator.running->site;
  strncpy(simulator.failure->file, site.file,
          sizeof simulator.failure->file - 1);
  simulator.failure->line = site.line;
  simulator.failure->column = site.column;
  simulator.failure->offset = source;
  simulator.fail(failureLane);
}

void *headrace_simt_workgroup_array(const void *key, unsigned long size,
                                    const char *name) {
  int arrays = 0;
  for (Region &region : simulator.memory) {
    if (region.key == key)
      return region.base;
    arrays += region.space == Space::Workgroup;
  }
  simulator.workgroupBytes += (size + 15) / 16 * 16;
  if (simulator.workgroupBytes > simulator.launch->workgroupLimit) {
    simulator.failure->offset = simulator.workgroupBytes;
    simulator.fail(failureWorkgroupMemory);
  }
  Region *region = simulator.memory.add(size);
  if (!region) {
    strncpy(simulator.failure->text, "no room for an array of a workgroup",
            sizeof simulator.failure->text - 1);
    simulator.fail(failureResources);
  }
  region->space = Space::Workgroup;
  region->index = arrays;
  region->name = name;
  region->key = key;
  if (simulator.launch->checked)
    region->cells.resize(size);
  simulator.memory.fill(*region);
  return region->base;
}
