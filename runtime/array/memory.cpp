//===- memory.cpp - The memories of the tiles -----------------------------===//

#include "memory.h"

#include <algorithm>
#include <cstring>

using namespace array;

static constexpr unsigned char guardByte = 0xA5;
// Both halves of a word are a bfloat16 or float16 that is not a number, and
// so is the word. The other bits tell words apart.
static constexpr uint32_t notNumbers = 0x7FC07FC0;

static uint32_t mix(uint32_t value) {
  value = (value ^ (value >> 16)) * 0x7FEB352Du;
  value = (value ^ (value >> 15)) * 0x846CA68Bu;
  return value ^ (value >> 16);
}

Buffer::Buffer(const HeadraceBuffer &description, uint32_t index)
    : description(&description),
      bytes(new char[static_cast<size_t>(description.bytes + 2 * guard)]),
      seed(mix(index + 1)) {
  memset(bytes.get(), guardByte, guard);
  memset(data() + size(), guardByte, guard);
  if (description.initial)
    memcpy(data(), description.initial, static_cast<size_t>(size()));
  else
    poison();
}

uint32_t Buffer::poisonOf(int64_t word) const {
  return notNumbers | (mix(seed + static_cast<uint32_t>(word)) & 0x803F803Fu);
}

void Buffer::poison() {
  const int64_t words = size() / 4;
  for (int64_t word = 0; word < words; ++word) {
    const uint32_t value = poisonOf(word);
    memcpy(data() + 4 * word, &value, 4);
  }
  memset(data() + 4 * words, 0xFF, static_cast<size_t>(size() - 4 * words));
}

bool Buffer::poisoned(int64_t offset) {
  if (offset % 4 != 0)
    return false;
  uint32_t value;
  memcpy(&value, data() + offset, 4);
  return (value & notNumbers) == notNumbers && value == poisonOf(offset / 4);
}

bool Buffer::intact() const {
  const auto whole = [](const char *at) {
    return std::all_of(at, at + guard, [](char byte) {
      return static_cast<unsigned char>(byte) == guardByte;
    });
  };
  return whole(bytes.get()) && whole(bytes.get() + guard + size());
}
