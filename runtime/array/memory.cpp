//===- memory.cpp - The memories of the tiles -----------------------------===//

#include "memory.h"

#include <algorithm>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace array;

static constexpr unsigned char guardByte = 0xA5;
// What the vectors of a core's functions are aligned to.
static constexpr size_t alignment = 64;
// Both halves of a word are a bfloat16 or float16 that is not a number, and
// so is the word. The other bits tell words apart.
static constexpr uint32_t notNumbers = 0x7FC07FC0;

static uint32_t mix(uint32_t value) {
  value = (value ^ (value >> 16)) * 0x7FEB352Du;
  value = (value ^ (value >> 15)) * 0x846CA68Bu;
  return value ^ (value >> 16);
}

size_t Buffer::pagesOf(const HeadraceBuffer &description) {
  static const size_t page = sysconf(_SC_PAGESIZE);
  return (static_cast<size_t>(description.bytes) + page - 1) / page * page;
}

Buffer::Buffer(const HeadraceBuffer &description, uint32_t index, char *pages)
    : description(&description), pages(pages),
      start(pages + (pagesOf(description) - size()) / alignment * alignment),
      seed(mix(index + 1)) {
  char *end = start + size();
  memset(pages, guardByte, start - pages);
  memset(end, guardByte, pages + pagesOf(description) - end);
  if (description.initial)
    memcpy(start, description.initial, static_cast<size_t>(size()));
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
  const auto whole = [](const char *from, const char *to) {
    return std::all_of(from, to, [](char byte) {
      return static_cast<unsigned char>(byte) == guardByte;
    });
  };
  return whole(pages, start) &&
         whole(start + size(), pages + pagesOf(*description));
}

bool Memory::place(const HeadraceBuffer *descriptions, int32_t count) {
  size = gap;
  for (int32_t i = 0; i < count; ++i)
    size += Buffer::pagesOf(descriptions[i]) + gap;
  void *mapped = mmap(nullptr, size, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (mapped == MAP_FAILED)
    return false;
  range = static_cast<char *>(mapped);
  size_t offset = gap;
  buffers.reserve(count);
  for (int32_t i = 0; i < count; ++i) {
    const size_t bytes = Buffer::pagesOf(descriptions[i]);
    if (bytes && mprotect(range + offset, bytes, PROT_READ | PROT_WRITE))
      return false;
    buffers.emplace_back(descriptions[i], static_cast<uint32_t>(i),
                         range + offset);
    ends.push_back(offset + bytes + gap / 2);
    offset += bytes + gap;
  }
  return true;
}

int32_t Memory::near(const void *address) {
  const size_t offset = static_cast<const char *>(address) - range;
  if (offset >= size)
    return -1;
  const auto found = std::upper_bound(ends.begin(), ends.end(), offset);
  return found == ends.end() ? -1 : static_cast<int32_t>(found - ends.begin());
}

Buffer *Memory::at(const void *address, int32_t &index) {
  index = near(address);
  if (index < 0)
    return nullptr;
  Buffer &buffer = buffers[index];
  const auto *byte = static_cast<const char *>(address);
  if (byte >= buffer.data() && byte < buffer.data() + buffer.size())
    return &buffer;
  index = -1;
  return nullptr;
}

Memory::~Memory() {
  if (range)
    munmap(range, size);
}
