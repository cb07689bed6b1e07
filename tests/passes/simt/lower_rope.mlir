// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-rope --canonicalize --cse | FileCheck %s

// doc: halves
// A workgroup for each head; pair i is the numbers i and i + 24, and 16 stay.
// CHECK-LABEL: func.func @main(
// CHECK:         {headrace.grid = array<i64: 6, 1, 1>}
// CHECK-LABEL: func.func private @rope_2x3x64(
// CHECK-SAME:    %[[X:[^:]*]]: memref<2x3x64xf32>, %[[POSITIONS:[^:]*]]: memref<2xi32>, %[[FREQUENCIES:[^:]*]]: memref<24xf32>, %[[Y:[^:]*]]: memref<2x3x64xf32>
// CHECK-SAME:    workgroup = array<i32: 32, 1, 1>
// CHECK:         %[[TOKEN:.*]] = arith.divui %{{.*}}, %c3
// CHECK:         %[[HEAD:.*]] = arith.remui %{{.*}}, %c3
// CHECK:         arith.sitofp
// CHECK:         scf.for %[[PAIR:.*]] = %{{.*}} to %c24 step %c32
// CHECK:           math.floor
// CHECK:           %[[COSINE:.*]] = math.cos
// CHECK:           %[[SINE:.*]] = math.sin
// CHECK:           %[[OTHER:.*]] = arith.addi %[[PAIR]], %c24
// CHECK:           %[[A:.*]] = memref.load %[[X]][%[[TOKEN]], %[[HEAD]], %[[PAIR]]]
// CHECK:           %[[B:.*]] = memref.load %[[X]][%[[TOKEN]], %[[HEAD]], %[[OTHER]]]
// CHECK:           arith.mulf %[[A]], %[[COSINE]]
// CHECK:           arith.mulf %[[B]], %[[SINE]]
// CHECK:           arith.subf
// CHECK:         %[[REST:.*]] = arith.addi %{{.*}}, %c48
// CHECK:         scf.for %{{.*}} = %[[REST]] to %c64 step %c32
// CHECK-NOT:     qattn.rope
func.func @main(%x: tensor<2x3x64xf32>, %p: tensor<2xi32>, %f: tensor<24xf32>) -> tensor<2x3x64xf32> {
  %o = tensor.empty() : tensor<2x3x64xf32>
  %y = qattn.rope ins(%x, %p, %f : tensor<2x3x64xf32>, tensor<2xi32>, tensor<24xf32>)
      outs(%o : tensor<2x3x64xf32>) -> tensor<2x3x64xf32>
  return %y : tensor<2x3x64xf32>
}
// doc: end

// -----

// Pairs are neighbours, and a magnitude multiplies cosine and sine.
// CHECK-LABEL: func.func private @rope_1x1x8(
// CHECK:           %[[COSINE:.*]] = math.cos
// CHECK:           arith.mulf %[[COSINE]], %cst
// CHECK:           %[[FIRST:.*]] = arith.muli %{{.*}}, %c2
// CHECK:           arith.addi %[[FIRST]], %c1
func.func @main(%x: tensor<1x1x8xf32>, %p: tensor<1xi32>, %f: tensor<4xf32>) -> tensor<1x1x8xf32> {
  %o = tensor.empty() : tensor<1x1x8xf32>
  %y = qattn.rope interleaved ins(%x, %p, %f : tensor<1x1x8xf32>, tensor<1xi32>, tensor<4xf32>)
      outs(%o : tensor<1x1x8xf32>) {magnitude = 1.5 : f32} -> tensor<1x1x8xf32>
  return %y : tensor<1x1x8xf32>
}
