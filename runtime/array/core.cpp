//===- core.cpp - A core and its program ----------------------------------===//

#include "core.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace array;

int64_t Core::compute(Machine &machine,
                      const HeadraceInstruction &instruction) {
  const auto u = [](int64_t value) { return static_cast<uint64_t>(value); };
  const int64_t b = registers[instruction.b], c = registers[instruction.c];
  switch (instruction.op) {
  case opMove:
    return b;
  case opAdd:
    return static_cast<int64_t>(u(b) + u(c));
  case opSub:
    return static_cast<int64_t>(u(b) - u(c));
  case opMul:
    return static_cast<int64_t>(u(b) * u(c));
  case opDiv:
  case opRem:
  case opDivUnsigned:
  case opRemUnsigned:
    if (c == 0) {
      machine.fail(failureDivision, this);
      return 0;
    }
    if (instruction.op == opDivUnsigned)
      return static_cast<int64_t>(u(b) / u(c));
    if (instruction.op == opRemUnsigned)
      return static_cast<int64_t>(u(b) % u(c));
    if (c == -1)
      return instruction.op == opDiv ? static_cast<int64_t>(0 - u(b)) : 0;
    return instruction.op == opDiv ? b / c : b % c;
  case opAnd:
    return b & c;
  case opOr:
    return b | c;
  case opXor:
    return b ^ c;
  case opShl:
    return static_cast<int64_t>(u(b) << (u(c) & 63));
  case opShr:
    return b >> (u(c) & 63);
  case opShrUnsigned:
    return static_cast<int64_t>(u(b) >> (u(c) & 63));
  case opLessUnsigned:
    return u(b) < u(c);
  case opMin:
    return std::min(b, c);
  case opMax:
    return std::max(b, c);
  case opEqual:
    return b == c;
  case opLess:
    return b < c;
  default: // opSelect
    return b ? c : registers[static_cast<size_t>(instruction.immediate)];
  }
}

/// A scalar of a buffer: integers of 1 to 8 bytes.
bool Core::access(Machine &machine, const HeadraceInstruction &instruction) {
  const int64_t size = std::abs(instruction.immediate);
  const int64_t offset = registers[instruction.c] * size;
  int32_t index;
  const int64_t address = registers[instruction.b];
  Buffer *buffer =
      machine.bufferAt(reinterpret_cast<const void *>(address), index);
  const int64_t before =
      buffer ? address - reinterpret_cast<int64_t>(buffer->data()) : 0;
  if (!buffer || offset < 0 || before + offset + size > buffer->size()) {
    HeadraceFailure &failure = machine.fail(failureIndex, this);
    failure.buffer = index;
    failure.offset = offset;
    return false;
  }
  char *place = reinterpret_cast<char *>(address) + offset;
  if (instruction.op == opStore) {
    memcpy(place, &registers[instruction.a], static_cast<size_t>(size));
    return true;
  }
  uint64_t value = 0;
  memcpy(&value, place, static_cast<size_t>(size));
  const int shift = static_cast<int>(64 - 8 * size);
  registers[instruction.a] = instruction.immediate < 0
                                 ? static_cast<int64_t>(value << shift) >> shift
                                 : static_cast<int64_t>(value);
  return true;
}

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
    const HeadraceBuffer &facts = machine.buffers[index]->facts();
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

