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
      machine.buffers.at(reinterpret_cast<const void *>(address), index);
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
    registers[a] = reinterpret_cast<int64_t>(machine.buffers[immediate].data());
    return true;
  case opElement: {
    const int64_t which = registers[instruction.c] % instruction.immediate;
    const int32_t found = machine.design.table[instruction.b + which];
    registers[a] = reinterpret_cast<int64_t>(machine.buffers[found].data());
    return true;
  }
  case opLoad:
  case opStore:
    return access(machine, instruction);
  case opPoison: {
    int32_t index;
    if (Buffer *buffer = machine.buffers.at(
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
        machine.buffers[index].usedUntil = machine.now + stalled;
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
