//===- channel.cpp - A DMA channel ----------------------------------------===//

#include "channel.h"

#include <algorithm>
#include <cstring>

using namespace array;

bool Channel::start(Machine &machine, int32_t task) {
  if (static_cast<int32_t>(queue.size()) == machine.timing.queue)
    return false;
  queue.push_back(task);
  machine.wake(forTask);
  return true;
}

bool Channel::finished(int32_t task) const {
  return std::find(done.begin(), done.end(), task) != done.end();
}

bool Channel::idle() const {
  if (channel.shim)
    return queue.empty();
  return phase == phaseAcquire ||
         (channel.direction == directionIn && phase == phaseMove &&
          addresses.bytesLeft() == descriptor->bytes);
}

Buffer *Channel::buffer(Machine &machine) {
  return descriptor->buffer < 0 ? nullptr
                                : &machine.buffers[descriptor->buffer];
}

char *Channel::memory(Machine &machine) {
  if (Buffer *found = buffer(machine))
    return found->data();
  return static_cast<char *>(
      machine.design.arguments[descriptor->argument].data);
}

/// Chooses the descriptor that is next, or waits for a task.
void Channel::next(Machine &machine) {
  double cost = machine.timing.descriptor;
  int32_t first = channel.firstDescriptor, count = channel.descriptors;
  if (channel.shim) {
    if (descriptor) {
      const HeadraceTask &task = machine.design.tasks[queue.front()];
      if (position == task.descriptors) {
        position = 0;
        ++executions;
      }
      if (executions == task.repeats) {
        done.push_back(queue.front());
        queue.pop_front();
        descriptor = nullptr;
        machine.wake(awaiting);
      }
    }
    if (!descriptor) {
      if (queue.empty()) {
        machine.block(*this, waitTask, -1, 0, forTask);
        return;
      }
      position = 0;
      executions = 0;
      cost = cold ? machine.timing.shimStart[channel.direction]
                  : machine.timing.shimTask[channel.direction];
      cold = false;
    }
    const HeadraceTask &task = machine.design.tasks[queue.front()];
    first = task.firstDescriptor;
    count = task.descriptors;
  } else if (position == count) {
    position = 0;
    ++executions;
  }
  facts.at = first + position;
  descriptor = &machine.design.descriptors[facts.at];
  ++position;
  phase = phaseAcquire;
  machine.schedule(*this, machine.now + cost);
}

bool Channel::begin(Machine &machine) {
  if (descriptor->acquire >= 0 &&
      !machine.acquire(*this, descriptor->acquire, descriptor->acquireValue))
    return false;
  addresses.start(*descriptor, executions);
  if (Buffer *found = buffer(machine)) {
    if (found->usedUntil > machine.now) {
      HeadraceFailure &failure = machine.fail(failureRace, this);
      failure.other = found->user;
      failure.buffer = descriptor->buffer;
      failure.descriptor = facts.at;
      return false;
    }
    ++found->transfers;
    found->mover = index;
  }
  poisoned = 0;
  free = machine.now;
  phase = phaseMove;
  return true;
}

bool Channel::inside(Machine &machine, Addresses::Run run) {
  const int64_t size =
      descriptor->buffer < 0
          ? machine.design.arguments[descriptor->argument].bytes
          : buffer(machine)->size();
  if (run.offset >= 0 && run.offset + run.bytes <= size)
    return true;
  HeadraceFailure &failure = machine.fail(failureBounds, this);
  failure.descriptor = facts.at;
  failure.buffer = descriptor->buffer;
  failure.offset = run.offset;
  return false;
}

void Channel::countBank(Machine &machine, int64_t offset, int64_t bytes) {
  const Buffer *found = buffer(machine);
  if (!found || found->facts().bank < 0)
    return;
  const HeadraceBuffer &facts = found->facts();
  const auto bank =
      facts.bank +
      static_cast<int32_t>((facts.bankOffset + offset) /
                           static_cast<int64_t>(machine.timing.bankBytes));
  // DMA gathers words into accesses of 16 bytes.
  machine.bankAccesses[facts.tile * machine.timing.banks +
                       bank % machine.timing.banks] += (bytes + 15) / 16;
}

