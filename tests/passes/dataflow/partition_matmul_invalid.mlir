// RUN: %headrace_opt %s --dataflow-partition-matmul="columns=2 rows=4 channels=1" --split-input-file --verify-diagnostics

!w = !qlinear.packed<64x256, #qlinear.gguf<q6_k>>

func.func @format(%w: !w, %x: tensor<4x256xbf16>) -> tensor<4x64xf32> {
  %0 = tensor.empty() : tensor<4x64xf32>
  // expected-error@+1 {{'qlinear.matmul' op expected a format that cores multiply with, but got q6_k; allowed: q4nx, q4_0, q4_k}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<4x256xbf16>) outs(%0 : tensor<4x64xf32>) -> tensor<4x64xf32>
  return %y : tensor<4x64xf32>
}

// -----

!w = !qlinear.packed<64x256, #qlinear.q4nx>

func.func @activations(%w: !w, %x: tensor<4x256xf32>) -> tensor<4x64xf32> {
  %0 = tensor.empty() : tensor<4x64xf32>
  // expected-error@+1 {{'qlinear.matmul' op expected activations as a tensor of bf16, but got 'tensor<4x256xf32>'}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<4x256xf32>) outs(%0 : tensor<4x64xf32>) -> tensor<4x64xf32>
  return %y : tensor<4x64xf32>
}

// -----

!w = !qlinear.packed<64x64, #qlinear.gguf<q4_0>>

func.func @two(%w: !w, %x: tensor<64x64xbf16>) -> tensor<64x64xf32> {
  %0 = tensor.empty() : tensor<64x64xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<64x64xbf16>) outs(%0 : tensor<64x64xf32>) -> tensor<64x64xf32>
  // expected-error@+1 {{expected a function that is one product of its arguments, but got more in @two; form kernels first}}
  %z = qlinear.matmul ins(%w, %x : !w, tensor<64x64xbf16>) outs(%y : tensor<64x64xf32>) -> tensor<64x64xf32>
  return %z : tensor<64x64xf32>
}

// -----

// Two columns of weights and three rows of tokens.
!w = !qlinear.packed<128x256, #qlinear.gguf<q4_k>>

func.func @channels(%w: !w, %x: tensor<48x256xbf16>) -> tensor<48x128xf32> {
  %0 = tensor.empty() : tensor<48x128xf32>
  // expected-error@+1 {{'qlinear.matmul' op needs 5 channels that read memory, for 2 columns of weights and 3 rows of tokens, but the array has 2}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<48x256xbf16>) outs(%0 : tensor<48x128xf32>) -> tensor<48x128xf32>
  return %y : tensor<48x128xf32>
}

// -----

!w = !qlinear.packed<1048640x256, #qlinear.q4nx>

func.func @results(%w: !w, %x: tensor<16x256xbf16>) -> tensor<16x1048640xf32> {
  %0 = tensor.empty() : tensor<16x1048640xf32>
  // expected-error@+1 {{'qlinear.matmul' op needs a stride of 1048704 results from one token to the next for 1048640 rows, but transfers have at most 1048576; nearest that fits: 1048576 rows}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<16x256xbf16>) outs(%0 : tensor<16x1048640xf32>) -> tensor<16x1048640xf32>
  return %y : tensor<16x1048640xf32>
}

// -----

!w = !qlinear.packed<1048576x8192, #qlinear.q4nx>

func.func @weights(%w: !w, %x: tensor<16x8192xbf16>) -> tensor<16x1048576xf32> {
  %0 = tensor.empty() : tensor<16x1048576xf32>
  // expected-error@+1 {{'qlinear.matmul' op needs 5368709120 bytes of packed weights for 1048576 rows, but transfers reach 2147483647; nearest that fits: 419328 rows}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<16x8192xbf16>) outs(%0 : tensor<16x1048576xf32>) -> tensor<16x1048576xf32>
  return %y : tensor<16x1048576xf32>
}

// -----

!w = !qlinear.packed<64x268435456, #qlinear.q4nx>

func.func @long_rows(%w: !w, %x: tensor<16x268435456xbf16>) -> tensor<16x64xf32> {
  %0 = tensor.empty() : tensor<16x64xf32>
  // expected-error@+1 {{for 64 rows, but transfers reach 2147483647; no number of rows fits}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<16x268435456xbf16>) outs(%0 : tensor<16x64xf32>) -> tensor<16x64xf32>
  return %y : tensor<16x64xf32>
}
