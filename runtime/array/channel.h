//===- channel.h - A DMA channel --------------------------------*- C++ -*-===//

#ifndef HEADRACE_ARRAY_CHANNEL_H
#define HEADRACE_ARRAY_CHANNEL_H

#include "addresses.h"
#include "machine.h"

namespace array {

/// Sends what its descriptors read, or writes by them what comes in. That of a
/// tile runs its descriptors in turn forever; that of a shim runs tasks.
class Channel : public Agent {
public:
  Channel(int32_t index, const HeadraceChannel &facts)
      : Agent(index), channel(facts) {}
  void step(Machine &machine) override;

  /// Puts a task into the queue; false if it is full.
  bool start(Machine &machine, int32_t task);
  bool finished(int32_t task) const;
  /// Whether it holds no data and has no task.
  bool idle() const;

  int32_t input = -1; // stream that comes in
  Waiters awaiting;   // for tasks

private:
  enum Phase { phaseNext, phaseAcquire, phaseMove, phaseTaken, phaseRelease };
  void next(Machine &machine);
  bool begin(Machine &machine);
  void send(Machine &machine);
  void receive(Machine &machine);
  void take(Machine &machine);
  bool inside(Machine &machine, Addresses::Run run);
  char *memory(Machine &machine);
  Buffer *buffer(Machine &machine);
  void countBank(Machine &machine, int64_t offset, int64_t bytes);

  const HeadraceChannel &channel;
  Phase phase = phaseNext;
  const HeadraceDescriptor *descriptor = nullptr;
  Addresses addresses;
  int32_t position = 0;   // in the descriptors of the chain or task
  int64_t executions = 0; // of the chain of the task
  std::deque<int32_t> queue;
  std::vector<int32_t> done;
  bool cold = true;
  Waiters forTask;      // itself
  Time free = 0;        // the last word is taken
  int32_t taking = 0;   // words
  int32_t poisoned = 0; // words in a row
};

} // namespace array

#endif // HEADRACE_ARRAY_CHANNEL_H
