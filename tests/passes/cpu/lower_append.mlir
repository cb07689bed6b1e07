// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-append --canonicalize --cse | FileCheck %s

// doc: append
// A workgroup for each head; the cache is the argument itself. A scale for the
// keys and one for the values, each from the largest magnitude.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[C:[^:]*]]: memref<1114112xi8> {headrace.updated = 0 : i64}
// CHECK:         call @append_kv_kv_fp8_e4m3_3x2x64_of_4096(%{{.*}}, %{{.*}}, %[[C]], %{{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @append_kv_kv_fp8_e4m3_3x2x64_of_4096(
// CHECK-SAME:    %[[K:[^:]*]]: memref<3x2x64xf32>, %[[V:[^:]*]]: memref<3x2x64xf32>, %[[CACHE:[^:]*]]: memref<1114112xi8>
// CHECK:         %[[HEAD:.*]] = gpu.block_id x
// CHECK:         scf.for %[[TOKEN:.*]] = %c0 to %c3 step %c1 {
// CHECK:           scf.if
// CHECK-COUNT-4:     vector.load %[[K]][%[[TOKEN]], %[[HEAD]], {{.*}}]
// CHECK:             vector.reduction <maximumf>
// CHECK:             vector.store %{{.*}}, %[[CACHE]]{{.*}} vector<4xi8>
// CHECK-COUNT-4:     vector.store %{{.*}}, %[[CACHE]]{{.*}} vector<16xi8>
// CHECK-COUNT-4:     vector.load %[[V]][%[[TOKEN]], %[[HEAD]], {{.*}}]
// CHECK:             vector.store %{{.*}}, %[[CACHE]]{{.*}} vector<4xi8>
// CHECK-COUNT-4:     vector.store %{{.*}}, %[[CACHE]]{{.*}} vector<16xi8>
// CHECK-NOT:     qattn.append_kv
!cache = !qattn.kv_cache<4096x2x64, fp8_e4m3, scale = per_token>
func.func @main(%k: tensor<3x2x64xf32>, %v: tensor<3x2x64xf32>, %c: !cache, %at: tensor<1xi32>) -> !cache {
  %new = qattn.append_kv %k, %v into %c at %at : tensor<3x2x64xf32>, tensor<3x2x64xf32>, !cache, tensor<1xi32> -> !cache
  return %new : !cache
}
// doc: end

// -----

// What the table does not name is not written; the rest of a vector neither.
!cache = !qattn.kv_cache<64x1x17, f16, layout = paged<16>>
// CHECK-LABEL: func.func private @append_kv_kv_f16_1x1x17_of_64(
// CHECK-SAME:    %[[TABLE:[^:]*]]: memref<4xi32>
// CHECK:         memref.load %[[TABLE]]
// CHECK:         scf.if
// CHECK:           arith.truncf %{{.*}} : vector<16xf32> to vector<16xf16>
// CHECK:           vector.store %{{.*}} vector<32xi8>
// CHECK:           vector.maskedstore
func.func @main(%k: tensor<1x1x17xf32>, %v: tensor<1x1x17xf32>, %c: !cache, %at: tensor<1xi32>, %table: tensor<4xi32>) -> !cache {
  %new = qattn.append_kv %k, %v into %c at %at table %table : tensor<1x1x17xf32>, tensor<1x1x17xf32>, !cache, tensor<1xi32>, tensor<4xi32> -> !cache
  return %new : !cache
}
