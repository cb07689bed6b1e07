//===- sequence.cpp - The runtime sequence --------------------------------===//

#include "sequence.h"
#include "channel.h"

using namespace array;

void Sequence::step(Machine &machine) {
  while (at < machine.design.stepCount) {
    const HeadraceStep &step = machine.design.steps[at];
    const HeadraceTask &task = machine.design.tasks[step.task];
    Channel &channel = *machine.channels[task.channel];
    facts.at = at;
    double cost = 0;
    switch (step.kind) {
    case stepConfigure:
      cost = machine.timing.configure * task.descriptors;
      break;
    case stepStart:
      if (!channel.start(machine, step.task)) {
        machine.fail(failureQueue, this).task = step.task;
        return;
      }
      break;
    case stepAwait:
      if (!channel.finished(step.task)) {
        machine.block(*this, waitTask, step.task, 0, channel.awaiting);
        return;
      }
      cost = machine.timing.sync;
      break;
    }
    ++at;
    if (cost > 0) {
      facts.busy += cost;
      machine.schedule(*this, machine.now + cost);
      return;
    }
  }
  machine.end(*this);
}