void Channel::send(Machine &machine) {
  for (int32_t s = 0; s < channel.streams; ++s) {
    Stream &stream = machine.streams[channel.firstStream + s];
    const int64_t words =
        std::min<int64_t>(HEADRACE_CHUNK_WORDS, addresses.bytesLeft() / 4);
    if (stream.room < words) {
      machine.block(*this, waitRoom, stream.to, 0, stream.senders);
      return;
    }
  }
  Stream::Chunk chunk = {};
  const int64_t bytes =
      std::min<int64_t>(4 * HEADRACE_CHUNK_WORDS, addresses.bytesLeft());
  Buffer *from = buffer(machine);
  for (int64_t filled = 0; filled < bytes;) {
    const Addresses::Run run = addresses.next(bytes - filled);
    if (!inside(machine, run))
      return;
    memcpy(reinterpret_cast<char *>(chunk.data) + filled,
           memory(machine) + run.offset, static_cast<size_t>(run.bytes));
    for (int64_t at = run.offset; from && at + 4 <= run.offset + run.bytes;
         at += 4) {
      poisoned = from->poisoned(at) ? poisoned + 1 : 0;
      if (poisoned == std::min<int64_t>(2, descriptor->bytes / 4)) {
        HeadraceFailure &failure = machine.fail(failureUninitialized, this);
        failure.descriptor = facts.at;
        failure.buffer = descriptor->buffer;
        failure.offset = at - 4 * (poisoned - 1);
        return;
      }
    }
    countBank(machine, run.offset, run.bytes);
    filled += run.bytes;
  }
  chunk.words = static_cast<int32_t>(bytes / 4);
  const double cycles = static_cast<double>(bytes) / machine.timing.streamBytes;
  Time sent = machine.now + cycles;
  if (channel.shim) {
    const Time served = machine.ddr(bytes);
    facts.memory += std::max(0.0, served - sent);
    sent = std::max(sent, served);
    machine.ddrRead += bytes;
  }
  for (int32_t s = 0; s < channel.streams; ++s) {
    Stream &stream = machine.streams[channel.firstStream + s];
    stream.room -= chunk.words;
    chunk.arrival =
        sent + machine.design.streams[channel.firstStream + s].latency;
    stream.chunks.push_back(chunk);
    machine.wake(stream.receivers);
  }
  facts.busy += cycles;
  facts.bytes += bytes;
  machine.schedule(*this, sent);
  if (addresses.done())
    phase = phaseRelease;
}

void Channel::receive(Machine &machine) {
  Stream &stream = machine.streams[input];
  if (stream.chunks.empty()) {
    machine.block(*this, waitData, stream.from, 0, stream.receivers);
    return;
  }
  Stream::Chunk &chunk = stream.chunks.front();
  const int64_t bytes =
      std::min<int64_t>(4 * (chunk.words - chunk.taken), addresses.bytesLeft());
  const char *data = reinterpret_cast<const char *>(chunk.data + chunk.taken);
  for (int64_t gone = 0; gone < bytes;) {
    const Addresses::Run run = addresses.next(bytes - gone);
    if (!inside(machine, run))
      return;
    memcpy(memory(machine) + run.offset, data + gone,
           static_cast<size_t>(run.bytes));
    countBank(machine, run.offset, run.bytes);
    gone += run.bytes;
  }
  const double cycles = static_cast<double>(bytes) / machine.timing.streamBytes;
  Time taken = std::max(free + cycles, chunk.arrival);
  if (channel.shim) {
    const Time served = machine.ddr(bytes);
    facts.memory += std::max(0.0, served - taken);
    taken = std::max(taken, served);
    machine.ddrWritten += bytes;
  }
  taking = static_cast<int32_t>(bytes / 4);
  facts.busy += cycles;
  facts.bytes += bytes;
  phase = phaseTaken;
  machine.schedule(*this, taken);
}

/// What was scheduled in `receive` is there: the words make room.
void Channel::take(Machine &machine) {
  Stream &stream = machine.streams[input];
  stream.room += taking;
  Stream::Chunk &chunk = stream.chunks.front();
  chunk.taken += taking;
  if (chunk.taken == chunk.words)
    stream.chunks.pop_front();
  machine.wake(stream.senders);
  free = machine.now;
}

void Channel::step(Machine &machine) {
  switch (phase) {
  case phaseNext:
    next(machine);
    return;
  case phaseAcquire:
    if (!begin(machine))
      return;
    break;
  case phaseMove:
    break;
  case phaseTaken:
    take(machine);
    phase = addresses.done() ? phaseRelease : phaseMove;
    break;
  case phaseRelease:
    break;
  }
  if (phase == phaseRelease) {
    if (Buffer *found = buffer(machine))
      --found->transfers;
    if (descriptor->release >= 0 &&
        !machine.release(*this, descriptor->release, descriptor->releaseValue))
      return;
    phase = phaseNext;
    next(machine);
  } else if (channel.direction == directionOut) {
    send(machine);
  } else {
    receive(machine);
  }
}
