// RUN: not %headrace_opt %s --cpu-lower-sparse=lookup=sse 2>&1 | FileCheck %s

// CHECK: error: cpu-lower-sparse: expected lookup of avx512, avx2, neon or portable, but got 'sse'
func.func private @nothing()
