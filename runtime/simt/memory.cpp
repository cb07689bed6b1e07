//===- memory.cpp - Buffers between guard pages ---------------------------===//

#include "memory.h"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

using namespace simt;

// Vectors are loaded with instructions that want 16 bytes of alignment.
static constexpr size_t alignment = 16;

bool Memory::reserve() {
  if (start)
    return true;
  void *range = mmap(nullptr, slots * slotSize, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED)
    return false;
  start = reinterpret_cast<uintptr_t>(range);
  return true;
}

Region *Memory::add(size_t size) {
  if (used == slots || size > largest)
    return nullptr;
  size_t page = sysconf(_SC_PAGESIZE);
  Region &region = regions[used];
  region = Region();
  region.size = size;
  region.mapped = (size + page - 1) / page * page;
  region.pages =
      reinterpret_cast<char *>(start + used * slotSize + slotSize / 2);
  if (region.mapped &&
      mmap(region.pages, region.mapped, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
    return nullptr;
  region.base = region.pages + (region.mapped - size) / alignment * alignment;
  memset(region.pages, poison, region.base - region.pages);
  char *end = region.base + size;
  memset(end, poison, region.pages + region.mapped - end);
  ++used;
  return &region;
}

void Memory::protect(Region &region) {
  region.writable = false;
  if (region.mapped)
    mprotect(region.pages, region.mapped, PROT_READ);
}

void Memory::fill(Region &region) { memset(region.base, poison, region.size); }

void Memory::clear() {
  for (Region &region : *this) {
    if (region.mapped)
      mmap(region.pages, region.mapped, PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    region = Region();
  }
  used = 0;
}

long Memory::firstDamage(const Region &region) {
  auto damaged = [](char byte) {
    return static_cast<unsigned char>(byte) != poison;
  };
  for (const char *byte = region.pages; byte < region.base; ++byte)
    if (damaged(*byte))
      return byte - region.base;
  const char *end = region.pages + region.mapped;
  for (const char *byte = region.base + region.size; byte < end; ++byte)
    if (damaged(*byte))
      return byte - region.base;
  return 0;
}
