//===- memory.h - Buffers between guard pages ------------------*- C++ -*-===//

#ifndef HEADRACE_SIMT_MEMORY_H
#define HEADRACE_SIMT_MEMORY_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt {

enum class Space : int { Device, Workgroup };

/// Who accessed one byte last, as far as it matters for races (races.cpp).
struct Cell {
  uint32_t writer;  // thread + 1; 0 if none
  uint32_t written; // when
  uint32_t reader;  // thread + 1
  uint32_t read;    // when
  uint8_t readers;  // how far apart those that read it are
  bool atomicWrite;
  bool atomicRead;
};

/// One buffer, or one array of a workgroup.
struct Region {
  Space space = Space::Device;
  /// The binding of a buffer; the number of an array, in order of first use.
  int index = 0;
  const char *name = nullptr;
  const void *key = nullptr; // of an array
  char *base = nullptr;
  size_t size = 0;
  char *pages = nullptr;
  size_t mapped = 0;
  bool writable = true;
  /// A cell for each byte; none where no race is possible or looked for.
  std::vector<Cell> cells;
};

/// An address range in which each region has a slot of its own, most of it
/// unmapped: an address far off a buffer is still known to belong to it.
/// The end of a region is the end of a page, so that reading on faults; in
/// front of its first byte, up to the start of the page, are bytes that nobody
/// may write either (`intact`).
class Memory {
public:
  static constexpr unsigned slotBits = 33;
  static constexpr size_t slots = 48;
  static constexpr size_t slotSize = size_t(1) << slotBits;
  static constexpr size_t largest = slotSize / 4;
  static constexpr unsigned char poison = 0xff; // NaN in every float type

  /// Reserves the range; false if the machine refuses.
  bool reserve();
  /// Maps a region, filled with poison; null if there is no memory or slot.
  Region *add(size_t size);
  void protect(Region &region);
  void fill(Region &region);
  void clear();

  /// The region in whose slot an address is, or null.
  Region *find(const void *address) {
    uintptr_t distance = reinterpret_cast<uintptr_t>(address) - start;
    size_t slot = distance >> slotBits;
    return slot < used ? &regions[slot] : nullptr;
  }
  Region *begin() { return regions; }
  Region *end() { return regions + used; }
  /// The offset of the first byte next to a region that was written, or 0.
  static long firstDamage(const Region &region);

private:
  uintptr_t start = 0;
  size_t used = 0;
  Region regions[slots];
};

} // namespace simt

#endif // HEADRACE_SIMT_MEMORY_H
