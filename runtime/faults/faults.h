//===- faults.h - Faults that end a simulation, not the process -*- C++ -*-===//
//
// Simulators run compiled kernels in their own process. What a kernel does to
// memory that is not there arrives here as a signal.
//
//===----------------------------------------------------------------------===//

#ifndef HEADRACE_FAULTS_FAULTS_H
#define HEADRACE_FAULTS_FAULTS_H

#include <csignal>
#include <memory>

namespace faults {

struct Fault {
  int signal; // SIGSEGV, SIGBUS, SIGILL or SIGFPE
  const void *address;
  const void *pc;
  bool writes; // as far as the machine says
};

/// Leaves by a jump if the fault is one of a kernel, and returns if not: then
/// the process gets it, as if nobody had looked.
using Take = void (*)(const Fault &);

/// While it lives, faults of the thread that made it go to `take` first.
class Handler {
public:
  explicit Handler(Take take);
  ~Handler();
  Handler(const Handler &) = delete;
  Handler &operator=(const Handler &) = delete;

private:
  std::unique_ptr<char[]> stack;
  stack_t previousStack;
  Take previousTake;
};

} // namespace faults

#endif // HEADRACE_FAULTS_FAULTS_H
