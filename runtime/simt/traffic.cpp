//===- traffic.cpp - Bytes and sectors of loads and stores ----------------===//

#include "traffic.h"

#include "memory.h"

#include <algorithm>

using namespace simt;

static constexpr unsigned sectorShift = 6; // 64 bytes
static constexpr uint8_t seenRead = 1, seenWritten = 2;
static_assert(Memory::largest >> sectorShift <= size_t(1) << 27);

Traffic::Traffic(unsigned subgroups, HeadraceTraffic *counts)
    : places(size_t(2) << siteBits), touched(subgroups), counts(counts) {}

void Traffic::addBuffer(unsigned binding, size_t size) {
  seen[binding].resize((size >> sectorShift) + 1);
}

Traffic::Place &Traffic::find(const void *pc) {
  uint64_t hash = reinterpret_cast<uintptr_t>(pc) * 0x9e3779b97f4a7c15;
  for (size_t slot = hash >> (63 - siteBits);; ++slot) {
    Place &place = places[slot % places.size()];
    if (place.pc == pc)
      return place;
    if (!place.pc) {
      place.pc = pc;
      place.site = sites++;
      return place;
    }
  }
}

bool Traffic::count(unsigned subgroup, unsigned binding, size_t offset,
                    size_t size, bool writes, const void *pc) {
  HeadraceTraffic &total = counts[binding];
  (writes ? total.stores : total.loads) += 1;
  (writes ? total.stored : total.loaded) += size;
  Place &place = find(pc);
  if (place.segment != segment) {
    place.segment = segment;
    place.times = 0;
  }
  if (sites >> siteBits || place.times >> timeBits)
    return false;
  Touch access = Touch(writes) << 5 | binding;
  access = access << siteBits | place.site;
  access = access << timeBits | place.times++;
  size_t last = (offset + size - 1) >> sectorShift;
  for (size_t sector = offset >> sectorShift; sector <= last; ++sector) {
    seen[binding][sector] |= writes ? seenWritten : seenRead;
    std::vector<Touch> &list = touched[subgroup];
    Touch touch = access << sectorBits | sector;
    if (list.empty() || list.back() != touch)
      list.push_back(touch);
  }
  return true;
}

void Traffic::meet(unsigned subgroup) {
  std::vector<Touch> &list = touched[subgroup];
  std::sort(list.begin(), list.end());
  Touch previous = ~Touch(0);
  for (Touch touch : list) {
    if (touch == previous)
      continue;
    bool writes = touch >> 63;
    HeadraceTraffic &total = counts[touch >> 58 & 31];
    (writes ? total.stored64 : total.loaded64) += 1;
    if (touch >> 1 != previous >> 1)
      (writes ? total.stored128 : total.loaded128) += 1;
    previous = touch;
  }
  list.clear();
}

void Traffic::finish() {
  for (unsigned subgroup = 0; subgroup < touched.size(); ++subgroup)
    meet(subgroup);
  for (unsigned binding = 0; binding < HEADRACE_MAX_BUFFERS; ++binding) {
    HeadraceTraffic &total = counts[binding];
    const std::vector<uint8_t> &sectors = seen[binding];
    for (size_t sector = 0; sector < sectors.size(); ++sector) {
      uint8_t one = sectors[sector];
      total.distinctLoaded64 += (one & seenRead) != 0;
      total.distinctStored64 += (one & seenWritten) != 0;
      if (sector % 2)
        continue;
      uint8_t two =
          one | (sector + 1 < sectors.size() ? sectors[sector + 1] : 0);
      total.distinctLoaded128 += (two & seenRead) != 0;
      total.distinctStored128 += (two & seenWritten) != 0;
    }
  }
}
