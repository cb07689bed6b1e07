// RUN: %headrace_opt %s --dataflow-partition-products=columns=2 --split-input-file | FileCheck %s

// 250 rows are 16 units, 2 for each core. The product is short: its blocks have 64
// columns. Activations come ahead of the weights of channel w0: its first core passes
// them on, every other piece from its neighbour.
// doc: matvec
!w = !qlinear.packed<250x512, #qlinear.q4nx, padded = 256x512>

// CHECK: func.func private @accumulate_q4nx_1024(memref<1024xbf16>, memref<32xf32>, memref<64xbf16>, memref<640xi8>, memref<16xf32>, i32) attributes {headrace.core = {kind = "accumulate_q4nx", size = 1024 : i64}}
// CHECK: func.func private @zero_16(memref<16xf32>)
// CHECK: func.func private @take_q4nx_1024(memref<640xi8>, memref<1024xbf16>, memref<32xf32>, memref<64xbf16>, i32)
// CHECK: func.func private @copy_640(memref<640xi8>, memref<640xi8>)

// CHECK-LABEL: dataflow.graph @main(
// CHECK-SAME: %[[W:.*]]: memref<81920xi8> {headrace.packing = {products = [{activations = array<i64: 1, 0, 1280>, channels = array<i64: 2, 2>, columns = 64 : i64, results = array<i64: 2, 0, 1024>, rounds = array<i64: 2, 2>, sources = [!qlinear.packed<250x512, #qlinear.q4nx, padded = 256x512>], weights = array<i64: 0, 0, 81920>}]}}
// CHECK-SAME: %[[X:.*]]: memref<1280xi8>, %[[Y:.*]]: memref<256xf32>) {
func.func @main(%w: !w, %x: tensor<512xbf16>) -> tensor<250xf32> {
  %0 = tensor.empty() : tensor<250xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<512xbf16>) outs(%0 : tensor<250xf32>) -> tensor<250xf32>
  return %y : tensor<250xf32>
}
// CHECK: %[[W0:.*]] = dataflow.stream "w0" depth 4 : !dataflow.stream<memref<1280xi8>>
// CHECK: %[[W0_0:.*]] = dataflow.stream "w0_0" depth 1 : !dataflow.stream<memref<640xi8>>
// CHECK: %[[Y0_0:.*]] = dataflow.stream "y0_0" depth 1 : !dataflow.stream<memref<16xf32>>
// CHECK: %[[W0_1:.*]] = dataflow.stream "w0_1" depth 1
// CHECK: dataflow.distribute %[[W0]] to %[[W0_0]], %[[W0_1]] :
// CHECK: %[[Y0:.*]] = dataflow.stream "y0" depth 1 : !dataflow.stream<memref<64xf32>>
// CHECK: dataflow.join %[[Y0_0]], %{{.*}}, %{{.*}}, %{{.*}} to %[[Y0]] :
// CHECK: %[[W3:.*]] = dataflow.stream "w3"
// CHECK: %[[Y1:.*]] = dataflow.stream "y1" depth 1
// CHECK: %[[OTHER:.*]] = dataflow.stream "x_other" depth 2 : !dataflow.stream<memref<640xi8>>
// CHECK: %[[XS:.*]] = dataflow.stream "x" depth 2 : !dataflow.stream<memref<640xi8>>
// CHECK: %[[X1:.*]] = dataflow.stream "x1" depth 2
// CHECK: dataflow.broadcast %[[XS]] to %[[X1]], {{.*}} :

// A piece to the first core, and the next one to the other core of w0.
// CHECK: dataflow.port read %[[X]] offset 0 sizes [1, 2, 640] strides [1280, 640, 1] stream %[[W0]] :
// CHECK: dataflow.port read %[[W]] offset 0 sizes [20480] strides [1] stream %[[W0]] :
// CHECK: dataflow.port read %[[W]] offset 61440 sizes [20480] strides [1] stream %[[W3]] :
// CHECK: dataflow.port write %[[Y]] offset 0 sizes [128] strides [1] stream %[[Y0]] :
// CHECK: dataflow.port write %[[Y]] offset 128 sizes [128] strides [1] stream %[[Y1]] :

