//===- bfloat.cpp - What compilers call to round to bfloat ----------------===//
//
// clang calls this function of the compiler's library where the machine has no
// instruction for it, and older libraries do not have it.
//
//===----------------------------------------------------------------------===//

#include <cstdint>
#include <cstring>

/// The nearest bfloat, ties to even. It is returned where f16 is, too.
extern "C" _Float16 __truncsfbf2(float value);

extern "C" _Float16 __truncsfbf2(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  bool isNaN = (bits & 0x7fffffff) > 0x7f800000;
  uint16_t rounded =
      isNaN ? bits >> 16 | 0x40 : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  _Float16 result;
  memcpy(&result, &rounded, sizeof result);
  return result;
}
