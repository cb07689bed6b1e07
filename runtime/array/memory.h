//===- memory.h - The memories of the tiles ---------------------*- C++ -*-===//

#ifndef HEADRACE_ARRAY_MEMORY_H
#define HEADRACE_ARRAY_MEMORY_H

#include "headrace_array.h"

#include <cstdint>
#include <memory>

namespace array {

/// A buffer of a tile, between two stretches that nobody may write.
class Buffer {
public:
  Buffer(const HeadraceBuffer &description, uint32_t index);

  char *data() { return bytes.get() + guard; }
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
  static constexpr int64_t guard = 512;
  uint32_t poisonOf(int64_t word) const;

  const HeadraceBuffer *description;
  std::unique_ptr<char[]> bytes;
  uint32_t seed;
};

} // namespace array

#endif // HEADRACE_ARRAY_MEMORY_H