// CHECK: dataflow.task "core0_0" {
// CHECK: %[[XB:.*]] = memref.alloca() : memref<1024xbf16>
// CHECK: %[[BIAS:.*]] = memref.alloca() : memref<32xf32>
// CHECK: %[[PARTS:.*]] = memref.alloca() : memref<64xbf16>
// CHECK: dataflow.pop %[[W0_0]] as %[[PIECE:.*]]: memref<640xi8> {
// CHECK-NEXT: dataflow.push %[[XS]] as %[[ON:.*]]: memref<640xi8> {
// CHECK-NEXT: call @copy_640(%[[PIECE]], %[[ON]])
// CHECK-NEXT: }
// CHECK-NEXT: call @take_q4nx_1024(%[[PIECE]], %[[XB]], %[[BIAS]], %[[PARTS]], %{{.*}})
// CHECK: dataflow.pop %[[OTHER]] as %[[NEXT:.*]]: memref<640xi8> {
// CHECK-NEXT: dataflow.push %[[XS]]
// CHECK: call @take_q4nx_1024(%[[NEXT]],
// CHECK: %[[ROUNDS:.*]] = arith.constant 2 : index
// CHECK: scf.for %{{.*}} = %c0 to %[[ROUNDS]] step %c1 {
// CHECK: dataflow.push %[[Y0_0]] as %[[YE:.*]]: memref<16xf32> {
// CHECK: call @zero_16(%[[YE]])
// CHECK: %[[BLOCKS:.*]] = arith.constant 8 : index
// CHECK: scf.for %[[AT:.*]] = %c0 to %[[BLOCKS]] step %c1 {
// CHECK: dataflow.pop %[[W0_0]] as %[[WE:.*]]: memref<640xi8> {
// CHECK: %[[NUMBER:.*]] = arith.index_cast %[[AT]] : index to i32
// CHECK: call @accumulate_q4nx_1024(%[[XB]], %[[BIAS]], %[[PARTS]], %[[WE]], %[[YE]], %[[NUMBER]])
// doc: end

// What comes with the first of two pieces is handed over.
// CHECK: dataflow.task "core0_1" {
// CHECK: dataflow.pop %[[W0_1]] as %[[HANDED:.*]]: memref<640xi8> {
// CHECK-NEXT: dataflow.push %[[OTHER]] as %[[OVER:.*]]: memref<640xi8> {
// CHECK-NEXT: call @copy_640(%[[HANDED]], %[[OVER]])
// CHECK: dataflow.pop %[[X1]] as %[[PIECE1:.*]]: memref<640xi8> {
// CHECK-NEXT: call @take_q4nx_1024(%[[PIECE1]],
// CHECK: dataflow.pop %[[X1]] as
// CHECK: dataflow.task "core1_3"
// CHECK-NOT: dataflow.task

// -----

// Both matrices come by one stream; the product of up is where results leave.
// Columns and rows are padded: 1152 columns are 20 blocks and 4 pieces, 1 row is a
// unit for each core of one column.
!w = !qlinear.packed<1x1152, #qlinear.gguf<q4_0>>

// CHECK-LABEL: dataflow.graph @gated(
// CHECK-SAME: memref<102400xi8> {headrace.packing = {products = [{{.*}}rounds = array<i64: 1>, sources = [!qlinear.packed<1x1152, #qlinear.gguf<q4_0>>, !qlinear.packed<1x1152, #qlinear.gguf<q4_0>>]
// CHECK-SAME: memref<2560xi8>
// CHECK-SAME: memref<64xf32>
// CHECK: dataflow.task "core0_0"
// CHECK: %[[GATE:.*]] = memref.alloca() : memref<16xf32>
// CHECK: dataflow.push %{{.*}} as %[[YE:.*]]: memref<16xf32> {
// CHECK: call @zero_16(%[[GATE]])
// CHECK: call @accumulate_q4_0_1536({{.*}}, %[[GATE]], %{{.*}})
// CHECK: call @zero_16(%[[YE]])
// CHECK: call @accumulate_q4_0_1536({{.*}}, %[[YE]], %{{.*}})
// CHECK: call @gate_gelu_tanh_16(%[[GATE]], %[[YE]])
// CHECK: dataflow.task "core0_3"
// CHECK-NOT: dataflow.task
func.func @gated(%g: !w, %u: !w, %x: tensor<1152xbf16>) -> tensor<1xf32> {
  %0 = tensor.empty() : tensor<1xf32>
  %y = qlinear.gated_matvec gelu_tanh ins(%g, %u, %x : !w, !w, tensor<1152xbf16>) outs(%0 : tensor<1xf32>) -> tensor<1xf32>
  return %y : tensor<1xf32>
}

// -----

// What q4_k has for 256 columns is not cut; the one piece goes to the first core, and
// what is behind it is dropped.
!w = !qlinear.packed<1x256, #qlinear.gguf<q4_k>>

// CHECK-LABEL: dataflow.graph @whole(
// CHECK-SAME: columns = 256 : i64
// CHECK-NOT: "x_other"
// CHECK: dataflow.port read %{{.*}} offset 0 sizes [1, 2, 2432] strides [4864, 2432, 1]
// CHECK: dataflow.task "core0_1"
// CHECK: dataflow.pop %{{.*}} as %{{.*}}: memref<2432xi8> {
// CHECK-NEXT: }
// CHECK: call @take_q4_k_1536(
func.func @whole(%w: !w, %x: tensor<256xbf16>) -> tensor<1xf32> {
  %0 = tensor.empty() : tensor<1xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%0 : tensor<1xf32>) -> tensor<1xf32>
  return %y : tensor<1xf32>
}

// -----

// What is no product stays.
// CHECK-LABEL: func.func @other(
func.func @other(%x: tensor<512xf32>) -> tensor<512xf32> {
  return %x : tensor<512xf32>
}
