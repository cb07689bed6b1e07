// RUN: %headrace_opt %s --dataflow-partition-products=columns=2 --split-input-file | FileCheck %s

// 250 rows are 8 blocks of 32. Column 0 reads weights by one channel, for 4
// cores; column 1 by two, for 2 cores each.
// doc: matvec
!w = !qlinear.packed<250x512, #qlinear.q4nx, padded = 256x512>

// CHECK: func.func private @accumulate_q4nx_512(memref<512xbf16>, memref<16xf32>, memref<32xbf16>, memref<5120xi8>, memref<32xf32>, i32) attributes {headrace.core = {kind = "accumulate_q4nx", size = 512 : i64}}
// CHECK: func.func private @zero_32(memref<32xf32>)
// CHECK: func.func private @sum_groups_q4nx_512(memref<512xbf16>, memref<16xf32>, memref<32xbf16>)

// CHECK-LABEL: dataflow.graph @main(
// CHECK-SAME: %[[W:.*]]: memref<81920xi8> {headrace.packing = {groups = array<i64: 4, 1, 2, 1, 2, 1>, sources = [!qlinear.packed<250x512, #qlinear.q4nx, padded = 256x512>]}}
// CHECK-SAME: %[[X:.*]]: memref<512xbf16>, %[[Y:.*]]: memref<256xf32>) {
func.func @main(%w: !w, %x: tensor<512xbf16>) -> tensor<250xf32> {
  %0 = tensor.empty() : tensor<250xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<512xbf16>) outs(%0 : tensor<250xf32>) -> tensor<250xf32>
  return %y : tensor<250xf32>
}
// CHECK: %[[XS:.*]] = dataflow.stream "x" depth 1 : !dataflow.stream<memref<512xbf16>>
// CHECK: dataflow.port read %[[X]] offset 0 sizes [512] strides [1] stream %[[XS]] :
// CHECK: dataflow.broadcast %[[XS]] to

// CHECK: %[[W0:.*]] = dataflow.stream "w0" depth 2 : !dataflow.stream<memref<20480xi8>>
// CHECK: dataflow.port read %[[W]] offset 0 sizes [40960] strides [1] stream %[[W0]] :
// CHECK: dataflow.task "core0_3"

// CHECK: %[[W1:.*]] = dataflow.stream "w1" depth 2 : !dataflow.stream<memref<10240xi8>>
// CHECK: %[[Y1:.*]] = dataflow.stream "y1" depth 2 : !dataflow.stream<memref<64xf32>>
// CHECK: dataflow.port read %[[W]] offset 40960 sizes [20480] strides [1] stream %[[W1]] :
// CHECK: dataflow.port write %[[Y]] offset 128 sizes [64] strides [1] stream %[[Y1]] :
// CHECK: %[[W1_0:.*]] = dataflow.stream "w1_0" depth 2 : !dataflow.stream<memref<5120xi8>>
// CHECK: %[[Y1_0:.*]] = dataflow.stream "y1_0" depth 1 : !dataflow.stream<memref<32xf32>>
// CHECK: dataflow.distribute %[[W1]] to %[[W1_0]], %{{.*}} :
// CHECK: dataflow.join %[[Y1_0]], %{{.*}} to %[[Y1]] :
// CHECK: dataflow.task "core1_0" {
// CHECK: %[[BIAS:.*]] = memref.alloca() : memref<16xf32>
// CHECK: %[[PARTS:.*]] = memref.alloca() : memref<32xbf16>
// CHECK: dataflow.pop %{{.*}} as %[[XE:.*]]: memref<512xbf16> {
// CHECK: call @sum_groups_q4nx_512(%[[XE]], %[[BIAS]], %[[PARTS]])
// CHECK: %[[ROUNDS:.*]] = arith.constant 1 : index
// CHECK: scf.for %{{.*}} = %c0 to %[[ROUNDS]] step %c1 {
// CHECK: dataflow.push %[[Y1_0]] as %[[YE:.*]]: memref<32xf32> {
// CHECK: call @zero_32(%[[YE]])
// CHECK: %[[BLOCKS:.*]] = arith.constant 2 : index
// CHECK: scf.for %[[AT:.*]] = %c0 to %[[BLOCKS]] step %c1 {
// CHECK: dataflow.pop %[[W1_0]] as %[[WE:.*]]: memref<5120xi8> {
// CHECK: %[[NUMBER:.*]] = arith.index_cast %[[AT]] : index to i32
// CHECK: call @accumulate_q4nx_512(%[[XE]], %[[BIAS]], %[[PARTS]], %[[WE]], %[[YE]], %[[NUMBER]])
// doc: end
// CHECK: dataflow.task "core2_1"
// CHECK-NOT: dataflow.task

// -----

// Both matrices come by one stream; the product of up is where results leave.
// Columns and rows are padded: 1152 columns are 5 blocks, 1 row is one.
!w = !qlinear.packed<1x1152, #qlinear.gguf<q4_0>>

// CHECK-LABEL: dataflow.graph @gated(
// CHECK-SAME: memref<102400xi8> {headrace.packing = {groups = array<i64: 2, 1>, sources = [!qlinear.packed<1x1152, #qlinear.gguf<q4_0>>, !qlinear.packed<1x1152, #qlinear.gguf<q4_0>>]}}
// CHECK-SAME: memref<1280xbf16>
// CHECK-SAME: memref<64xf32>
// CHECK: dataflow.task "core0_0"
// CHECK: %[[GATE:.*]] = memref.alloca() : memref<32xf32>
// CHECK: dataflow.push %{{.*}} as %[[YE:.*]]: memref<32xf32> {
// CHECK: call @zero_32(%[[GATE]])
// CHECK: call @accumulate_q4_0_1280({{.*}}, %[[GATE]], %{{.*}})
// CHECK: call @zero_32(%[[YE]])
// CHECK: call @accumulate_q4_0_1280({{.*}}, %[[YE]], %{{.*}})
// CHECK: call @gate_gelu_tanh_32(%[[GATE]], %[[YE]])
func.func @gated(%g: !w, %u: !w, %x: tensor<1152xbf16>) -> tensor<1xf32> {
  %0 = tensor.empty() : tensor<1xf32>
  %y = qlinear.gated_matvec gelu_tanh ins(%g, %u, %x : !w, !w, tensor<1152xbf16>) outs(%0 : tensor<1xf32>) -> tensor<1xf32>
  return %y : tensor<1xf32>
}

// -----

// What is no product stays.
// CHECK-LABEL: func.func @other(
func.func @other(%x: tensor<512xf32>) -> tensor<512xf32> {
  return %x : tensor<512xf32>
}
