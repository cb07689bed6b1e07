// RUN: not %headrace_opt %s --cpu-lower-sparse=lookup=sse 2>&1 | FileCheck %s
// RUN: not %headrace_opt %s --cpu-lower-sparse=dot=sse 2>&1 | FileCheck %s --check-prefix=DOT

// CHECK: error: cpu-lower-sparse: expected lookup of avx512, avx2, neon or portable, but got 'sse'
// DOT: error: cpu-lower-sparse: expected dot of vnni, avx2, i8mm, dotprod, neon or portable, but got 'sse'
func.func private @nothing()
