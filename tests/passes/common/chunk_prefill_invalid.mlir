// RUN: not %headrace_opt %s --chunk-prefill=queries=-4 2>&1 | FileCheck %s --check-prefix=QUERIES
// RUN: not %headrace_opt %s --chunk-prefill=keys=-1 2>&1 | FileCheck %s --check-prefix=KEYS

// QUERIES: error: chunk-prefill: expected queries and keys of at least 0 (all), but got -4 and 0
// KEYS: error: chunk-prefill: expected queries and keys of at least 0 (all), but got 0 and -1
module {}
