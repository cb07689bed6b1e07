// RUN: %headrace_opt %s --simt-lower-select --split-input-file --verify-diagnostics

func.func private @no_kernel(%x: memref<32xf32>, %i: memref<32xi32>, %c: memref<1xi32>) {
  // expected-error@+1 {{expected to be in a kernel (a function with headrace.kernel and its workgroup); run simt-form-kernels first}}
  qlinear.select_columns threshold = 0.5 ins(%x : memref<32xf32>) outs(%i, %c : memref<32xi32>, memref<1xi32>)
  return
}

// -----

func.func private @part_of_a_subgroup(%x: memref<32xf32>, %i: memref<32xi32>, %c: memref<1xi32>)
    attributes {headrace.kernel = {workgroup = array<i32: 48, 1, 1>}} {
  // expected-error@+1 {{expected a workgroup of whole subgroups of 32 lanes, but got 48 threads}}
  qlinear.select_columns threshold = 0.5 ins(%x : memref<32xf32>) outs(%i, %c : memref<32xi32>, memref<1xi32>)
  return
}

// -----

func.func private @too_many(%x: memref<32xf32>, %i: memref<32xi32>, %c: memref<1xi32>)
    attributes {headrace.kernel = {workgroup = array<i32: 1056, 1, 1>}} {
  // expected-error@+1 {{expected subgroups of at most 32 lanes, and no more subgroups than lanes, but got 33 of 32}}
  qlinear.select_columns threshold = 0.5 ins(%x : memref<32xf32>) outs(%i, %c : memref<32xi32>, memref<1xi32>)
  return
}
