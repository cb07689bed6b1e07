// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-append-mla --cpu-lower-fetch-mla --canonicalize --cse | FileCheck %s

// doc: append
// Two workgroups, for even and odd slots; the cache is the argument itself. A
// token is its codes, its scale and its rotated part in bf16.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[C:[^:]*]]: memref<2637824xi8> {headrace.updated = 0 : i64}
// CHECK:         call @append_mla_mla_fp8_e4m3_2x512_of_4096x512x64(%{{.*}}, %{{.*}}, %[[C]], %{{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @append_mla_mla_fp8_e4m3_2x512_of_4096x512x64(
// CHECK-SAME:    %[[CONTENT:[^:]*]]: memref<2x512xf32>, %[[ROPE:[^:]*]]: memref<2x64xf32>, %[[CACHE:[^:]*]]: memref<2637824xi8>
// CHECK:         %[[ID:.*]] = gpu.block_id x
// CHECK:         scf.for %[[TOKEN:.*]] = %c0 to %c2 step %c1 {
// CHECK:           %[[OWNER:.*]] = arith.remui %{{.*}}, %c2
// CHECK:           %[[MINE:.*]] = arith.cmpi eq, %[[OWNER]], %[[ID]]
// CHECK:           %[[BOTH:.*]] = arith.andi %{{.*}}, %[[MINE]]
// CHECK:           scf.if %[[BOTH]]
// CHECK-COUNT-32:    vector.load %[[CONTENT]][%[[TOKEN]], {{.*}}]
// CHECK:             vector.reduction <maximumf>
// CHECK-COUNT-4:     vector.load %[[ROPE]][%[[TOKEN]], {{.*}}]
// CHECK:             vector.reduction <maximumf>
// CHECK:             vector.store %{{.*}}, %[[CACHE]]{{.*}} vector<4xi8>
// CHECK-COUNT-32:    vector.store %{{.*}}, %[[CACHE]]{{.*}} vector<16xi8>
// CHECK-COUNT-4:     vector.store %{{.*}}, %[[CACHE]]{{.*}} vector<32xi8>
// CHECK-NOT:     qattn.append_mla
!cache = !qattn.mla_cache<4096x512+64, fp8_e4m3>
func.func @main(%content: tensor<2x512xf32>, %rope: tensor<2x64xf32>, %c: !cache, %at: tensor<1xi32>) -> !cache {
  %new = qattn.append_mla %content, %rope into %c at %at
      : tensor<2x512xf32>, tensor<2x64xf32>, !cache, tensor<1xi32> -> !cache
  return %new : !cache
}
// doc: end

// -----

// doc: fetch
// A workgroup for each token, of which nothing is read if it has no slot.
// CHECK-LABEL: func.func @main(
// CHECK:         call @fetch_mla_mla_bf16_8x512_of_4096x512x64({{.*}}) {headrace.grid = array<i64: 8, 1, 1>}
// CHECK-LABEL: func.func private @fetch_mla_mla_bf16_8x512_of_4096x512x64(
// CHECK-SAME:    %[[CACHE:[^:]*]]: memref<4718592xi8>, %{{[^:]*}}: memref<1xi32>, %[[C:[^:]*]]: memref<8x512xf32>, %[[R:[^:]*]]: memref<8x64xf32>
// CHECK:         %[[TOKEN:.*]] = gpu.block_id x
// CHECK:         scf.if
// CHECK:           vector.load %[[CACHE]]{{.*}} vector<32xi8>
// CHECK:           vector.store %{{.*}}, %[[C]][%[[TOKEN]], %c0]
// CHECK:           vector.store %{{.*}}, %[[R]][%[[TOKEN]], %c0]
// CHECK:         } else {
// CHECK-NOT:       %[[CACHE]]
// CHECK-COUNT-32:  vector.store %{{.*}}, %[[C]]
// CHECK-COUNT-4:   vector.store %{{.*}}, %[[R]]
!cache = !qattn.mla_cache<4096x512+64, bf16>
func.func @main(%c: !cache, %at: tensor<1xi32>) -> (tensor<8x512xf32>, tensor<8x64xf32>) {
  %ci = tensor.empty() : tensor<8x512xf32>
  %ri = tensor.empty() : tensor<8x64xf32>
  %content, %rope = qattn.fetch_mla ins(%c, %at : !cache, tensor<1xi32>)
      outs(%ci, %ri : tensor<8x512xf32>, tensor<8x64xf32>) -> tensor<8x512xf32>, tensor<8x64xf32>
  return %content, %rope : tensor<8x512xf32>, tensor<8x64xf32>
}
// doc: end

// -----

// What the table does not name is not written. f32 is stored as it is. One token
// is of one workgroup.
!cache = !qattn.mla_cache<64x17+3, f32, layout = paged<16>>
// CHECK-LABEL: func.func private @append_mla_mla_f32_1x17_of_64x17x3(
// CHECK-SAME:    %[[TABLE:[^:]*]]: memref<4xi32>
// CHECK-NOT:     gpu.block_id
// CHECK:         memref.load %[[TABLE]]
// CHECK:         scf.if
// CHECK-NOT:       arith.divf
// CHECK:           vector.store %{{.*}} vector<64xi8>
// CHECK:           vector.maskedstore
func.func @main(%content: tensor<1x17xf32>, %rope: tensor<1x3xf32>, %c: !cache, %at: tensor<1xi32>, %table: tensor<4xi32>) -> !cache {
  %new = qattn.append_mla %content, %rope into %c at %at table %table
      : tensor<1x17xf32>, tensor<1x3xf32>, !cache, tensor<1xi32>, tensor<4xi32> -> !cache
  return %new : !cache
}
