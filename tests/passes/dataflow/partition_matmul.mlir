// RUN: %headrace_opt %s --dataflow-partition-matmul="columns=2 rows=2" --split-input-file | FileCheck %s
// RUN: %headrace_opt %s --dataflow-partition-matmul="columns=4 multiply-tokens=4 multiply-rows=4" --split-input-file | FileCheck %s --check-prefix=NPU1
// RUN: %headrace_opt %s --dataflow-partition-matmul="core-memory=38912" --split-input-file | FileCheck %s --check-prefix=SMALL

// 200 rows are 4 tiles of 64: each of two columns has two rounds. 150 tokens are
// two rounds of two cores with 48; 320 columns are padded to four pieces of 128.
// doc: matmul
!w = !qlinear.packed<200x320, #qlinear.q4nx, padded = 224x512>

// CHECK: func.func private @multiply_8x8x8_64(memref<3072xbf16>, memref<4096xbf16>, memref<3072xf32>) attributes {headrace.core = {kind = "multiply_8x8x8", size = 64 : i64}}
// CHECK: func.func private @dequantize_q4nx_8x8x8_64(memref<5120xi8>, memref<4096xbf16>, i32) attributes {headrace.core = {kind = "dequantize_q4nx_8x8x8", size = 64 : i64}}
// CHECK: func.func private @zero_3072(memref<3072xf32>)

// CHECK-LABEL: dataflow.graph @main(
// CHECK-SAME: %[[W:.*]]: memref<81920xi8> {headrace.packing = {products = [{activations = array<i64: 1, 0, 196608>, columns = 128 : i64, groups = array<i64: 2, 2, 2, 2>, results = array<i64: 2, 0, 196608>, sources = [!qlinear.packed<200x320, #qlinear.q4nx, padded = 224x512>], weights = array<i64: 0, 0, 81920>}]}}
// CHECK-SAME: %[[X:.*]]: memref<192x512xbf16>, %[[Y:.*]]: memref<192x256xf32>) {
func.func @main(%w: !w, %x: tensor<150x320xbf16>) -> tensor<150x200xf32> {
  %0 = tensor.empty() : tensor<150x200xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<150x320xbf16>) outs(%0 : tensor<150x200xf32>) -> tensor<150x200xf32>
  return %y : tensor<150x200xf32>
}
// CHECK: %[[X0:.*]] = dataflow.stream "x0" depth 4 : !dataflow.stream<memref<3072xbf16>>
// CHECK: %[[X0_0:.*]] = dataflow.stream "x0_0" depth 2 : !dataflow.stream<memref<3072xbf16>>
// CHECK: dataflow.broadcast %[[X0]] to %[[X0_0]], %{{.*}} order sizes [6, 8, 8, 8] strides [512, 8, 64, 1] at [0, 1] :
// CHECK: %[[X1:.*]] = dataflow.stream "x1"
// CHECK: dataflow.broadcast %[[X1]] to %{{.*}}, %{{.*}} order {{.*}} at [1, 1] :
// CHECK: %[[W0:.*]] = dataflow.stream "w0" depth 4 : !dataflow.stream<memref<5120xi8>>
// CHECK: %[[W0_0:.*]] = dataflow.stream "w0_0" depth 2 : !dataflow.stream<memref<5120xi8>>
// CHECK: %[[Y0_0:.*]] = dataflow.stream "y0_0" depth 1 : !dataflow.stream<memref<3072xf32>>
// CHECK: %[[Y0:.*]] = dataflow.stream "y0" depth 2 : !dataflow.stream<memref<6144xf32>>
// CHECK: dataflow.broadcast %[[W0]] to %[[W0_0]], %{{.*}} at [0, 1] :
// CHECK: dataflow.join %[[Y0_0]], %{{.*}} to %[[Y0]] order sizes [6, 8, 8, 8] strides [512, 8, 64, 1] at [0, 1] :
// CHECK: %[[Y1:.*]] = dataflow.stream "y1" depth 2

