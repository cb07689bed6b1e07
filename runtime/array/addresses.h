//===- addresses.h - Where a descriptor reads or writes --------*- C++ -*-===//

#ifndef HEADRACE_ARRAY_ADDRESSES_H
#define HEADRACE_ARRAY_ADDRESSES_H

#include "headrace_array.h"

#include <cstdint>

namespace array {

/// The bytes of one execution of a descriptor, run by run: bytes that follow
/// each other in memory.
class Addresses {
public:
  void start(const HeadraceDescriptor &descriptor, int64_t iteration);
  bool done() const { return left == 0; }
  int64_t bytesLeft() const { return left; }

  struct Run {
    int64_t offset, bytes;
  };
  /// The next bytes, at most `most`, which is not 0.
  Run next(int64_t most);

private:
  int64_t base = 0, left = 0;
  int64_t run = 0, inRun = 0; // bytes of a run; how many of it are gone
  int dimensions = 0;         // without those within a run
  int64_t sizes[HEADRACE_DIMENSIONS], strides[HEADRACE_DIMENSIONS];
  int64_t counters[HEADRACE_DIMENSIONS];
};

} // namespace array

#endif // HEADRACE_ARRAY_ADDRESSES_H
