//===- access.h - What happens where there is no memory --------*- C++ -*-===//

#ifndef HEADRACE_SIMT_ACCESS_H
#define HEADRACE_SIMT_ACCESS_H

#include <csignal>

namespace simt {

/// While it lives, faults of kernels end the launch instead of the process.
class FaultHandler {
public:
  FaultHandler();
  ~FaultHandler();
  static void restore();

private:
  stack_t previousStack;
};

} // namespace simt

#endif // HEADRACE_SIMT_ACCESS_H
