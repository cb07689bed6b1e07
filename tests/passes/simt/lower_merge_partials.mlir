// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-merge-partials --canonicalize --cse | FileCheck %s

// doc: merge
// A head a workgroup, a column a thread.
// CHECK-LABEL: func.func @main(
// CHECK:         call @merge_partials_4x8x72({{.*}}) {headrace.grid = array<i64: 8, 1, 1>}
// CHECK-LABEL: func.func private @merge_partials_4x8x72(
// CHECK-SAME:    %[[PARTS:[^:]*]]: memref<4x8x72xf32>, %[[LSES:[^:]*]]: memref<4x8xf32>, %[[OUT:[^:]*]]: memref<8x72xf32>, %[[LSE:[^:]*]]: memref<8xf32>
// CHECK-SAME:    workgroup = array<i32: 96, 1, 1>
// CHECK:         %[[HEAD:.*]] = gpu.block_id x
// CHECK:         %[[MOST:.*]] = scf.for %[[P:.*]] = %c0 to %c4
// CHECK:           memref.load %[[LSES]][%[[P]], %[[HEAD]]]
// CHECK:         %[[BASE:.*]] = arith.select %{{.*}}, %{{.*}}, %[[MOST]]
// CHECK:         scf.for %[[COL:.*]] = %{{.*}} to %c72 step %c96
// CHECK:           scf.for %[[P:.*]] = %c0 to %c4
// CHECK:             %[[ONE:.*]] = memref.load %[[LSES]][%[[P]], %[[HEAD]]]
// CHECK:             %[[VALUE:.*]] = memref.load %[[PARTS]][%[[P]], %[[HEAD]], %[[COL]]]
// What is not seen is not multiplied.
// CHECK:             %[[SEEN:.*]] = arith.select %{{.*}}, %{{.*}}, %[[VALUE]]
// CHECK:             %[[LESS:.*]] = arith.subf %[[ONE]], %[[BASE]]
// CHECK:             %[[WEIGHT:.*]] = math.exp %[[LESS]]
// CHECK:             math.fma %[[WEIGHT]], %[[SEEN]]
// CHECK:           memref.store %{{.*}}, %[[LSE]][%[[HEAD]]]
// CHECK:           memref.store %{{.*}}, %[[OUT]][%[[HEAD]], %[[COL]]]
// CHECK-NOT:     qattn.merge_partials
func.func @main(%p: tensor<4x8x72xf32>, %l: tensor<4x8xf32>) -> (tensor<8x72xf32>, tensor<8xf32>) {
  %oi = tensor.empty() : tensor<8x72xf32>
  %li = tensor.empty() : tensor<8xf32>
  %o, %lse = qattn.merge_partials ins(%p, %l : tensor<4x8x72xf32>, tensor<4x8xf32>)
      outs(%oi, %li : tensor<8x72xf32>, tensor<8xf32>) -> tensor<8x72xf32>, tensor<8xf32>
  return %o, %lse : tensor<8x72xf32>, tensor<8xf32>
}
// doc: end

// -----

// Of prefill, a row is a head of a token. Threads have several columns.
// CHECK-LABEL: func.func private @merge_partials_2x3x5x600(
// CHECK-SAME:    workgroup = array<i32: 256, 1, 1>
// CHECK:         %[[TOKEN:.*]] = arith.divui %[[ID:.*]], %c5
// CHECK:         %[[HEAD:.*]] = arith.remui %[[ID]], %c5
// CHECK:         memref.load %{{.*}}[%{{.*}}, %[[TOKEN]], %[[HEAD]]]
// CHECK:         scf.for %{{.*}} = %{{.*}} to %c600 step %c256
func.func @main(%p: tensor<2x3x5x600xf32>, %l: tensor<2x3x5xf32>) -> tensor<3x5x600xf32> {
  %oi = tensor.empty() : tensor<3x5x600xf32>
  %li = tensor.empty() : tensor<3x5xf32>
  %o, %lse = qattn.merge_partials ins(%p, %l : tensor<2x3x5x600xf32>, tensor<2x3x5xf32>)
      outs(%oi, %li : tensor<3x5x600xf32>, tensor<3x5xf32>) -> tensor<3x5x600xf32>, tensor<3x5xf32>
  return %o : tensor<3x5x600xf32>
}
