//===- call.cpp - A core calls a function ---------------------------------===//

#include "core.h"

#include <algorithm>
#include <csetjmp>

using namespace array;

/// How long the banks need for the call, if each argument is touched once;
/// notes what share of its time the call keeps each bank busy.
double Core::bankLoad(Machine &machine) {
  const HeadraceTiming &timing = machine.timing;
  const auto banks = static_cast<size_t>(timing.banks);
  std::vector<double> accesses(banks, 0);
  const int64_t *counted =
      machine.bankAccesses.data() + core.tile * timing.banks;
  bankBefore.assign(counted, counted + banks);
  for (const int32_t index : callBuffers) {
    const HeadraceBuffer &facts = machine.buffers[index].facts();
    if (facts.bank < 0)
      continue;
    double left = static_cast<double>(facts.bytes);
    double room = timing.bankBytes - static_cast<double>(facts.bankOffset);
    for (size_t bank = facts.bank; left > 0; ++bank) {
      const double part = std::min(left, room);
      accesses[bank % banks] += part / timing.vectorBytes;
      left -= part;
      room = timing.bankBytes;
    }
  }
  const double longest = *std::max_element(accesses.begin(), accesses.end());
  const double cycles = std::max(callCycles, longest);
  bankShare.resize(banks);
  for (size_t bank = 0; bank < banks; ++bank)
    bankShare[bank] = cycles > 0 ? accesses[bank] / cycles : 0;
  return cycles;
}

/// Where a call that faults goes on, and what it did.
static thread_local jmp_buf *escape = nullptr;
static thread_local faults::Fault caught;

void array::takeFault(const faults::Fault &fault) {
  if (!escape)
    return;
  caught = fault;
  longjmp(*escape, 1);
}

const faults::Fault *Core::run(void *function) {
  using Entry = void (*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int64_t, int64_t, float, float,
                         float, float, float, float, float, float);
  jmp_buf here;
  if (setjmp(here)) {
    escape = nullptr;
    return &caught;
  }
  escape = &here;
  // Where integers and floats go does not depend on each other here, and
  // arguments that a function does not take are not looked at.
  const int64_t *i = integers;
  const float *f = floats;
  reinterpret_cast<Entry>(function)(i[0], i[1], i[2], i[3], i[4], i[5], i[6],
                                    i[7], i[8], i[9], i[10], i[11], i[12],
                                    i[13], i[14], i[15], f[0], f[1], f[2], f[3],
                                    f[4], f[5], f[6], f[7]);
  escape = nullptr;
  return nullptr;
}

bool Core::call(Machine &machine, int32_t function) {
  const HeadraceFunction &facts = machine.design.functions[function];
  callBuffers.clear();
  for (int32_t i = 0; i < integerCount; ++i) {
    int32_t index;
    if (machine.buffers.at(reinterpret_cast<const void *>(integers[i]), index))
      callBuffers.push_back(index);
  }
  for (const int32_t index : callBuffers) {
    Buffer &buffer = machine.buffers[index];
    const bool shared =
        buffer.user != this->index && buffer.usedUntil > machine.now;
    if (buffer.transfers > 0 || shared) {
      HeadraceFailure &failure = machine.fail(failureRace, this);
      failure.other = shared ? buffer.user : buffer.mover;
      failure.buffer = index;
      failure.function = function;
      return false;
    }
  }
  if (const faults::Fault *fault = run(facts.entry)) {
    HeadraceFailure &failure = machine.fail(failureFault, this);
    failure.function = function;
    failure.buffer = machine.buffers.near(fault->address);
    if (failure.buffer >= 0)
      failure.offset = static_cast<const char *>(fault->address) -
                       machine.buffers[failure.buffer].data();
    failure.other = fault->signal;
    return false;
  }
  integerCount = floatCount = 0;
  callCycles = facts.cycles;
  const double cycles = bankLoad(machine);
  this->facts.conflicts += cycles - callCycles;
  for (const int32_t index : callBuffers) {
    Buffer &buffer = machine.buffers[index];
    if (!buffer.intact()) {
      HeadraceFailure &failure = machine.fail(failureOverwrite, this);
      failure.buffer = index;
      failure.function = function;
      return false;
    }
    buffer.usedUntil = machine.now + cycles;
    buffer.user = this->index;
  }
  callCycles = cycles;
  calling = true;
  return true;
}