// The first round of tokens: all weights, and the tokens for each round of rows.
// CHECK: dataflow.port read %[[X]] offset 0 sizes [8, 48, 64] strides [64, 512, 1] repeat 2 stream %[[X0]] at [0, 0] : memref
// CHECK: dataflow.port read %[[X]] offset 24576 sizes [8, 48, 64] strides [64, 512, 1] repeat 2 stream %[[X1]] at [1, 0] : memref
// CHECK: dataflow.port read %[[W]] offset 0 sizes [40960] strides [1] stream %[[W0]] at [0, 0] : memref
// CHECK: dataflow.port read %[[W]] offset 40960 sizes [40960] strides [1] stream %{{.*}} at [1, 0] : memref
// CHECK: dataflow.port write %[[Y]] offset 0 sizes [2, 96, 64] strides [64, 256, 1] stream %[[Y0]] at [0, 0] : memref
// CHECK: dataflow.port write %[[Y]] offset 128 sizes [2, 96, 64] strides [64, 256, 1] stream %[[Y1]] at [1, 0] : memref
// The second one.
// CHECK: dataflow.port read %[[X]] offset 49152 sizes [8, 48, 64] strides [64, 512, 1] repeat 2 stream %[[X0]] at [0, 0] step 1 :
// CHECK: dataflow.port read %[[W]] offset 0 sizes [40960] strides [1] stream %[[W0]] at [0, 0] step 1 :
// CHECK: dataflow.port write %[[Y]] offset 24576 sizes [2, 96, 64] strides [64, 256, 1] stream %[[Y0]] at [0, 0] step 1 :

// CHECK: dataflow.task "core0_0" at [0, 2] {
// CHECK: %[[WEIGHTS:.*]] = memref.alloca() : memref<4096xbf16>
// CHECK: %[[ROUNDS:.*]] = arith.constant 4 : index
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[ROUNDS]]
// CHECK: dataflow.push %[[Y0_0]] as %[[SUMS:.*]]: memref<3072xf32> {
// CHECK: call @zero_3072(%[[SUMS]])
// CHECK: %[[PIECES:.*]] = arith.constant 4 : index
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[PIECES]]
// CHECK: dataflow.pop %[[W0_0]] as %[[PACKED:.*]]: memref<5120xi8> {
// CHECK: %[[PARTS:.*]] = arith.constant 2 : index
// CHECK: scf.for %[[PART:.*]] = %{{.*}} to %[[PARTS]]
// CHECK: %[[AT:.*]] = arith.index_cast %[[PART]] : index to i32
// CHECK: call @dequantize_q4nx_8x8x8_64(%[[PACKED]], %[[WEIGHTS]], %[[AT]])
// CHECK: dataflow.pop %[[X0_0]] as %[[TOKENS:.*]]: memref<3072xbf16> {
// CHECK: call @multiply_8x8x8_64(%[[TOKENS]], %[[WEIGHTS]], %[[SUMS]])
// doc: end
// CHECK: dataflow.task "core0_1" at [0, 3] {
// CHECK: dataflow.task "core1_0" at [1, 2] {
// CHECK: dataflow.task "core1_1" at [1, 3] {
// CHECK-NOT: dataflow.task

// Tiles that cores multiply are others there. All 4 columns, one round: 4 rows
// with 48 tokens each.
// NPU1-LABEL: dataflow.graph @main(
// NPU1-SAME: groups = array<i64: 2, 1, 2, 1, 2, 1, 2, 1>
// NPU1-SAME: memref<192x512xbf16>, %{{.*}}: memref<192x256xf32>
// NPU1: dataflow.broadcast {{.*}} order sizes [12, 8, 4, 8] strides [256, 8, 64, 1] at [0, 1] :
// NPU1: dataflow.join {{.*}} order sizes [12, 16, 4, 4] strides [256, 4, 64, 1] at [0, 1] :
// NPU1: call @dequantize_q4nx_4x8x4_64(
// NPU1: call @multiply_4x8x4_64(

// With less memory a core has 32 tokens: two rounds of 3 cores.
// SMALL-LABEL: dataflow.graph @main(
// SMALL-SAME: memref<192x512xbf16>
// SMALL: dataflow.stream "x2" depth 4 : !dataflow.stream<memref<2048xbf16>>
// SMALL-NOT: dataflow.stream "x3"

// -----

// One token: one core with 16.
!w = !qlinear.packed<10x160, #qlinear.gguf<q4_0>>

