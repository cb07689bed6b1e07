//===- faults.cpp - Faults that end a simulation, not the process ---------===//

#include "faults.h"

#include <mutex>
#include <ucontext.h>

#if defined(__aarch64__)
#include <asm/sigcontext.h>
#endif

using namespace faults;

static constexpr int signals[4] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
static constexpr size_t stackSize = 64 << 10;

// Signals belong to the process, faults to a thread.
static std::mutex installing;
static int handlers = 0;
static struct sigaction previousActions[4];
static thread_local Take takes = nullptr;

static const void *programCounter(void *context) {
  auto *machine = &static_cast<ucontext_t *>(context)->uc_mcontext;
#if defined(__x86_64__)
  return reinterpret_cast<void *>(machine->gregs[REG_RIP]);
#elif defined(__aarch64__)
  return reinterpret_cast<void *>(machine->pc);
#else
  return nullptr;
#endif
}

static bool faultWrites([[maybe_unused]] void *context) {
#if defined(__x86_64__)
  // Bit 1 of a page fault's error code.
  auto *machine = &static_cast<ucontext_t *>(context)->uc_mcontext;
  return machine->gregs[REG_ERR] & 2;
#elif defined(__aarch64__)
  // "Write, not read" of the syndrome register, which is one of the records
  // behind the registers.
  auto *machine = &static_cast<ucontext_t *>(context)->uc_mcontext;
  auto *at = reinterpret_cast<unsigned char *>(machine->__reserved);
  for (;;) {
    auto *record = reinterpret_cast<_aarch64_ctx *>(at);
    if (record->magic == ESR_MAGIC)
      return reinterpret_cast<esr_context *>(at)->esr & 1 << 6;
    if (!record->magic || !record->size)
      return false;
    at += record->size;
  }
#else
  return false;
#endif
}

static void restore() {
  for (int index = 0; index < 4; ++index)
    sigaction(signals[index], &previousActions[index], nullptr);
}

static void handle(int signal, siginfo_t *info, void *context) {
  if (takes)
    takes(
        {signal, info->si_addr, programCounter(context), faultWrites(context)});
  restore(); // what faulted is run again
}

Handler::Handler(Take take)
    : stack(std::make_unique<char[]>(stackSize)), previousTake(takes) {
  takes = take;
  // A stack of its own: the fault may be that there is no stack left. This one
  // and the actions are as they were when the last handler is gone.
  stack_t own = {};
  own.ss_sp = stack.get();
  own.ss_size = stackSize;
  sigaltstack(&own, &previousStack);
  const std::lock_guard<std::mutex> lock(installing);
  if (handlers++)
    return;
  struct sigaction action = {};
  action.sa_sigaction = handle;
  // Not blocked when a failed simulation is left by a jump.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int index = 0; index < 4; ++index)
    sigaction(signals[index], &action, &previousActions[index]);
}

Handler::~Handler() {
  {
    const std::lock_guard<std::mutex> lock(installing);
    if (!--handlers)
      restore();
  }
  // A jump out of the handler may leave its stack marked as in use.
  sigaltstack(&previousStack, nullptr);
  takes = previousTake;
}
