//===- addresses.cpp - Where a descriptor reads or writes -----------------===//

#include "addresses.h"

#include <algorithm>

using namespace array;

void Addresses::start(const HeadraceDescriptor &descriptor, int64_t iteration) {
  left = descriptor.bytes;
  base = descriptor.offset;
  if (descriptor.iterations > 1)
    base += iteration % descriptor.iterations * descriptor.iterationStride;
  inRun = 0;
  dimensions = descriptor.dimensions;
  if (dimensions == 0) {
    run = left;
    return;
  }
  std::copy_n(descriptor.sizes, dimensions, sizes);
  std::copy_n(descriptor.strides, dimensions, strides);
  std::fill_n(counters, HEADRACE_DIMENSIONS, 0);
  // Inner dimensions that follow each other in memory are one run.
  run = descriptor.element;
  while (dimensions > 0 && strides[dimensions - 1] == run)
    run *= sizes[--dimensions];
}

Addresses::Run Addresses::next(int64_t most) {
  int64_t offset = base + inRun;
  for (int d = 0; d < dimensions; ++d)
    offset += counters[d] * strides[d];
  const int64_t bytes = std::min({most, run - inRun, left});
  inRun += bytes;
  left -= bytes;
  if (inRun == run) {
    inRun = 0;
    for (int d = dimensions - 1; d >= 0; --d) {
      if (++counters[d] < sizes[d])
        break;
      counters[d] = 0;
    }
  }
  return {offset, bytes};
}

extern "C" int64_t
headrace_array_addresses(const HeadraceDescriptor *descriptor,
                         int64_t iteration, int64_t *offsets,
                         int64_t capacity) {
  Addresses addresses;
  addresses.start(*descriptor, iteration);
  int64_t count = 0;
  while (!addresses.done()) {
    const Addresses::Run found = addresses.next(4);
    if (count < capacity)
      offsets[count] = found.offset;
    ++count;
  }
  return count;
}
