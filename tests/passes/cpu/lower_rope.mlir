// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-rope --canonicalize --cse | FileCheck %s

// doc: halves
// CHECK-LABEL: func.func private @rope_3x8x80(
// CHECK-SAME:    %[[X:[^:]*]]: memref<3x8x80xf32>
// CHECK:         %[[TOKEN:.*]] = gpu.block_id x
// CHECK:         scf.for %{{.*}} = %c0 to %c32 step %c16
// CHECK:           math.cos %{{.*}} : vector<16xf32>
// CHECK:           math.sin %{{.*}} : vector<16xf32>
// CHECK:         scf.for %[[HEAD:.*]] = %c0 to %c8
// CHECK:           scf.for %[[PAIR:.*]] = %c0 to %c32 step %c16
// CHECK:             vector.load %[[X]][%[[TOKEN]], %[[HEAD]], %[[PAIR]]]
// CHECK:             vector.load %[[X]][%[[TOKEN]], %[[HEAD]], %{{.*}}]
// What lies behind the pairs stays.
// CHECK:           vector.load %[[X]][%[[TOKEN]], %[[HEAD]], %c64]
// CHECK-NOT:     qattn
func.func @main(%x: tensor<3x8x80xf32>, %p: tensor<3xi32>, %f: tensor<32xf32>) -> tensor<3x8x80xf32> {
  %e = tensor.empty() : tensor<3x8x80xf32>
  %y = qattn.rope ins(%x, %p, %f : tensor<3x8x80xf32>, tensor<3xi32>, tensor<32xf32>)
      outs(%e : tensor<3x8x80xf32>) -> tensor<3x8x80xf32>
  return %y : tensor<3x8x80xf32>
}
// doc: end

// -----

// Neighbours come apart and together again; 5 pairs are a masked vector.
// CHECK-LABEL: func.func private @rope_1x2x10(
// CHECK:         vector.maskedload
// CHECK:         vector.deinterleave %{{.*}} : vector<32xf32>
// CHECK:         vector.interleave
// CHECK:         vector.maskedstore
func.func @main(%x: tensor<1x2x10xf32>, %p: tensor<1xi32>, %f: tensor<5xf32>) -> tensor<1x2x10xf32> {
  %e = tensor.empty() : tensor<1x2x10xf32>
  %y = qattn.rope interleaved ins(%x, %p, %f : tensor<1x2x10xf32>, tensor<1xi32>, tensor<5xf32>)
      outs(%e : tensor<1x2x10xf32>) {magnitude = 1.25 : f32} -> tensor<1x2x10xf32>
  return %y : tensor<1x2x10xf32>
}
