//===- fiber.cpp - Stacks that take turns ---------------------------------===//
//
// A switch saves what a called function must keep and changes the stack: a few
// instructions where they are written out (x86-64, AArch64), and swapcontext
// with its two system calls elsewhere.
//
//===----------------------------------------------------------------------===//

#include "fiber.h"

#include <cstdint>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace simt;

static constexpr size_t stackSize = 256 << 10;

static size_t pageSize() {
  static const size_t size = sysconf(_SC_PAGESIZE);
  return size;
}

#if defined(__x86_64__)
static constexpr size_t savedWords = 7; // six registers, where to return to

asm(R"(
  .text
  .p2align 4
  .local headrace_simt_switch
  .type headrace_simt_switch, @function
headrace_simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size headrace_simt_switch, . - headrace_simt_switch
)");
#elif defined(__aarch64__)
static constexpr size_t savedWords = 20; // x19 to x30, d8 to d15

asm(R"(
  .text
  .p2align 4
  .local headrace_simt_switch
  .type headrace_simt_switch, %function
headrace_simt_switch:
  sub sp, sp, #160
  stp x19, x20, [sp]
  stp x21, x22, [sp, #16]
  stp x23, x24, [sp, #32]
  stp x25, x26, [sp, #48]
  stp x27, x28, [sp, #64]
  stp x29, x30, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp]
  ldp x21, x22, [sp, #16]
  ldp x23, x24, [sp, #32]
  ldp x25, x26, [sp, #48]
  ldp x27, x28, [sp, #64]
  ldp x29, x30, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  add sp, sp, #160
  ret
  .size headrace_simt_switch, . - headrace_simt_switch
)");
#endif

#if defined(__x86_64__) || defined(__aarch64__)
extern "C" void headrace_simt_switch(void **from, void *to);

void Fiber::switchFrom(Fiber &from) { headrace_simt_switch(&from.top, top); }
#else
void Fiber::switchFrom(Fiber &from) { swapcontext(&from.context, &context); }
#endif

bool Fiber::start(void (*function)()) {
  if (!memory) {
    void *mapped = mmap(nullptr, pageSize() + stackSize, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED)
      return false;
    memory = static_cast<char *>(mapped);
    mprotect(memory, pageSize(), PROT_NONE);
  }
#if defined(__x86_64__) || defined(__aarch64__)
  // 16 bytes above: the return address of a function that never returns.
  char *end = memory + pageSize() + stackSize - 64;
  void **saved = reinterpret_cast<void **>(end) - savedWords;
#if defined(__x86_64__)
  --saved; // after `ret`, the stack is 8 bytes off a multiple of 16
  memset(saved, 0, savedWords * sizeof(void *));
  saved[6] = reinterpret_cast<void *>(function);
#else
  memset(saved, 0, savedWords * sizeof(void *));
  saved[11] = reinterpret_cast<void *>(function);
#endif
  top = saved;
#else
  getcontext(&context);
  context.uc_stack.ss_sp = memory + pageSize();
  context.uc_stack.ss_size = stackSize;
  context.uc_link = nullptr;
  makecontext(&context, function, 0);
#endif
  return true;
}

bool Fiber::guards(const void *address) const {
  const char *byte = static_cast<const char *>(address);
  return memory && byte >= memory && byte < memory + pageSize();
}

Fiber::~Fiber() {
  if (memory)
    munmap(memory, pageSize() + stackSize);
}
