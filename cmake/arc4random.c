/* LLVM draws random numbers with arc4random, which glibc has only since 2.36.
   This copy, linked into the wheel, lets it run on glibc 2.35. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

uint32_t arc4random(void) {
  uint32_t value;
  if (getrandom(&value, sizeof value, 0) != (ssize_t)sizeof value)
    abort();
  return value;
}
