//===- machine.h - Agents, events, locks and streams ------------*- C++ -*-===//

#ifndef HEADRACE_ARRAY_MACHINE_H
#define HEADRACE_ARRAY_MACHINE_H

#include "headrace_array.h"
#include "memory.h"

#include <deque>
#include <memory>
#include <queue>
#include <vector>

namespace array {

using Time = double;
class Machine;

/// What runs by itself: a DMA channel, a core, the runtime sequence. It goes
/// on in `step` when its event is due or what it waited for may be there.
class Agent {
public:
  explicit Agent(int32_t index) : index(index) {}
  virtual ~Agent() = default;
  virtual void step(Machine &machine) = 0;

  const int32_t index;
  HeadraceAgent facts = {};
  bool blocked = false;
  Time blockedAt = 0;
};

using Waiters = std::vector<Agent *>;

struct Lock {
  int32_t value = 0;
  Waiters waiters;
};

/// Words under way from one channel to another, in chunks.
struct Stream {
  struct Chunk {
    Time arrival; // of its last word
    int32_t words, taken;
    uint32_t data[HEADRACE_CHUNK_WORDS];
  };
  std::deque<Chunk> chunks;
  int32_t room = 0; // words
  int32_t from = -1, to = -1;
  Waiters senders, receivers;
};

class Channel;

class Machine {
public:
  Machine(const HeadraceDesign &design, HeadraceResult &result);
  ~Machine();
  void run();

  const HeadraceDesign &design;
  const HeadraceTiming &timing;
  Time now = 0;
  Memory buffers;
  std::vector<Stream> streams;
  std::vector<Channel *> channels;   // of `agents`
  std::vector<int64_t> bankAccesses; // of DMA, by tile and bank
  int64_t ddrRead = 0, ddrWritten = 0;

  void schedule(Agent &agent, Time time);
  void block(Agent &agent, HeadraceWait wait, int32_t what, int32_t needs,
             Waiters &waiters);
  void wake(Waiters &waiters);
  /// Takes `count` from a lock, or leaves the agent waiting for it.
  bool acquire(Agent &agent, int32_t lock, int32_t count);
  bool release(Agent &agent, int32_t lock, int32_t count);
  /// When memory outside of the array has moved so many bytes.
  Time ddr(int64_t bytes);
  void end(Agent &agent);
  /// Ends the run. The first failure stays.
  HeadraceFailure &fail(HeadraceFailureKind kind, const Agent *agent);
  bool failed() const { return result.failure.kind != failureNone; }

private:
  struct Event {
    Time time;
    uint64_t order;
    Agent *agent;
    bool operator<(const Event &other) const {
      return time != other.time ? time > other.time : order > other.order;
    }
  };
  bool idle() const { return events.empty() && due.empty(); }
  bool turn(); // one event; false if there is none or the limit is reached
  void countWait(Agent &agent, Time end);
  void unblock(Agent &agent);
  void findSurplus();

  HeadraceResult &result;
  std::vector<std::unique_ptr<Agent>> agents;
  std::vector<Lock> locks;
  std::priority_queue<Event> events; // later
  std::deque<Event> due;             // now
  uint64_t ordered = 0;
  Time ddrFree = 0, limit;
  HeadraceFailure discarded = {};
};

} // namespace array

#endif // HEADRACE_ARRAY_MACHINE_H
