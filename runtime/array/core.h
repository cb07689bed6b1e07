//===- core.h - A core and its program --------------------------*- C++ -*-===//

#ifndef HEADRACE_ARRAY_CORE_H
#define HEADRACE_ARRAY_CORE_H

#include "../faults/faults.h"
#include "machine.h"

namespace array {

/// A fault of a function ends its call.
void takeFault(const faults::Fault &fault);

/// Runs instructions; functions run on the host and take the cycles that the
/// design says.
class Core : public Agent {
public:
  Core(int32_t index, const HeadraceCore &facts)
      : Agent(index), core(facts), at(facts.firstInstruction),
        registers(static_cast<size_t>(facts.registers)) {}
  void step(Machine &machine) override;

private:
  enum { integerArguments = 16, floatArguments = 8 };
  /// False if it stops here: it waits, or a time has to pass.
  bool execute(Machine &machine, const HeadraceInstruction &instruction);
  int64_t compute(Machine &machine, const HeadraceInstruction &instruction);
  bool access(Machine &machine, const HeadraceInstruction &instruction);
  bool call(Machine &machine, int32_t function);
  /// Null, or why the function did not come to its end.
  const faults::Fault *run(void *function);
  double bankLoad(Machine &machine);

  const HeadraceCore &core;
  int32_t at;
  std::vector<int64_t> registers;
  double pending = 0; // cycles of instructions that have not passed yet
  bool calling = false;
  double callCycles = 0;
  std::vector<int32_t> callBuffers;
  std::vector<double> bankShare;   // accesses of the call a cycle
  std::vector<int64_t> bankBefore; // accesses of DMA when it began
  int64_t integers[integerArguments] = {};
  float floats[floatArguments] = {};
  int32_t integerCount = 0, floatCount = 0;
};

} // namespace array

#endif // HEADRACE_ARRAY_CORE_H