bool Core::call(Machine &machine, int32_t function) {
  using Entry = void (*)(int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                         int64_t, int64_t, int64_t, int64_t, float, float,
                         float, float, float, float, float, float);
  const HeadraceFunction &facts = machine.design.functions[function];
  callBuffers.clear();
  for (int32_t i = 0; i < integerCount; ++i) {
    int32_t index;
    if (machine.bufferAt(reinterpret_cast<const void *>(integers[i]), index))
      callBuffers.push_back(index);
  }
  for (const int32_t index : callBuffers) {
    Buffer &buffer = *machine.buffers[index];
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
  // Where integers and floats go does not depend on each other here, and
  // arguments that a function does not take are not looked at.
  const int64_t *i = integers;
  const float *f = floats;
  reinterpret_cast<Entry>(facts.entry)(i[0], i[1], i[2], i[3], i[4], i[5], i[6],
                                       i[7], i[8], i[9], i[10], i[11], i[12],
                                       i[13], i[14], i[15], f[0], f[1], f[2],
                                       f[3], f[4], f[5], f[6], f[7]);
  integerCount = floatCount = 0;
  callCycles = facts.cycles;
  const double cycles = bankLoad(machine);
  this->facts.conflicts += cycles - callCycles;
  for (const int32_t index : callBuffers) {
    Buffer &buffer = *machine.buffers[index];
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

bool Core::execute(Machine &machine, const HeadraceInstruction &instruction) {
  const int32_t a = instruction.a;
  const auto immediate = static_cast<int32_t>(instruction.immediate);
  switch (instruction.op) {
  case opConstant:
    registers[a] = instruction.immediate;
    return true;
  case opJump:
    at = immediate - 1;
    return true;
  case opBranch:
    if (!registers[a])
      at = immediate - 1;
    return true;
  case opBuffer:
    registers[a] =
        reinterpret_cast<int64_t>(machine.buffers[immediate]->data());
    return true;
  case opElement: {
    const int64_t which = registers[instruction.c] % instruction.immediate;
    const int32_t found = machine.design.table[instruction.b + which];
    registers[a] = reinterpret_cast<int64_t>(machine.buffers[found]->data());
    return true;
  }
  case opLoad:
  case opStore:
    return access(machine, instruction);
  case opPoison: {
    int32_t index;
    if (Buffer *buffer = machine.bufferAt(
            reinterpret_cast<const void *>(registers[a]), index))
      buffer->poison();
    return true;
  }
  case opArgument:
    integers[integerCount++] = registers[a];
    return true;
  case opFloat: {
    const auto bits = static_cast<uint32_t>(registers[a]);
    memcpy(&floats[floatCount++], &bits, 4);
    return true;
  }
  default:
    registers[a] = compute(machine, instruction);
    return !machine.failed();
  }
}

void Core::step(Machine &machine) {
  const HeadraceTiming &timing = machine.timing;
  if (calling) {
    // DMA had the banks first: the call takes longer, and meets more of it.
    double stalled = 0;
    for (size_t bank = 0; bank < bankShare.size(); ++bank) {
      const int64_t accesses =
          machine.bankAccesses[core.tile * timing.banks + bank];
      stalled +=
          static_cast<double>(accesses - bankBefore[bank]) * bankShare[bank];
      bankBefore[bank] = accesses;
    }
    facts.busy += callCycles + stalled;
    facts.conflicts += stalled;
    callCycles = 0;
    if (stalled > 0) {
      for (const int32_t index : callBuffers)
        machine.buffers[index]->usedUntil = machine.now + stalled;
      machine.schedule(*this, machine.now + stalled);
      return;
    }
    calling = false;
  }
  while (!machine.failed()) {
    const HeadraceInstruction &instruction = machine.design.instructions[at];
    facts.at = at;
    const int32_t op = instruction.op;
    const bool shared = op == opAcquire || op == opRelease || op == opCall ||
                        op == opEnd || op == opLoad || op == opStore ||
                        op == opPoison;
    // What others see happens at its time.
    if (shared && pending > 0) {
      machine.schedule(*this, machine.now + pending);
      pending = 0;
      return;
    }
    if (op == opEnd) {
      machine.end(*this);
      return;
    }
    if (op == opCall) {
      if (!call(machine, instruction.a))
        return;
      ++at;
      machine.schedule(*this, machine.now + callCycles);
      return;
    }
    if (op == opAcquire) {
      const auto count = static_cast<int32_t>(registers[instruction.b]);
      if (count > 0 && !machine.acquire(*this, instruction.a, count))
        return;
    } else if (op == opRelease) {
      const auto count = static_cast<int32_t>(registers[instruction.b]);
      if (!machine.release(*this, instruction.a, count))
        return;
    } else if (!execute(machine, instruction)) {
      return;
    }
    ++at;
    pending += instruction.cycles;
    facts.busy += instruction.cycles;
    // A loop without functions or locks must not run forever.
    if (pending > timing.limit) {
      machine.fail(failureLimit, this);
      return;
    }
  }
}
