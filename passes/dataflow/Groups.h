//===- Groups.h - rows of a product for the cores of an array ---*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_GROUPS_H
#define HEADRACE_PASSES_DATAFLOW_GROUPS_H

#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace headrace::dataflow {

/// An array of cores, as far as products must know it.
struct Array {
  int64_t columns, rows, channels;
};

/// Cores that share a channel from memory, and how many blocks of rows each of
/// them gets.
struct Group {
  int64_t cores, rounds;

  int64_t blocks() const { return cores * rounds; }
};

/// Groups that have `blocks` blocks of rows together, or a few more, and whose
/// channels carry nearly the same. The array's first channel is left out. Empty
/// if the array has no other channel.
llvm::SmallVector<Group> makeGroups(int64_t blocks, const Array &array);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_GROUPS_H
