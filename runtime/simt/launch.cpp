//===- launch.cpp - One launch, from buffers to results -------------------===//

#include "access.h"
#include "simulator.h"

#include <cstring>
#include <dlfcn.h>

using namespace simt;

void Simulator::fail(HeadraceFailureKind kind) {
  failure->kind = kind;
  if (running) {
    failure->hasThread = 1;
    setThread(failure->workgroup, &failure->thread, runningThread());
  }
  running = nullptr;
  // From an address to a place in the kernel's library.
  Dl_info kernel, place;
  bool known = failure->pc && dladdr(launch->entry, &kernel) &&
               dladdr(reinterpret_cast<void *>(failure->pc), &place) &&
               kernel.dli_fbase == place.dli_fbase;
  failure->pc =
      known ? failure->pc - reinterpret_cast<uint64_t>(kernel.dli_fbase) : 0;
  longjmp(*escape, 1);
}

void Simulator::failAt(HeadraceFailureKind kind, const Region &region,
                       long offset, size_t size, bool writes, void *pc) {
  failure->isBuffer = region.space == Space::Device;
  failure->index = region.index;
  if (region.name)
    strncpy(failure->name, region.name, sizeof failure->name - 1);
  failure->offset = offset;
  failure->size = size;
  failure->writes = writes;
  failure->pc = reinterpret_cast<uint64_t>(pc);
  fail(kind);
}

/// Copies a buffer to where it is guarded.
static void placeBuffer(Simulator &simulator, int binding, const void *data,
                        size_t size, bool writable) {
  Region *region = simulator.memory.add(size);
  if (!region) {
    strncpy(simulator.failure->text, "no memory for a copy of a buffer",
            sizeof simulator.failure->text - 1);
    simulator.fail(failureResources);
  }
  region->index = binding;
  memcpy(region->base, data, size);
  if (!writable)
    simulator.memory.protect(*region);
  else if (simulator.launch->checked) // what nobody writes cannot race
    region->cells.resize(size);
  if (simulator.traffic)
    simulator.traffic->addBuffer(binding, size);
  simulator.bindings[binding] = region->base;
}

static void placeBuffers(Simulator &simulator) {
  const HeadraceBuffer *buffers = simulator.launch->buffers;
  for (int binding = 0; binding < HEADRACE_MAX_BUFFERS; ++binding) {
    const HeadraceBuffer &buffer = buffers[binding];
    simulator.bindings[binding] = nullptr;
    if (buffer.data)
      placeBuffer(simulator, binding, buffer.data, buffer.size,
                  buffer.writable);
  }
  for (int binding = 0; binding < HEADRACE_MAX_BUFFERS; ++binding)
    if (int members = buffers[binding].members)
      placeBuffer(simulator, binding,
                  simulator.bindings + buffers[binding].firstMember,
                  members * sizeof(void *), false);
}

/// Copies back what the kernel may have written.
static void fetchBuffers(Simulator &simulator) {
  for (Region &region : simulator.memory) {
    if (!region.writable)
      continue;
    if (long offset = Memory::firstDamage(region))
      simulator.failAt(failureOutOfBounds, region, offset, 0, true, nullptr);
  }
  for (Region &region : simulator.memory)
    if (region.space == Space::Device && region.writable)
      memcpy(simulator.launch->buffers[region.index].data, region.base,
             region.size);
}

static void run(Simulator &simulator) {
  const HeadraceLaunch &launch = *simulator.launch;
  if (!simulator.memory.reserve() || !simulator.prepareThreads()) {
    strncpy(simulator.failure->text, "no address space for buffers or stacks",
            sizeof simulator.failure->text - 1);
    simulator.fail(failureResources);
  }
  placeBuffers(simulator);
  for (int index = 0; index < HEADRACE_MAX_ARRAYS; ++index)
    if (launch.arrays[index])
      simulator.arrays[index] = headrace_simt_workgroup_array(
          &launch.arrays[index], launch.arrays[index], "an argument");
  std::vector<uint32_t> &workgroups = simulator.workgroups;
  workgroups.resize(launch.grid[0] * launch.grid[1] * launch.grid[2]);
  for (uint32_t number = 0; number < workgroups.size(); ++number)
    workgroups[number] = number;
  simulator.order(workgroups);
  for (uint32_t number : workgroups) {
    simulator.workgroupNumber = number;
    simulator.runWorkgroup({number % launch.grid[0],
                            number / launch.grid[0] % launch.grid[1],
                            number / launch.grid[0] / launch.grid[1]});
  }
  if (simulator.traffic)
    simulator.traffic->finish();
  fetchBuffers(simulator);
}

int headrace_simt_launch(const HeadraceLaunch *launch, HeadraceFailure *failure,
                         HeadraceTraffic *traffic, uint64_t *workgroupBytes) {
  *failure = HeadraceFailure();
  memset(traffic, 0, HEADRACE_MAX_BUFFERS * sizeof *traffic);
  uint32_t count = launch->threads[0] * launch->threads[1] * launch->threads[2];
  simulator.launch = launch;
  simulator.failure = failure;
  simulator.clock = 1;
  simulator.workgroupMet = Met();
  simulator.workgroupBytes = 0;
  simulator.random = (launch->seed + 1) * 0x9e3779b97f4a7c15;
  simulator.traffic.reset();
  if (launch->traced)
    simulator.traffic = std::make_unique<Traffic>(
        (count + subgroupSize - 1) / subgroupSize, traffic);
  faults::Handler handler(takeFault);
  jmp_buf escape;
  simulator.escape = &escape;
  if (!setjmp(escape))
    run(simulator);
  *workgroupBytes = simulator.workgroupBytes;
  simulator.memory.clear();
  simulator.traffic.reset();
  return failure->kind;
}
