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

func.func @chained(%w: !w, %x: tensor<256xbf16>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{expected a function that is products of its arguments and returns their results in order, but got more in @chained; form kernels first}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  %z = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%y : tensor<64xf32>) -> tensor<64xf32>
  return %z : tensor<64xf32>
}

// -----

!w = !qlinear.packed<64x256, #qlinear.q4nx>

func.func @swapped(%w: !w, %x: tensor<256xbf16>) -> (tensor<64xf32>, tensor<64xf32>) {
  %0 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{returns their results in order, but got more in @swapped}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  %z = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %z, %y : tensor<64xf32>, tensor<64xf32>
}

// -----

!w = !qlinear.packed<64x256, #qlinear.q4nx>
!v = !qlinear.packed<64x256, #qlinear.gguf<q4_k>>

func.func @mixed(%w: !w, %v: !v, %x: tensor<256xbf16>) -> (tensor<64xf32>, tensor<64xf32>) {
  %0 = tensor.empty() : tensor<64xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  // expected-error@+1 {{expected all products of a function in one format, but got q4nx and q4_k}}
  %z = qlinear.matvec ins(%v, %x : !v, tensor<256xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %y, %z : tensor<64xf32>, tensor<64xf32>
}

// -----

!w = !qlinear.packed<64x256, #qlinear.q4nx>

func.func @more(%w: !w, %x: tensor<256xbf16>) -> tensor<128xf32> {
  %0 = tensor.empty() : tensor<128xf32>
  %1 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{expected a function that is one product of its arguments, but got more in @more; form kernels first}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%1 : tensor<64xf32>) -> tensor<64xf32>
  %z = tensor.insert_slice %y into %0[0] [64] [1] : tensor<64xf32> into tensor<128xf32>
  return %z : tensor<128xf32>
}

// -----

!w = !qlinear.packed<64x28672, #qlinear.q4nx>

func.func @columns(%w: !w, %x: tensor<28672xbf16>) -> tensor<64xf32> {
  %0 = tensor.empty() : tensor<64xf32>
  // expected-error@+1 {{'qlinear.matvec' op needs 75328 bytes of memory in a core for 28672 columns, but a core has 65536; nearest that fits: 24320 columns}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<28672xbf16>) outs(%0 : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// -----

// Too large both ways: the columns that fit, and the rows that do with them.

!w = !qlinear.packed<4194304x28672, #qlinear.q4nx>

func.func @columns_and_rows(%w: !w, %x: tensor<28672xbf16>) -> tensor<4194304xf32> {
  %0 = tensor.empty() : tensor<4194304xf32>
  // expected-error@+1 {{but a core has 65536; nearest that fits: 24320 columns and 141248 rows}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<28672xbf16>) outs(%0 : tensor<4194304xf32>) -> tensor<4194304xf32>
  return %y : tensor<4194304xf32>
}

// -----

!w = !qlinear.packed<4194304x2560, #qlinear.gguf<q4_k>>

func.func @rows(%w: !w, %x: tensor<2560xbf16>) -> tensor<4194304xf32> {
  %0 = tensor.empty() : tensor<4194304xf32>
  // expected-error@+1 {{'qlinear.matvec' op needs 6375342080 bytes of packed weights for 4194304 rows, but transfers reach 2147483647; nearest that fits: 1412800 rows}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<2560xbf16>) outs(%0 : tensor<4194304xf32>) -> tensor<4194304xf32>
  return %y : tensor<4194304xf32>
}
