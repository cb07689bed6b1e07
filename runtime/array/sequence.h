//===- sequence.h - The runtime sequence ------------------------*- C++ -*-===//

#ifndef HEADRACE_ARRAY_SEQUENCE_H
#define HEADRACE_ARRAY_SEQUENCE_H

#include "machine.h"

namespace array {

/// The firmware, which writes descriptors, starts tasks and awaits them.
class Sequence : public Agent {
public:
  explicit Sequence(int32_t index) : Agent(index) {}
  void step(Machine &machine) override;

private:
  int32_t at = 0;
};

} // namespace array

#endif // HEADRACE_ARRAY_SEQUENCE_H
