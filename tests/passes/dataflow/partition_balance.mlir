// RUN: %headrace_opt %s --dataflow-partition-products --split-input-file | FileCheck %s
// RUN: %headrace_opt %s --dataflow-partition-products=columns=4 --split-input-file | FileCheck %s --check-prefix=FOUR

// 320 blocks of rows by 15 channels, which carry 20 to 22 blocks each; 32 cores.
!w = !qlinear.packed<10240x2560, #qlinear.gguf<q4_k>>

// CHECK: dataflow.graph @even(%{{.*}}: memref<15564800xi8> {headrace.packing = {groups = array<i64: 4, 5, 2, 11, 2, 11, 2, 11, 2, 11, 2, 11, 2, 11, 2, 11, 2, 11, 2, 11, 2, 11, 2, 10, 2, 10, 2, 10, 2, 10>
// CHECK: dataflow.task "core14_1"
// CHECK-NOT: dataflow.task

// By 7 channels: 44 to 46 each; 16 cores.
// FOUR: groups = array<i64: 4, 11, 2, 23, 2, 23, 2, 23, 2, 23, 2, 23, 2, 23>
// FOUR: dataflow.task "core6_1"
// FOUR-NOT: dataflow.task
func.func @even(%w: !w, %x: tensor<2560xbf16>) -> tensor<10240xf32> {
  %0 = tensor.empty() : tensor<10240xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<2560xbf16>) outs(%0 : tensor<10240xf32>) -> tensor<10240xf32>
  return %y : tensor<10240xf32>
}

// -----

// An odd number of blocks, 37: one of padding behind the last.
!w = !qlinear.packed<1184x256, #qlinear.q4nx>

// CHECK: memref<1216xf32>) {
// FOUR: groups = array<i64: 4, 1, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 2>
func.func @odd(%w: !w, %x: tensor<256xbf16>) -> tensor<1184xf32> {
  %0 = tensor.empty() : tensor<1184xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<1184xf32>) -> tensor<1184xf32>
  return %y : tensor<1184xf32>
}
