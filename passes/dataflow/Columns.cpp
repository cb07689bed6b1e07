//===- Columns.cpp - rows of a product for the cores of an array ----------===//

#include "passes/dataflow/Columns.h"

#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace headrace::dataflow;

SmallVector<int64_t> headrace::dataflow::shareChannels(const Array &array) {
  SmallVector<int64_t> cores;
  for (int64_t i = 0; i < array.channels; ++i)
    if (int64_t count =
            array.rows / array.channels + (i < array.rows % array.channels))
      cores.push_back(count);
  return cores;
}

SmallVector<int64_t> headrace::dataflow::makeRounds(int64_t units,
                                                    const Array &array) {
  int64_t all = divideCeil(units, array.rows);
  int64_t each = all / array.columns, more = all % array.columns;
  SmallVector<int64_t> rounds(array.columns, each);
  // Those that are left to the last columns: a channel of the first one carries
  // the activations, too. It has weights in any case.
  if (each == 0)
    rounds.truncate(all);
  for (int64_t &count : MutableArrayRef(rounds).take_back(more))
    ++count;
  return rounds;
}
