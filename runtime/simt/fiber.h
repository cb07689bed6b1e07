//===- fiber.h - Stacks that take turns ------------------------*- C++ -*-===//

#ifndef HEADRACE_SIMT_FIBER_H
#define HEADRACE_SIMT_FIBER_H

#include <cstddef>

#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>
#endif

namespace simt {

/// A stack and where on it execution stopped. One is made without a stack of
/// its own: that of the caller of `switchTo`.
class Fiber {
public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber &) = delete;
  Fiber &operator=(const Fiber &) = delete;

  /// Makes execution start at `function`, which never returns, the next time.
  /// False if there is no memory for a stack.
  bool start(void (*function)());
  /// Stops here, which is on `from`, and goes on where this fiber stopped.
  void switchFrom(Fiber &from);
  /// Whether an address is in the page before the stack, where no access goes.
  bool guards(const void *address) const;

private:
#if defined(__x86_64__) || defined(__aarch64__)
  void *top = nullptr;
#else
  ucontext_t context;
#endif
  char *memory = nullptr;
};

} // namespace simt

#endif // HEADRACE_SIMT_FIBER_H
