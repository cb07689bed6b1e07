// RUN: %headrace_opt %s --decompose-qlinear --split-input-file --verify-diagnostics

func.func @view(%b: memref<136xi8>) {
  // expected-error@+1 {{'qlinear.from_bytes' op decompose-qlinear: expected tensors, but got a memref; this pass runs before kernels are formed}}
  %w = qlinear.from_bytes %b : memref<136xi8> to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
  return
}

// -----

func.func @product(%w: !qlinear.packed<4x32, #qlinear.gguf<q8_0>>, %x: memref<32xf32>, %y: memref<4xf32>) {
  // expected-error@+1 {{'qlinear.matvec' op decompose-qlinear: expected tensors}}
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x32, #qlinear.gguf<q8_0>>, memref<32xf32>) outs(%y : memref<4xf32>)
  return
}
