// RUN: %headrace_opt %s --dataflow-partition-products --split-input-file --verify-diagnostics

!w = !qlinear.packed<64x256, #qlinear.gguf<q6_k>>

func.func @format(%w: !w, %x: tensor<256xbf16>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{'qlinear.matvec' op expected a format that cores multiply with, but got q6_k; allowed: q4nx, q4_0, q4_k}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// -----

!g = !qlinear.packed<64x256, #qlinear.gguf<q4_k>>
!u = !qlinear.packed<64x256, #qlinear.gguf<q4_0>>

func.func @formats(%g: !g, %u: !u, %x: tensor<256xbf16>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{'qlinear.gated_matvec' op expected gate and up in one format, but got q4_k and q4_0}}
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !g, !u, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// -----

!w = !qlinear.packed<64x256, #qlinear.q4nx>

func.func @activations(%w: !w, %x: tensor<256xf32>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{'qlinear.matvec' op expected activations as a tensor of bf16, but got 'tensor<256xf32>'}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xf32>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// -----

!w = !qlinear.packed<64x256, #qlinear.q4nx>

func.func @two(%w: !w, %x: tensor<256xbf16>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  // expected-error@+1 {{expected a function that is one product of its arguments, but got more in @two; form kernels first}}
  %z = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%y : tensor<64xf32>) -> tensor<64xf32>
  return %z : tensor<64xf32>
}

// -----

!w = !qlinear.packed<64x28672, #qlinear.q4nx>

func.func @columns(%w: !w, %x: tensor<28672xbf16>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{'qlinear.matvec' op needs 78208 bytes of memory in a core for 28672 columns, but a core has 65536; nearest that fits: 23040 columns}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<28672xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}
