// RUN: %headrace_opt %s --cpu-lower-quantize --cpu-lower-dequantize --cpu-lower-products --split-input-file --verify-diagnostics
// RUN: not %headrace_opt %s --split-input-file --cpu-lower-products=dot=sse 2>&1 | FileCheck %s
// CHECK: error: cpu-lower-products: expected dot of vnni, avx2, i8mm, dotprod, neon or portable, but got 'sse'
// RUN: not %headrace_opt %s --split-input-file --cpu-lower-products=bf16=sse 2>&1 | FileCheck %s --check-prefix=BF16
// BF16: error: cpu-lower-products: expected bf16 of avx512, neon or portable, but got 'sse'

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @weight(%w: !w, %x: memref<32xf32>, %y: memref<4xf32>) {
  // expected-error@+1 {{'qlinear.matvec' op expected packed operands from qlinear.from_bytes of a memref; run cpu-form-kernels first}}
  qlinear.matvec ins(%w, %x : !w, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @activations(%b: memref<136xi8>, %x: !qlinear.packed<1x32, #qlinear.act_i8>, %y: memref<4xf32>) {
  %w = qlinear.from_bytes %b : memref<136xi8> to !w
  // expected-error@+1 {{'qlinear.matvec' op expected packed operands from qlinear.from_bytes of a memref}}
  qlinear.matvec ins(%w, %x : !w, !qlinear.packed<1x32, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @tensors(%b: tensor<136xi8>, %x: tensor<32xf32>, %o: tensor<4xf32>) {
  %w = qlinear.from_bytes %b : tensor<136xi8> to !w
  // expected-error@+1 {{'qlinear.matvec' op expected packed operands from qlinear.from_bytes of a memref}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @not_a_kernel(%b: memref<136xi8>, %x: memref<32xf32>, %y: memref<4xf32>) {
  %w = qlinear.from_bytes %b : memref<136xi8> to !w
  // expected-error@+1 {{'qlinear.matvec' op expected to be in a kernel (a function with headrace.kernel and its workgroup_rows); run cpu-form-kernels first}}
  qlinear.matvec ins(%w, %x : !w, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

!g = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
!u = !qlinear.packed<4x32, #qlinear.q4nx, padded = 32x256>

func.func @block_heights(%a: memref<136xi8>, %b: memref<5120xi8>, %x: memref<32xf32>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %g = qlinear.from_bytes %a : memref<136xi8> to !g
  %u = qlinear.from_bytes %b : memref<5120xi8> to !u
  // expected-error@+1 {{'qlinear.gated_matvec' op expected gate and up in formats of one block height, but got #qlinear.gguf<q8_0> and #qlinear.q4nx}}
  qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}

// -----

!g = !qlinear.packed<256x32, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 256>>
!u = !qlinear.packed<256x32, #qlinear.gguf<q4_0>>

func.func @one_in_bands(%a: memref<4608xi8>, %b: memref<4608xi8>, %x: memref<32xf32>, %y: memref<256xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %g = qlinear.from_bytes %a : memref<4608xi8> to !g
  %u = qlinear.from_bytes %b : memref<4608xi8> to !u
  // expected-error@+1 {{'qlinear.gated_matvec' op expected gate and up in bands of one format, but got #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 256> and #qlinear.gguf<q4_0>}}
  qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, memref<32xf32>) outs(%y : memref<256xf32>)
  return
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @dequantize(%w: !w, %y: memref<4x32xf32>) {
  // expected-error@+1 {{'qlinear.dequantize' op expected a matrix from qlinear.from_bytes; run cpu-form-kernels first}}
  qlinear.dequantize ins(%w : !w) outs(%y : memref<4x32xf32>)
  return
}

// -----

!q = !qlinear.packed<4x32, #qlinear.act_i8>

func.func @dequantize_activations(%b: memref<160xi8>, %y: memref<4x32xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %q = qlinear.from_bytes %b : memref<160xi8> to !q
  // expected-error@+1 {{'qlinear.dequantize' op has no CPU kernel for #qlinear.act_i8}}
  qlinear.dequantize ins(%q : !q) outs(%y : memref<4x32xf32>)
  return
}

// -----

func.func @quantize(%x: memref<32xf32>, %q: !qlinear.packed<1x32, #qlinear.act_i8>) {
  // expected-error@+1 {{'qlinear.quantize' op expected an act_i8 destination from qlinear.from_bytes; run cpu-form-kernels first}}
  qlinear.quantize %x into %q : memref<32xf32>, !qlinear.packed<1x32, #qlinear.act_i8>
  return
}
