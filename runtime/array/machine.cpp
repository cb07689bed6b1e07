//===- machine.cpp - Agents, events, locks and streams --------------------===//

#include "machine.h"
#include "channel.h"
#include "core.h"
#include "sequence.h"

#include <algorithm>

using namespace array;

Machine::Machine(const HeadraceDesign &design, HeadraceResult &result)
    : design(design), timing(design.timing), result(result),
      limit(design.timing.limit) {
  locks.resize(static_cast<size_t>(design.lockCount));
  for (int32_t i = 0; i < design.lockCount; ++i)
    locks[i].value = design.locks[i].value;
  bankAccesses.resize(static_cast<size_t>(design.tileCount) * timing.banks, 0);
  streams.resize(static_cast<size_t>(design.streamCount));
  for (int32_t i = 0; i < design.streamCount; ++i) {
    streams[i].room = design.streams[i].words;
    streams[i].to = design.streams[i].to;
  }
  int32_t index = 0;
  for (int32_t i = 0; i < design.channelCount; ++i) {
    auto channel = std::make_unique<Channel>(index++, design.channels[i]);
    channels.push_back(channel.get());
    agents.push_back(std::move(channel));
  }
  for (int32_t i = 0; i < design.channelCount; ++i) {
    const HeadraceChannel &facts = design.channels[i];
    for (int32_t s = 0; s < facts.streams; ++s) {
      streams[facts.firstStream + s].from = i;
      channels[streams[facts.firstStream + s].to]->input =
          facts.firstStream + s;
    }
  }
  for (int32_t i = 0; i < design.coreCount; ++i)
    agents.push_back(std::make_unique<Core>(index++, design.cores[i]));
  agents.push_back(std::make_unique<Sequence>(index));
}

Machine::~Machine() = default;

void Machine::schedule(Agent &agent, Time time) {
  const Event event = {time, ordered++, &agent};
  if (time > now)
    events.push(event);
  else
    due.push_back(event);
}

void Machine::block(Agent &agent, HeadraceWait wait, int32_t what,
                    int32_t needs, Waiters &waiters) {
  agent.blocked = true;
  agent.blockedAt = now;
  agent.facts.wait = wait;
  agent.facts.waitsFor = what;
  agent.facts.needs = needs;
  waiters.push_back(&agent);
}

void Machine::countWait(Agent &agent, Time end) {
  const Time waited = end - agent.blockedAt;
  if (waited <= 0)
    return;
  agent.facts.waited[agent.facts.wait] += waited;
  if (waited < result.intervalLeast)
    return;
  if (result.intervalCount < result.intervalCapacity)
    result.intervals[result.intervalCount++] = {agent.index, agent.facts.wait,
                                                agent.blockedAt, end};
  else
    ++result.intervalsDropped;
}

void Machine::unblock(Agent &agent) {
  countWait(agent, now);
  agent.facts.wait = waitNone;
  agent.blocked = false;
}

void Machine::wake(Waiters &waiters) {
  for (Agent *agent : waiters) {
    unblock(*agent);
    schedule(*agent, now);
  }
  waiters.clear();
}

bool Machine::acquire(Agent &agent, int32_t lock, int32_t count) {
  if (locks[lock].value >= count) {
    locks[lock].value -= count;
    return true;
  }
  block(agent, waitLock, lock, count, locks[lock].waiters);
  return false;
}

bool Machine::release(Agent &agent, int32_t lock, int32_t count) {
  locks[lock].value += count;
  if (locks[lock].value > design.locks[lock].limit) {
    fail(failureLock, &agent).lock = lock;
    return false;
  }
  wake(locks[lock].waiters);
  return true;
}

Time Machine::ddr(int64_t bytes) {
  ddrFree =
      std::max(ddrFree, now) + static_cast<double>(bytes) / timing.ddrBytes;
  return ddrFree;
}

void Machine::end(Agent &agent) { agent.facts.ended = 1; }

HeadraceFailure &Machine::fail(HeadraceFailureKind kind, const Agent *agent) {
  if (failed())
    return discarded;
  HeadraceFailure &failure = result.failure;
  failure = {kind, agent ? agent->index : -1, -1, -1, -1, -1, -1, -1, 0, now};
  return failure;
}

bool Machine::turn() {
  if (idle() || failed())
    return false;
  const bool later =
      due.empty() || (!events.empty() && due.front() < events.top());
  const Event event = later ? events.top() : due.front();
  if (event.time > limit)
    return false;
  if (later)
    events.pop();
  else
    due.pop_front();
  now = event.time;
  event.agent->step(*this);
  return true;
}

/// Behind the end of the sequence: all data that came in has been taken.
void Machine::findSurplus() {
  for (const Stream &stream : streams)
    if (!stream.chunks.empty()) {
      fail(failureSurplus, channels[stream.from]);
      return;
    }
  for (Channel *channel : channels)
    if (!channel->idle()) {
      fail(failureSurplus, channel);
      return;
    }
  for (int32_t i = 0; i < design.lockCount; ++i)
    if (design.locks[i].counts && locks[i].value > design.locks[i].value) {
      fail(failureSurplus, nullptr).lock = i;
      return;
    }
}

void Machine::run() {
  if (!buffers.place(design.buffers, design.bufferCount)) {
    fail(failureHost, nullptr);
    return;
  }
  const faults::Handler handler(takeFault);
  const Agent &sequence = *agents.back();
  for (const auto &agent : agents)
    schedule(*agent, 0);
  while (!sequence.facts.ended && turn())
    ;
  result.cycles = now;
  result.ddrRead = ddrRead;
  result.ddrWritten = ddrWritten;
  if (!failed() && !sequence.facts.ended)
    fail(idle() ? failureDeadlock : failureLimit, nullptr);
  // What was started comes to rest, or is found not to.
  if (!failed()) {
    limit = std::min(limit, 2 * now + 1e6);
    while (turn())
      ;
    if (!failed())
      findSurplus();
  }
  for (size_t i = 0; i < agents.size(); ++i) {
    Agent &agent = *agents[i];
    if (agent.blocked)
      countWait(agent, result.cycles);
    result.agents[i] = agent.facts;
  }
  for (int32_t i = 0; i < design.lockCount; ++i)
    result.lockValues[i] = locks[i].value;
}

extern "C" int headrace_array_run(const HeadraceDesign *design,
                                  HeadraceResult *result) {
  result->failure = {failureNone, -1, -1, -1, -1, -1, -1, -1, 0, 0};
  result->intervalCount = result->intervalsDropped = 0;
  Machine machine(*design, *result);
  machine.run();
  return result->failure.kind;
}
