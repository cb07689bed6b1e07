//===- memory.h - The memories of the tiles ---------------------*- C++ -*-===//

#ifndef HEADRACE_ARRAY_MEMORY_H
#define HEADRACE_ARRAY_MEMORY_H

#include "headrace_array.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace array {

/// A buffer of a tile. Up to the ends of its pages nobody may write, and behind
/// them there is nothing.
class Buffer {
public:
  /// The bytes of pages that a buffer needs.
  static size_t pagesOf(const HeadraceBuffer &description);
  /// `pages` are `pagesOf` bytes that are there and zero.
  Buffer(const HeadraceBuffer &description, uint32_t index, char *pages);

  char *data() { return start; }
  int64_t size() const { return description->bytes; }
  const HeadraceBuffer &facts() const { return *description; }

  /// Makes all of it words that `poisoned` knows. They are not numbers of any
  /// floating-point type, so that arithmetic shows them too.
  void poison();
  /// Whether the word at a byte offset is as `poison` left it. Data can look
  /// like that, but two words in a row do not.
  bool poisoned(int64_t offset);
  /// Whether nothing was written around it.
  bool intact() const;

  double usedUntil = -1; // by a core, which
  int32_t user = -1;     // is this agent
  int32_t transfers = 0; // descriptors that are under way on it
  int32_t mover = -1;    // and the agent of one

private:
  uint32_t poisonOf(int64_t word) const;

  const HeadraceBuffer *description;
  char *pages, *start;
  uint32_t seed;
};

/// The buffers of a design, far apart: what a function of a core accesses next
/// to one faults.
class Memory {
public:
  Memory() = default;
  ~Memory();
  Memory(const Memory &) = delete;
  Memory &operator=(const Memory &) = delete;

  /// False if there is no memory for them.
  bool place(const HeadraceBuffer *descriptions, int32_t count);
  Buffer &operator[](int32_t index) { return buffers[index]; }
  /// The buffer that an address is in; `index` becomes -1 where there is none.
  Buffer *at(const void *address, int32_t &index);
  /// The buffer that an address is in or next to; -1 where there is none.
  int32_t near(const void *address);

private:
  // Between two buffers: more than the memory of any tile.
  static constexpr size_t gap = 1 << 20;

  std::vector<Buffer> buffers;
  std::vector<size_t> ends; // of the half of a gap behind each buffer
  char *range = nullptr;
  size_t size = 0;
};

} // namespace array

#endif // HEADRACE_ARRAY_MEMORY_H
