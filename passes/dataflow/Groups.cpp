//===- Groups.cpp - rows of a product for the cores of an array -----------===//

#include "passes/dataflow/Groups.h"

#include "llvm/ADT/STLExtras.h"

using namespace llvm;
using namespace headrace::dataflow;

SmallVector<Group> headrace::dataflow::makeGroups(int64_t blocks,
                                                  const Array &array) {
  SmallVector<Group> groups;
  int64_t allCores = 0;
  for (int64_t column = 0; column < array.columns; ++column) {
    // Of the first column, one channel carries the activations.
    int64_t channels = array.channels - (column == 0);
    for (int64_t i = 0; i < channels; ++i) {
      int64_t cores = array.rows / channels + (i < array.rows % channels);
      if (cores)
        groups.push_back({cores, 0});
      allCores += cores;
    }
  }
  if (groups.empty())
    return groups;

  // As many blocks to each channel: from where they would suffice if rounds
  // could be divided, to where they suffice. Then what is too much goes away.
  int64_t excess = -1;
  for (int64_t load = blocks / allCores; excess < 0; ++load) {
    excess = -blocks;
    for (Group &group : groups) {
      group.rounds = load / group.cores;
      excess += group.blocks();
    }
  }
  while (true) {
    // From the channel that carries most; of equals, from the last one.
    Group *most = nullptr;
    for (Group &group : reverse(groups))
      if (group.rounds && group.cores <= excess &&
          (!most || group.blocks() > most->blocks()))
        most = &group;
    if (!most)
      break;
    --most->rounds;
    excess -= most->cores;
  }
  erase_if(groups, [](const Group &group) { return group.rounds == 0; });
  return groups;
}