// CHECK-LABEL: dataflow.graph @one(
// CHECK-SAME: memref<10240xi8> {headrace.packing = {products = [{activations = array<i64: 1, 0, 8192>, columns = 128 : i64, groups = array<i64: 2, 1>,
// CHECK-SAME: memref<16x256xbf16>, %{{.*}}: memref<16x64xf32>
// CHECK: dataflow.task "core0_0"
// CHECK: call @dequantize_q4_0_8x8x8_64(
// CHECK-NOT: dataflow.task
func.func @one(%w: !w, %x: tensor<1x160xbf16>) -> tensor<1x10xf32> {
  %0 = tensor.empty() : tensor<1x10xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<1x160xbf16>) outs(%0 : tensor<1x10xf32>) -> tensor<1x10xf32>
  return %y : tensor<1x10xf32>
}

// -----

// Tokens are sent 256 times at most by one port: 600 rounds of rows are three
// steps. Nothing but the order of ports tells them apart for a core.
!w = !qlinear.packed<76800x256, #qlinear.gguf<q4_k>>

// CHECK-LABEL: dataflow.graph @long(
// CHECK: dataflow.port read %{{.*}} offset 0 sizes [4, 16, 64] strides [64, 256, 1] repeat 256 stream %[[X:.*]] at [0, 0] : memref
// CHECK: dataflow.port read %{{.*}} offset 0 sizes [4, 16, 64] strides [64, 256, 1] repeat 256 stream %[[X]] at [0, 0] step 1 : memref
// CHECK: dataflow.port read %{{.*}} offset 2621440 sizes [2621440] strides [1] stream %{{.*}} at [0, 0] step 1 : memref
// CHECK: dataflow.port write %{{.*}} offset 16384 sizes [256, 16, 64] strides [64, 76800, 1] stream %{{.*}} at [0, 0] step 1 : memref
// CHECK: dataflow.port read %{{.*}} offset 0 sizes [4, 16, 64] strides [64, 256, 1] repeat 88 stream %[[X]] at [0, 0] step 2 : memref
func.func @long(%w: !w, %x: tensor<9x256xbf16>) -> tensor<9x76800xf32> {
  %0 = tensor.empty() : tensor<9x76800xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<9x256xbf16>) outs(%0 : tensor<9x76800xf32>) -> tensor<9x76800xf32>
  return %y : tensor<9x76800xf32>
}

// -----

// A core has two elements of weights where the loop over them, unrolled by two, stays a loop and
// has no rest: for one block of columns it has one. Of an odd number there are even halves.
!w = !qlinear.packed<64x1152, #qlinear.q4nx, padded = 64x1280>
!v = !qlinear.packed<64x256, #qlinear.q4nx>

// CHECK-LABEL: dataflow.graph @odd(
// CHECK: dataflow.stream "w0_0" depth 2 : !dataflow.stream<memref<5120xi8>>
// CHECK: dataflow.port read %{{.*}} offset 0 sizes [20, 16, 64] strides [64, 1280, 1]
// CHECK: arith.constant 10 : index
// CHECK-LABEL: dataflow.graph @single(
// CHECK: dataflow.stream "w0_0" depth 1 : !dataflow.stream<memref<5120xi8>>
func.func @odd(%w: !w, %x: tensor<16x1152xbf16>) -> tensor<16x64xf32> {
  %0 = tensor.empty() : tensor<16x64xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<16x1152xbf16>) outs(%0 : tensor<16x64xf32>) -> tensor<16x64xf32>
  return %y : tensor<16x64xf32>
}
func.func @single(%w: !v, %x: tensor<16x256xbf16>) -> tensor<16x64xf32> {
  %0 = tensor.empty() : tensor<16x64xf32>
  %y = qlinear.matmul ins(%w, %x : !v, tensor<16x256xbf16>) outs(%0 : tensor<16x64xf32>) -> tensor<16x64xf32>
  return %y : tensor<16x64xf32>
}

// -----

// What is no such product stays.
// CHECK-LABEL: func.func @other(
func.func @other(%x: tensor<512xf32>) -> tensor<512xf32> {
  return %x : tensor<512xf32>
}
