// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-merge-partials --canonicalize --cse | FileCheck %s

// doc: merge
// A workgroup for each head: the largest logarithm, the sum of the weights, and
// then 16 columns at a time.
// CHECK-LABEL: func.func @main(
// CHECK:         call @merge_partials_4x8x64({{.*}}) {headrace.grid = array<i64: 8, 1, 1>}
// CHECK-LABEL: func.func private @merge_partials_4x8x64(
// CHECK-SAME:    %[[PARTS:[^:]*]]: memref<4x8x64xf32>, %[[LSES:[^:]*]]: memref<4x8xf32>, %[[O:[^:]*]]: memref<8x64xf32>, %[[L:[^:]*]]: memref<8xf32>
// CHECK:         %[[HEAD:.*]] = gpu.block_id x
// CHECK:         scf.for {{.*}} -> (f32) {
// CHECK:           arith.maximumf
// CHECK:         scf.for {{.*}} -> (f32) {
// CHECK:           math.exp
// CHECK:         scf.for %[[PART:.*]] = %c0 to %c4 step %c1 {{.*}} -> (vector<16xf32>) {
// CHECK:           vector.load %[[PARTS]][%[[PART]], %[[HEAD]], %c0]
// CHECK:           vector.fma
// CHECK:           arith.select
// CHECK:         vector.store %{{.*}}, %[[O]][%[[HEAD]], %c0]
// CHECK:         math.log
// CHECK:         memref.store %{{.*}}, %[[L]][%[[HEAD]]]
// CHECK-NOT:     qattn.merge_partials
func.func @main(%parts: tensor<4x8x64xf32>, %lses: tensor<4x8xf32>) -> (tensor<8x64xf32>, tensor<8xf32>) {
  %oi = tensor.empty() : tensor<8x64xf32>
  %li = tensor.empty() : tensor<8xf32>
  %o, %l = qattn.merge_partials ins(%parts, %lses : tensor<4x8x64xf32>, tensor<4x8xf32>)
      outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>) -> tensor<8x64xf32>, tensor<8xf32>
  return %o, %l : tensor<8x64xf32>, tensor<8xf32>
}
// doc: end

// -----

// Several tokens: a workgroup for each head of each.
// CHECK-LABEL: func.func @main(
// CHECK:         call @merge_partials_2x3x4x5({{.*}}) {headrace.grid = array<i64: 12, 1, 1>}
// CHECK-LABEL: func.func private @merge_partials_2x3x4x5(
// CHECK:         %[[ID:.*]] = gpu.block_id x
// CHECK:         %[[TOKEN:.*]] = arith.divui %[[ID]], %c4
// CHECK:         vector.maskedload %{{.*}}[%{{.*}}, %[[TOKEN]], %{{.*}}, %c0]
func.func @main(%parts: tensor<2x3x4x5xf32>, %lses: tensor<2x3x4xf32>) -> (tensor<3x4x5xf32>, tensor<3x4xf32>) {
  %oi = tensor.empty() : tensor<3x4x5xf32>
  %li = tensor.empty() : tensor<3x4xf32>
  %o, %l = qattn.merge_partials ins(%parts, %lses : tensor<2x3x4x5xf32>, tensor<2x3x4xf32>)
      outs(%oi, %li : tensor<3x4x5xf32>, tensor<3x4xf32>) -> tensor<3x4x5xf32>, tensor<3x4xf32>
  return %o, %l : tensor<3x4x5xf32>, tensor<3x4xf32>
}
