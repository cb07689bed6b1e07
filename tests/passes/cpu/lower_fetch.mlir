// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-fetch --canonicalize --cse | FileCheck %s

// doc: fetch
// A workgroup for each token; zeros where it has no slot.
// CHECK-LABEL: func.func @main(
// CHECK:         call @fetch_kv_kv_bf16_8x2x64_of_4096({{.*}}) {headrace.grid = array<i64: 8, 1, 1>}
// CHECK-LABEL: func.func private @fetch_kv_kv_bf16_8x2x64_of_4096(
// CHECK-SAME:    %[[CACHE:[^:]*]]: memref<2097152xi8>, %{{[^:]*}}: memref<1xi32>, %[[K:[^:]*]]: memref<8x2x64xf32>, %[[V:[^:]*]]: memref<8x2x64xf32>
// CHECK:         %[[TOKEN:.*]] = gpu.block_id x
// CHECK:         scf.if
// CHECK:           scf.for %[[HEAD:.*]] = %c0 to %c2 step %c1 {
// CHECK:             vector.load %[[CACHE]][%{{.*}}] : memref<2097152xi8>, vector<32xi8>
// CHECK:             vector.store %{{.*}}, %[[K]][%[[TOKEN]], %[[HEAD]], %c0]
// CHECK:             vector.store %{{.*}}, %[[V]][%[[TOKEN]], %[[HEAD]], %c0]
// CHECK:         } else {
// CHECK:           scf.for %[[HEAD:.*]] = %c0 to %c2 step %c1 {
// CHECK-NOT:         vector.load
// CHECK:             vector.store %cst, %[[K]][%[[TOKEN]], %[[HEAD]], %c0]
// CHECK-NOT:     qattn.fetch_kv
!cache = !qattn.kv_cache<4096x2x64, bf16>
func.func @main(%c: !cache, %start: tensor<1xi32>) -> (tensor<8x2x64xf32>, tensor<8x2x64xf32>) {
  %e = tensor.empty() : tensor<8x2x64xf32>
  %k, %v = qattn.fetch_kv ins(%c, %start : !cache, tensor<1xi32>)
      outs(%e, %e : tensor<8x2x64xf32>, tensor<8x2x64xf32>) -> tensor<8x2x64xf32>, tensor<8x2x64xf32>
  return %k, %v : tensor<8x2x64xf32>, tensor<8x2x64xf32>
}
// doc: end

// -----

// Numbers are multiplied by the scale of their head.
!cache = !qattn.kv_cache<64x1x16, i8, scale = per_token, layout = ring>
// CHECK-LABEL: func.func private @fetch_kv_kv_i8_1x1x16_of_64(
// CHECK:         scf.if
// CHECK:           %[[SCALE:.*]] = vector.broadcast %{{.*}} : f32 to vector<16xf32>
// CHECK:           arith.mulf %{{.*}}, %[[SCALE]]
func.func @main(%c: !cache, %start: tensor<1xi32>) -> (tensor<1x1x16xf32>, tensor<1x1x16xf32>) {
  %e = tensor.empty() : tensor<1x1x16xf32>
  %k, %v = qattn.fetch_kv ins(%c, %start : !cache, tensor<1xi32>)
      outs(%e, %e : tensor<1x1x16xf32>, tensor<1x1x16xf32>) -> tensor<1x1x16xf32>, tensor<1x1x16xf32>
  return %k, %v : tensor<1x1x16xf32>, tensor<1x1x16xf32>
}
