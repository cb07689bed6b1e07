// RUN: %headrace_opt %s --simt-lower-products --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x32, #qlinear.gguf<q4_0>>

func.func @tensors(%x: tensor<32xf32>, %w: !w) -> tensor<4xf32> {
  %o = tensor.empty() : tensor<4xf32>
  // expected-error@+1 {{expected packed operands from qlinear.from_bytes of a memref; run simt-form-kernels first}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q4_0>>

func.func private @no_kernel(%b: memref<72xi8>, %x: memref<32xf32>, %y: memref<4xf32>) {
  %w = qlinear.from_bytes %b : memref<72xi8> to !w
  // expected-error@+1 {{expected to be in a kernel (a function with headrace.kernel, its subgroup_rows and its workgroup); run simt-form-kernels first}}
  qlinear.matvec ins(%w, %x : !w, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q4_0>>

func.func private @part_of_a_subgroup(%b: memref<72xi8>, %x: memref<32xf32>, %y: memref<4xf32>)
    attributes {headrace.kernel = {subgroup_rows = 4 : i64, workgroup = array<i32: 48, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<72xi8> to !w
  // expected-error@+1 {{expected a workgroup of whole subgroups of 32 lanes, but got 48 threads}}
  qlinear.matvec ins(%w, %x : !w, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q4_0>>

func.func private @activations(%b: memref<72xi8>, %x: memref<32xbf16>, %y: memref<4xf32>)
    attributes {headrace.kernel = {subgroup_rows = 4 : i64, workgroup = array<i32: 32, 1, 1>}} {
  %w = qlinear.from_bytes %b : memref<72xi8> to !w
  // expected-error@+1 {{has no GPU kernel for activations of 'bf16'; allowed: f32}}
  qlinear.matvec ins(%w, %x : !w, memref<32xbf16>) outs(%y : memref<4xf32>)
  return
}

// -----

!g = !qlinear.packed<4x32, #qlinear.gguf<q4_0>>
!u = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func private @two_formats(%b: memref<72xi8>, %c: memref<136xi8>, %x: memref<32xf32>, %y: memref<4xf32>)
    attributes {headrace.kernel = {subgroup_rows = 4 : i64, workgroup = array<i32: 32, 1, 1>}} {
  %g = qlinear.from_bytes %b : memref<72xi8> to !g
  %u = qlinear.from_bytes %c : memref<136xi8> to !u
  // expected-error@+1 {{expected gate and up in one format, but got #qlinear.gguf<q4_0> and #qlinear.gguf<q8_0>}}
  qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}
