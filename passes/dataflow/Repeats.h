//===- Repeats.h - what is done several times in a row ----------*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_REPEATS_H
#define HEADRACE_PASSES_DATAFLOW_REPEATS_H

#include "llvm/ADT/ArrayRef.h"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace headrace::dataflow {

/// One item of a sequence, or a loop around some of them.
struct Repeat {
  /// Number of the item, or of the first one in the loop.
  size_t first;
  /// How often, and what; an item by itself has no body.
  int64_t times = 1;
  std::vector<Repeat> body;
};

/// A sequence, of which items with the same kind are alike, as loops: always
/// the one that leaves out most, then again within it and on both sides.
std::vector<Repeat> findRepeats(llvm::ArrayRef<size_t> kinds, size_t first = 0);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_REPEATS_H
