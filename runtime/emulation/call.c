//===- call.c - Calls functions of a library, as its input says -----------===//
//
// Built for a machine that is emulated, so that what was compiled for it can be
// called from here: `qemu-aarch64 ... call LIBRARY < requests > replies`. Knows
// nothing of plans: a request lays out the memory of one call, pointers
// included (python/headrace/check/emulation.py writes it).
//
// Requests, of 64-bit numbers unless said:
//   buffers, pointers, words; bytes of the function's name; the name
//   for each buffer: its bytes; 0: they follow, 1: they are poisoned with 0xFF;
//                    1: it is part of the reply
//   for each pointer: where it lies (buffer, offset); where it points: a
//   buffer,
//                    or -1 for the function whose name has so many bytes; the
//                    name
//   for each word, the arguments: 0: a number, 1: the address of a buffer; that
// Replies: the result of the function, then the buffers.
//
//===----------------------------------------------------------------------===//

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_NAME = 4096, MAX_WORDS = 8 };

typedef struct {
  uint8_t *data;
  uint64_t bytes;
  void *pages;
  uint64_t mapped;
  int64_t replied;
} buffer;

static void fail(const char *what, const char *name) {
  fprintf(stderr, "%s%s\n", what, name);
  exit(1);
}

/// Whether the input went on; it may end only where a request may start.
static int take(void *to, uint64_t bytes) {
  return bytes == 0 || fread(to, bytes, 1, stdin) == 1;
}

static int64_t take_number(void) {
  int64_t number;
  if (!take(&number, sizeof(number)))
    fail("the request ends early", "");
  return number;
}

static void *take_function(void *library, int64_t bytes) {
  char name[MAX_NAME];
  if (bytes < 0 || bytes >= MAX_NAME || !take(name, (uint64_t)bytes))
    fail("expected the name of a function", "");
  name[bytes] = 0;
  void *function = dlsym(library, name);
  if (!function)
    fail("the library has no function ", name);
  return function;
}

/// Memory that ends where a page begins that cannot be touched: a kernel that
/// reads or writes behind its arguments is stopped there.
static buffer take_buffer(void) {
  const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
  buffer made = {.bytes = (uint64_t)take_number()};
  const int64_t poisoned = take_number();
  made.replied = take_number();
  const uint64_t whole = (made.bytes + page - 1) / page * page;
  made.mapped = whole + page;
  made.pages = mmap(NULL, made.mapped, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (made.pages == MAP_FAILED)
    fail("no memory for a buffer", "");
  uint8_t *end = (uint8_t *)made.pages + whole;
  mprotect(end, page, PROT_NONE);
  made.data = end - made.bytes;
  if (poisoned)
    memset(made.data, 0xFF, made.bytes);
  else if (!take(made.data, made.bytes))
    fail("the request ends early", "");
  return made;
}

static void serve(void *library, int64_t count) {
  const int64_t pointers = take_number(), arguments = take_number();
  if (count < 0 || arguments < 0 || arguments > MAX_WORDS)
    fail("expected a request", "");
  typedef int64_t (*function)(int64_t, int64_t, int64_t, int64_t, int64_t,
                              int64_t, int64_t, int64_t);
  function call = (function)take_function(library, take_number());
  buffer *buffers = calloc((size_t)count + 1, sizeof(buffer));
  for (int64_t i = 0; i < count; ++i)
    buffers[i] = take_buffer();
  for (int64_t i = 0; i < pointers; ++i) {
    const int64_t in = take_number(), offset = take_number();
    const int64_t to = take_number();
    void *address =
        to < 0 ? take_function(library, take_number()) : buffers[to].data;
    memcpy(buffers[in].data + offset, &address, sizeof(address));
  }
  int64_t words[MAX_WORDS] = {0};
  for (int64_t i = 0; i < arguments; ++i) {
    const int64_t address = take_number(), value = take_number();
    words[i] = address ? (int64_t)(intptr_t)buffers[value].data : value;
  }
  const int64_t result = call(words[0], words[1], words[2], words[3], words[4],
                              words[5], words[6], words[7]);
  fwrite(&result, sizeof(result), 1, stdout);
  for (int64_t i = 0; i < count; ++i) {
    if (buffers[i].replied)
      fwrite(buffers[i].data, 1, buffers[i].bytes, stdout);
    munmap(buffers[i].pages, buffers[i].mapped);
  }
  free(buffers);
}

int main(int count, char **arguments) {
  if (count != 2)
    fail("usage: call LIBRARY < requests > replies", "");
  void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
  if (!library)
    fail("cannot load the library: ", dlerror());
  int64_t buffers;
  while (take(&buffers, sizeof(buffers)))
    serve(library, buffers);
  return 0;
}
