//===- access.cpp - Where loads and stores go -----------------------------===//
//
// The functions that clang's -fsanitize-coverage=trace-loads,trace-stores calls
// in front of each load and store, and what happens where there is no memory.
//
//===----------------------------------------------------------------------===//

#include "access.h"

#include "simulator.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ucontext.h>

#if defined(__aarch64__)
#include <asm/sigcontext.h>
#endif

using namespace simt;

static void report(const volatile void *pointer, size_t size, bool writes,
                   bool atomic, void *pc) {
  const char *address =
      const_cast<const char *>(static_cast<const volatile char *>(pointer));
  Region *region = size ? simulator.memory.find(address) : nullptr;
  if (!region || !simulator.running)
    return; // of the thread itself, or a constant of the program
  long offset = address - region->base;
  if (offset < 0 || size_t(offset) + size > region->size)
    simulator.failAt(failureOutOfBounds, *region, offset, size, writes, pc);
  if (writes && !region->writable)
    simulator.failAt(failureReadOnly, *region, offset, size, writes, pc);
  if (simulator.traffic && region->space == Space::Device &&
      !simulator.traffic->count(simulator.running->ids.subgroup, region->index,
                                offset, size, writes, pc)) {
    strncpy(simulator.failure->text,
            "more accesses between two barriers than can be traced",
            sizeof simulator.failure->text - 1);
    simulator.fail(failureResources);
  }
  if (!region->cells.empty())
    simulator.track(*region, offset, size, writes, atomic, pc);
}

/// The call, in front of the address where it returns to.
#define CALLER static_cast<char *>(__builtin_return_address(0)) - 1

#define ACCESS(size)                                                           \
  extern "C" void __sanitizer_cov_load##size(void *address) {                  \
    report(address, size, false, false, CALLER);                               \
  }                                                                            \
  extern "C" void __sanitizer_cov_store##size(void *address) {                 \
    report(address, size, true, false, CALLER);                                \
  }
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)

void headrace_simt_atomic_load(const volatile void *from, unsigned long size,
                               void *to) {
  if (simulator.launch->checked || simulator.traffic)
    report(from, size, false, true, CALLER);
  memcpy(to, const_cast<const void *>(from), size);
}

void headrace_simt_atomic_store(volatile void *to, unsigned long size,
                                const void *from) {
  if (simulator.launch->checked || simulator.traffic)
    report(to, size, true, true, CALLER);
  memcpy(const_cast<void *>(to), from, size);
}

void headrace_simt_aligned(const void *address, unsigned long alignment) {
  if (reinterpret_cast<uintptr_t>(address) % alignment == 0)
    return;
  Region *region = simulator.memory.find(address);
  if (!region || !simulator.running)
    return; // out of bounds, and reported as that
  long offset = static_cast<const char *>(address) - region->base;
  simulator.failAt(failureAlignment, *region, offset, alignment, false, CALLER);
}

void headrace_simt_copy(void *to, const void *from, unsigned long size, bool) {
  report(from, size, false, false, CALLER);
  report(to, size, true, false, CALLER);
  memmove(to, from, size);
}

void headrace_simt_fill(void *to, char byte, unsigned long size, bool) {
  report(to, size, true, false, CALLER);
  memset(to, byte, size);
}

// --- faults ------------------------------------------------------------------

static void *programCounter(void *context) {
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

static struct sigaction previousActions[4];
static constexpr int faults[4] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};

static void handleFault(int signal, siginfo_t *info, void *context) {
  void *pc = programCounter(context);
  if (!simulator.running) { // not the fault of a kernel
    FaultHandler::restore();
    return;
  }
  if (signal == SIGILL || signal == SIGFPE) {
    simulator.failure->pc = reinterpret_cast<uint64_t>(pc);
    simulator.fail(failureInstruction);
  }
  if (simulator.running->fiber.guards(info->si_addr))
    simulator.fail(failureStack);
  bool writes = faultWrites(context);
  if (Region *region = simulator.memory.find(info->si_addr)) {
    long offset = static_cast<char *>(info->si_addr) - region->base;
    bool inside = offset >= 0 && size_t(offset) < region->size;
    simulator.failAt(inside ? failureReadOnly : failureOutOfBounds, *region,
                     offset, 0, inside || writes, pc);
  }
  simulator.failure->offset = reinterpret_cast<int64_t>(info->si_addr);
  simulator.failure->writes = writes;
  simulator.failure->pc = reinterpret_cast<uint64_t>(pc);
  simulator.fail(failureAddress);
}

FaultHandler::FaultHandler() {
  // A stack of its own: the fault may be that there is no stack left. This one
  // and the handlers are the process's own again after the launch.
  static char stack[64 << 10];
  stack_t own = {};
  own.ss_sp = stack;
  own.ss_size = sizeof stack;
  sigaltstack(&own, &previousStack);
  struct sigaction action = {};
  action.sa_sigaction = handleFault;
  // Not blocked when a failed launch is left by a jump.
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  for (int index = 0; index < 4; ++index)
    sigaction(faults[index], &action, &previousActions[index]);
}

void FaultHandler::restore() {
  for (int index = 0; index < 4; ++index)
    sigaction(faults[index], &previousActions[index], nullptr);
}

FaultHandler::~FaultHandler() {
  restore();
  // A jump out of the handler may leave its stack marked as in use.
  sigaltstack(&previousStack, nullptr);
}
