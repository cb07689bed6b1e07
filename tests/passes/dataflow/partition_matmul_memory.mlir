// RUN: %headrace_opt %s --dataflow-partition-matmul="core-memory=29900" --verify-diagnostics

!w = !qlinear.packed<128x256, #qlinear.q4nx>

func.func @memory(%w: !w, %x: tensor<48x256xbf16>) -> tensor<48x128xf32> {
  %0 = tensor.empty() : tensor<48x128xf32>
  // expected-error@+1 {{'qlinear.matmul' op needs 29952 bytes of memory in a core for 16 tokens and 64 rows, but a core has 29900; fewer tokens do not fit either}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<48x256xbf16>) outs(%0 : tensor<48x128xf32>) -> tensor<48x128xf32>
  return %y : tensor<48x128xf32>
}
