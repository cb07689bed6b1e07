//===- Columns.h - rows of a product for the cores of an array --*- C++ -*-===//

#ifndef HEADRACE_PASSES_DATAFLOW_COLUMNS_H
#define HEADRACE_PASSES_DATAFLOW_COLUMNS_H

#include "llvm/ADT/SmallVector.h"

#include <cstdint>

namespace headrace::dataflow {

/// An array of cores, as far as products must know it.
struct Array {
  int64_t columns, rows, channels;
};

/// Cores that get their weights by each channel of a column.
llvm::SmallVector<int64_t> shareChannels(const Array &array);

/// How many units each core of each column has, so that all cores together have
/// `units`, or a few more. Columns behind the last one with any are left out.
llvm::SmallVector<int64_t> makeRounds(int64_t units, const Array &array);

} // namespace headrace::dataflow

#endif // HEADRACE_PASSES_DATAFLOW_COLUMNS_H
