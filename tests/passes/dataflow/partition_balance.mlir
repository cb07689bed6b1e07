// RUN: %headrace_opt %s --dataflow-partition-products --split-input-file | FileCheck %s
// RUN: %headrace_opt %s --dataflow-partition-products=columns=4 --split-input-file | FileCheck %s --check-prefix=FOUR

// 640 units of rows on 32 cores, or on 16: all channels carry the same.
!w = !qlinear.packed<10240x2560, #qlinear.gguf<q4_k>>

// CHECK: dataflow.graph @even(%{{.*}}: memref<15564800xi8> {{.*}}channels = array<i64: 2, 2>, {{.*}}rounds = array<i64: 20, 20, 20, 20, 20, 20, 20, 20>
// CHECK-COUNT-16: dataflow.distribute
// CHECK-NOT: dataflow.distribute
// CHECK-COUNT-32: dataflow.task
// CHECK-NOT: dataflow.task

// FOUR: rounds = array<i64: 40, 40, 40, 40>
// FOUR-COUNT-16: dataflow.task
// FOUR-NOT: dataflow.task
func.func @even(%w: !w, %x: tensor<2560xbf16>) -> tensor<10240xf32> {
  %0 = tensor.empty() : tensor<10240xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<2560xbf16>) outs(%0 : tensor<10240xf32>) -> tensor<10240xf32>
  return %y : tensor<10240xf32>
}

// -----

// 74 units are 19 rounds of 4 cores, with two of padding behind the last. What is
// left goes to the last columns: the first one carries the activations.
!w = !qlinear.packed<1184x256, #qlinear.q4nx>

// CHECK: results = array<i64: 2, 0, 4864>, rounds = array<i64: 2, 2, 2, 2, 2, 3, 3, 3>
// CHECK-SAME: memref<1216xf32>) {
// FOUR: rounds = array<i64: 4, 5, 5, 5>
func.func @odd(%w: !w, %x: tensor<256xbf16>) -> tensor<1184xf32> {
  %0 = tensor.empty() : tensor<1184xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<1184xf32>) -> tensor<1184xf32>
  return %y : tensor<1184xf32>
}
