// RUN: %headrace_opt %s --split-input-file --verify-diagnostics --cpu-lower-sparse

!weight = !qlinear.packed<256x3, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
func.func private @packed(%w: !weight, %x: memref<3xf32>, %list: memref<3xi32>, %count: memref<1xi32>, %y: memref<256xf32>) {
  // expected-error@+1 {{'qlinear.sparse_matvec' op expected a packed weight from qlinear.from_bytes of a memref; run cpu-form-kernels first}}
  qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, memref<3xf32>, memref<3xi32>, memref<1xi32>) outs(%y : memref<256xf32>)
  return
}

// -----

!weight = !qlinear.packed<64x3, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 32>>
func.func private @band(%b: memref<204xi8>, %x: memref<3xf32>, %list: memref<3xi32>, %count: memref<1xi32>, %y: memref<64xf32>) {
  %w = qlinear.from_bytes %b : memref<204xi8> to !weight
  // expected-error@+1 {{'qlinear.sparse_matvec' op expected a weight in zigzag bands of a multiple of 256 rows, but got #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 32>; allowed: q4_0, q8_0, q4_k, q6_k in such bands}}
  qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, memref<3xf32>, memref<3xi32>, memref<1xi32>) outs(%y : memref<64xf32>)
  return
}

// -----

!weight = !qlinear.packed<3x32, #qlinear.gguf<q8_0>>
func.func private @rows(%b: memref<102xi8>, %x: memref<32xf32>, %list: memref<3xi32>, %count: memref<1xi32>, %y: memref<3xf32>) {
  %w = qlinear.from_bytes %b : memref<102xi8> to !weight
  // expected-error@+1 {{'qlinear.sparse_matvec' op expected a weight in zigzag bands of a multiple of 256 rows, but got #qlinear.gguf<q8_0>}}
  qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, memref<32xf32>, memref<3xi32>, memref<1xi32>) outs(%y : memref<3xf32>)
  return
}

// -----

!weight = !qlinear.packed<256x1048577, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
func.func private @wide(%b: memref<285212944xi8>, %x: memref<1048577xf32>, %list: memref<3xi32>, %count: memref<1xi32>, %y: memref<256xf32>) {
  %w = qlinear.from_bytes %b : memref<285212944xi8> to !weight
  // expected-error@+1 {{'qlinear.sparse_matvec' op expected at most 1048576 columns, but got 1048577}}
  qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, memref<1048577xf32>, memref<3xi32>, memref<1xi32>) outs(%y : memref<256xf32>)
  return
}

// -----

!weight = !qlinear.packed<256x3, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
func.func private @no_kernel(%b: memref<816xi8>, %x: memref<3xf32>, %list: memref<3xi32>, %count: memref<1xi32>, %y: memref<256xf32>) {
  %w = qlinear.from_bytes %b : memref<816xi8> to !weight
  // expected-error@+1 {{'qlinear.sparse_matvec' op expected to be in a kernel}}
  qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, memref<3xf32>, memref<3xi32>, memref<1xi32>) outs(%y : memref<256xf32>)
  return
}
