// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!g = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!u = !qlinear.packed<5x64, #qlinear.gguf<q8_0>>

func.func @shapes(%g: !g, %u: !u, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{'qlinear.gated_matvec' op expected gate and up of one shape, but got 4x64 and 5x64}}
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!g = !qlinear.packed<4x64, #qlinear.act_i8>
!u = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @gate_format(%g: !g, %u: !u, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected a weight format, but got #qlinear.act_i8}}
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!g = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!u = !qlinear.packed<4x64, #qlinear.act_i8>

func.func @up_format(%g: !g, %u: !u, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected a weight format, but got #qlinear.act_i8}}
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @columns(%w: !w, %x: tensor<63xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected a size of x of 64 (the columns of the weight), but got 63}}
  %y = qlinear.gated_matvec silu ins(%w, %w, %x : !w, !w, tensor<63xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @rows(%w: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) {
  // expected-error@+1 {{expected a size of outs of 4 (the rows of the weights), but got 8}}
  %y = qlinear.gated_matvec silu ins(%w, %w, %x : !w, !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @mixed(%w: !w, %x: tensor<64xf32>, %o: memref<4xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'tensor<64xf32>' and 'memref<4xf32>'}}
  qlinear.gated_matvec silu ins(%w, %w, %x : !w, !w, tensor<64xf32>) outs(%o : memref<4xf32>)
  return
}
