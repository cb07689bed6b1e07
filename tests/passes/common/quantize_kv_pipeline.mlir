// RUN: %headrace_opt %s --quantize-kv-pipeline | FileCheck %s
// RUN: %headrace_opt %s --quantize-kv-pipeline --quantize-kv-pipeline | FileCheck %s

// Queries for caches of fp8 are quantized as the tokens are, once.

!fp8 = !qattn.mla_cache<4096x512+64, fp8_e4m3>
!paged = !qattn.mla_cache<128x16+8, fp8_e4m3, layout = paged<64>>
!bf16 = !qattn.mla_cache<128x16+8, bf16>

// doc: quantize
// CHECK-LABEL: func @quantize(
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<16x512xf32>, %[[QR:[a-z0-9]*]]: tensor<16x64xf32>, %[[C:.*]]: !qattn.mla_cache<4096x512+64, fp8_e4m3>, %[[L:[a-z0-9]*]]: tensor<1xi32>, %[[OI:[a-z0-9]*]]: tensor<16x512xf32>, %[[LI:[a-z0-9]*]]: tensor<16xf32>
// CHECK: %[[X:.*]]:3 = qattn.quantize_kv ins(%[[Q]], %[[QR]] : tensor<16x512xf32>, tensor<16x64xf32>)
// CHECK-SAME: -> tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>
// CHECK-NEXT: %[[O:.*]]:2 = qattn.mla_decode ins(%[[X]]#0, %[[X]]#2, %[[C]], %[[L]] q_scale %[[X]]#1 : tensor<16x512xi8>, tensor<16x64xf32>, !qattn.mla_cache<4096x512+64, fp8_e4m3>, tensor<1xi32> q_scale tensor<16xf32>)
// CHECK-SAME: outs(%[[OI]], %[[LI]] : tensor<16x512xf32>, tensor<16xf32>) {scale = 1.250000e-01 : f32}
// CHECK-NEXT: return %[[O]]#0, %[[O]]#1
func.func @quantize(%q: tensor<16x512xf32>, %qr: tensor<16x64xf32>, %c: !fp8, %l: tensor<1xi32>,
                    %oi: tensor<16x512xf32>, %li: tensor<16xf32>) -> (tensor<16x512xf32>, tensor<16xf32>) {
  %o, %lse = qattn.mla_decode ins(%q, %qr, %c, %l : tensor<16x512xf32>, tensor<16x64xf32>, !fp8, tensor<1xi32>)
      outs(%oi, %li : tensor<16x512xf32>, tensor<16xf32>) {scale = 1.250000e-01 : f32}
      -> tensor<16x512xf32>, tensor<16xf32>
  return %o, %lse : tensor<16x512xf32>, tensor<16xf32>
}
// doc: end

// CHECK-LABEL: func @splits(
// CHECK-SAME: %[[T:[a-z0-9]*]]: tensor<3xi32>
// CHECK: %[[X:.*]]:3 = qattn.quantize_kv
// CHECK: qattn.mla_decode ins(%[[X]]#0, %[[X]]#2, {{.*}} q_scale %[[X]]#1 table %[[T]] : {{.*}} q_scale tensor<2xf32> table tensor<3xi32>)
// CHECK-SAME: splits = 4 : i64
// CHECK-SAME: -> tensor<4x2x16xf32>, tensor<4x2xf32>
func.func @splits(%q: tensor<2x16xf32>, %qr: tensor<2x8xf32>, %c: !paged, %l: tensor<1xi32>, %t: tensor<3xi32>,
                  %oi: tensor<4x2x16xf32>, %li: tensor<4x2xf32>) -> tensor<4x2x16xf32> {
  %o, %lse = qattn.mla_decode ins(%q, %qr, %c, %l table %t : tensor<2x16xf32>, tensor<2x8xf32>, !paged,
          tensor<1xi32> table tensor<3xi32>)
      outs(%oi, %li : tensor<4x2x16xf32>, tensor<4x2xf32>) {scale = 1.0 : f32, splits = 4 : i64}
      -> tensor<4x2x16xf32>, tensor<4x2xf32>
  return %o : tensor<4x2x16xf32>
}

// CHECK-LABEL: func @bf16(
// CHECK-NEXT: qattn.mla_decode
// CHECK-NEXT: return
func.func @bf16(%q: tensor<2x16xf32>, %qr: tensor<2x8xf32>, %c: !bf16, %l: tensor<1xi32>,
                %oi: tensor<2x16xf32>, %li: tensor<2xf32>) -> tensor<2x16xf32> {
  %o, %lse = qattn.mla_decode ins(%q, %qr, %c, %l : tensor<2x16xf32>, tensor<2x8xf32>, !bf16, tensor<1xi32>)
      outs(%oi, %li : tensor<2x16xf32>, tensor<2xf32>) {scale = 1.0 : f32} -> tensor<2x16xf32>, tensor<2xf32>
  return %o : tensor<2x16xf32>
}

// CHECK-LABEL: func @memrefs(
// CHECK-NOT: quantize_kv
// CHECK: qattn.mla_decode
func.func @memrefs(%q: memref<2x16xf32>, %qr: memref<2x8xf32>, %b: memref<4608xi8>, %l: memref<1xi32>,
                   %t: memref<3xi32>, %oi: memref<2x16xf32>, %li: memref<2xf32>) {
  %c = qattn.cache_from_bytes %b : memref<4608xi8> to !paged
  qattn.mla_decode ins(%q, %qr, %c, %l table %t : memref<2x16xf32>, memref<2x8xf32>, !paged,
          memref<1xi32> table memref<3xi32>)
      outs(%oi, %li : memref<2x16xf32>, memref<2xf32>) {scale = 1.0 : f32}
  return
}
