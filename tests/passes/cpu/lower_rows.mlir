// RUN: %headrace_opt %s --cpu-form-kernels --cpu-lower-rows --canonicalize --cse | FileCheck %s

// Sums have four accumulators; what is left of the row is masked.
// doc: rms_norm
// CHECK-LABEL: func.func private @rms_norm_1155(
// CHECK-SAME:    %[[X:[^:]*]]: memref<1155xf32>, %[[W:[^:]*]]: memref<1155xf32>, %[[Y:[^:]*]]: memref<1155xf32>)
// CHECK:         %[[SUMS:.*]]:4 = scf.for
// CHECK-COUNT-4:   vector.fma
// CHECK:         %[[MASK:.*]] = vector.constant_mask [3] : vector<16xi1>
// CHECK:         vector.maskedload %[[X]][%{{.*}}], %[[MASK]]
// CHECK:         vector.reduction <add>
// CHECK:         %[[ROOT:.*]] = math.sqrt
// CHECK:         scf.for
// CHECK:           vector.store %{{.*}}, %[[Y]]
// CHECK:         vector.maskedstore %[[Y]]
// CHECK-NOT:     qlinear
func.func @norm(%x: tensor<1155xf32>, %w: tensor<1155xf32>) -> tensor<1155xf32> {
  %e = tensor.empty() : tensor<1155xf32>
  %y = qlinear.rms_norm eps = 9.99999997E-7 ins(%x, %w : tensor<1155xf32>, tensor<1155xf32>)
      outs(%e : tensor<1155xf32>) -> tensor<1155xf32>
  return %y : tensor<1155xf32>
}
// doc: end

// A workgroup for each row; no sum across rows, and nothing masked.
// CHECK-LABEL: func.func private @layer_norm_7x64(
// CHECK-SAME:    %[[X:[^:]*]]: memref<7x64xf32>
// CHECK:         %[[ROW:.*]] = gpu.block_id x
// CHECK:         vector.load %[[X]][%[[ROW]], %{{.*}}] : memref<7x64xf32>, vector<16xf32>
// CHECK-NOT:     vector.mask
func.func @layer(%x: tensor<7x64xf32>, %w: tensor<64xf32>, %b: tensor<64xf32>) -> tensor<7x64xf32> {
  %e = tensor.empty() : tensor<7x64xf32>
  %y = qlinear.layer_norm eps = 9.99999996E-13 ins(%x, %w, %b : tensor<7x64xf32>, tensor<64xf32>, tensor<64xf32>)
      outs(%e : tensor<7x64xf32>) -> tensor<7x64xf32>
  return %y : tensor<7x64xf32>
}

// CHECK-LABEL: func.func private @gated_activation_3x48(
// CHECK:         math.exp %{{.*}} : vector<16xf32>
func.func @gate(%x: tensor<3x48xf32>, %u: tensor<3x48xf32>) -> tensor<3x48xf32> {
  %e = tensor.empty() : tensor<3x48xf32>
  %y = qlinear.gated_activation gelu_tanh ins(%x, %u : tensor<3x48xf32>, tensor<3x48xf32>)
      outs(%e : tensor<3x48xf32>) -> tensor<3x48xf32>
  return %y : tensor<3x48xf32>
}
