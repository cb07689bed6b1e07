// RUN: %headrace_opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(cpu-lower-assign,cpu-lower-lookup)"
// RUN: echo "module {}" | not %headrace_opt --cpu-lower-lookup=lookup=sse 2>&1 | FileCheck %s

// CHECK: cpu-lower-lookup: expected lookup of avx512, avx2, neon or portable, but got 'sse'

!codebook = !qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4>>
func.func private @assign(%w: !codebook, %x: memref<2xf32>, %a: memref<1xi32>) {
  // expected-error@+1 {{'qlinear.assign_centroids' op expected a matrix from qlinear.from_bytes of a memref; run cpu-form-kernels first}}
  qlinear.assign_centroids ins(%w, %x : !codebook, memref<2xf32>) outs(%a : memref<1xi32>)
  return
}

// -----

!codebook = !qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4>>
func.func private @lookup(%w: !codebook, %a: memref<1xi32>, %y: memref<8xf32>) {
  // expected-error@+1 {{'qlinear.lut_matvec' op expected a matrix from qlinear.from_bytes of a memref; run cpu-form-kernels first}}
  qlinear.lut_matvec ins(%w, %a : !codebook, memref<1xi32>) outs(%y : memref<8xf32>)
  return
}

// -----

!codebook = !qlinear.packed<8x2, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4>>
func.func private @outside(%bytes: memref<236xi8>, %a: memref<1xi32>, %y: memref<8xf32>) {
  %w = qlinear.from_bytes %bytes : memref<236xi8> to !codebook
  // expected-error@+1 {{'qlinear.lut_matvec' op expected to be in a kernel (a function with headrace.kernel and its workgroup_rows); run cpu-form-kernels first}}
  qlinear.lut_matvec ins(%w, %a : !codebook, memref<1xi32>) outs(%y : memref<8xf32>)
  return
}
