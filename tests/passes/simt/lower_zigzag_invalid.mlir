// RUN: %headrace_opt %s --simt-lower-zigzag --simt-lower-matmul --split-input-file --verify-diagnostics

!w = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>

func.func @tensors(%w: !w, %x: tensor<4xf32>, %o: tensor<256xf32>) -> tensor<256xf32> {
  // expected-error@+1 {{expected a packed weight from qlinear.from_bytes of a memref; run simt-form-kernels first}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<4xf32>) outs(%o : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}

// -----

!w = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>

func.func private @no_kernel(%b: memref<1088xi8>, %x: memref<4xf32>, %y: memref<256xf32>) {
  %w = qlinear.from_bytes %b : memref<1088xi8> to !w
  // expected-error@+1 {{expected to be in a kernel (a function with headrace.kernel and its workgroup); run simt-form-kernels first}}
  qlinear.matvec ins(%w, %x : !w, memref<4xf32>) outs(%y : memref<256xf32>)
  return
}

// -----

!a = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
!b = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>

func.func private @two_formats(%g: memref<1088xi8>, %u: memref<576xi8>, %x: memref<4xf32>, %y: memref<256xf32>)
    attributes {headrace.kernel = {workgroup = array<i32: 256, 1, 1>, workgroup_rows = 256 : i64}} {
  %a = qlinear.from_bytes %g : memref<1088xi8> to !a
  %b = qlinear.from_bytes %u : memref<576xi8> to !b
  // expected-error@+1 {{expected gate and up in one format, but got #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256> and #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>}}
  qlinear.gated_matvec silu ins(%a, %b, %x : !a, !b, memref<4xf32>) outs(%y : memref<256xf32>)
  return
}

// -----

!w = !qlinear.packed<256x32, #qlinear.gguf<q8_0>>

func.func private @rows(%b: memref<8704xi8>, %x: memref<2x32xf32>, %y: memref<2x256xf32>) {
  %w = qlinear.from_bytes %b : memref<8704xi8> to !w
  // expected-error@+1 {{expected a weight in zigzag bands, but got #qlinear.gguf<q8_0>; allowed: q4_0, q8_0, q4_k, q6_k in bands}}
  qlinear.matmul ins(%w, %x : !w, memref<2x32xf32>) outs(%y : memref<2x256xf32>)
  return
}

// -----

!w = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>

func.func private @threads(%b: memref<1088xi8>, %x: memref<2x4xf32>, %y: memref<2x256xf32>)
    attributes {headrace.kernel = {workgroup = array<i32: 128, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<1088xi8> to !w
  // expected-error@+1 {{expected 8 subgroups of 32 lanes, but got 4 of 32}}
  qlinear.matmul ins(%w, %x : !w, memref<2x4xf32>) outs(%y : memref<2x256xf32>)
  return
}

// -----

!w = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q6_k>, band = 256>>

func.func private @too_few_rows(%b: memref<840xi8>, %x: memref<4xf32>, %y: memref<256xf32>)
    attributes {headrace.kernel = {workgroup = array<i32: 256, 1, 1>, workgroup_rows = 64 : i64}} {
  %w = qlinear.from_bytes %b : memref<840xi8> to !w
  // expected-error@+1 {{expected workgroups of 256 rows, or a part of that of 128 or more, and subgroups of whole teams, but got 64 rows and 32 lanes}}
  qlinear.matvec ins(%w, %x : !w, memref<4xf32>) outs(%y : memref<256xf32>)
  return
}
