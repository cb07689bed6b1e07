//===- traffic.h - Bytes and sectors of loads and stores -------*- C++ -*-===//

#ifndef HEADRACE_SIMT_TRAFFIC_H
#define HEADRACE_SIMT_TRAFFIC_H

#include "headrace_simt.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace simt {

/// Counts what goes to and from buffers. Lanes run one after the other, a
/// device runs them together: the n-th time that each lane of a subgroup is at
/// one load, between two points where the lanes meet, is one access of them
/// all, and its sectors count once.
class Traffic {
public:
  Traffic(unsigned subgroups, HeadraceTraffic *counts);
  /// The buffer of a binding has so many bytes.
  void addBuffer(unsigned binding, size_t size);
  /// A lane goes on from a point where the lanes met.
  void enterLane() { ++segment; }
  /// False if there are more accesses than can be told apart.
  bool count(unsigned subgroup, unsigned binding, size_t offset, size_t size,
             bool writes, const void *pc);
  /// The lanes of a subgroup have met.
  void meet(unsigned subgroup);
  /// Counts the sectors of the whole launch.
  void finish();

private:
  /// One sector of one access, from the highest bit on: whether it is written
  /// (1), buffer (5), site (12), time (19), sector (27).
  using Touch = uint64_t;
  static constexpr unsigned siteBits = 12, timeBits = 19, sectorBits = 27;

  /// A load or store in the code, and how often the running lane was there.
  struct Place {
    const void *pc = nullptr;
    uint32_t site = 0;
    uint32_t times = 0;
    uint64_t segment = 0;
  };
  Place &find(const void *pc);

  std::vector<Place> places; // by a hash of pc
  uint32_t sites = 0;
  uint64_t segment = 0;
  std::vector<std::vector<Touch>> touched;         // by subgroup
  std::vector<uint8_t> seen[HEADRACE_MAX_BUFFERS]; // by sector: read, written
  HeadraceTraffic *counts;
};

} // namespace simt

#endif // HEADRACE_SIMT_TRAFFIC_H
