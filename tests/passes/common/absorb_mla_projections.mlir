// RUN: %headrace_opt %s --absorb-mla-projections | FileCheck %s

// Keys and values of heads are never formed: their matrices go to the query
// and to the result.

!bf16 = !qattn.mla_cache<4096x512+64, bf16>
!paged = !qattn.mla_cache<128x16+8, fp8_e4m3, layout = paged<64>>

// doc: absorb
// CHECK-LABEL: func @absorb(
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<16x128xf32>, %[[QR:[a-z0-9]*]]: tensor<16x64xf32>, %[[WK:[a-z0-9]*]]: tensor<16x128x512xf32>, %[[WV:[a-z0-9]*]]: tensor<16x128x512xf32>, %[[C:.*]]: !qattn.mla_cache<4096x512+64, bf16>, %[[L:[a-z0-9]*]]: tensor<1xi32>
// CHECK: %[[Z0:.*]] = linalg.fill {{.*}} -> tensor<16x512xf32>
// CHECK: %[[QC:.*]] = linalg.batch_vecmat ins(%[[Q]], %[[WK]] : tensor<16x128xf32>, tensor<16x128x512xf32>) outs(%[[Z0]] : tensor<16x512xf32>)
// CHECK: %[[O:.*]]:2 = qattn.mla_decode ins(%[[QC]], %[[QR]], %[[C]], %[[L]] : tensor<16x512xf32>, tensor<16x64xf32>, !qattn.mla_cache<4096x512+64, bf16>, tensor<1xi32>)
// CHECK-SAME: {scale = 1.250000e-01 : f32} -> tensor<16x512xf32>, tensor<16xf32>
// CHECK: %[[Z1:.*]] = linalg.fill {{.*}} -> tensor<16x128xf32>
// CHECK: %[[R:.*]] = linalg.batch_matvec ins(%[[WV]], %[[O]]#0 : tensor<16x128x512xf32>, tensor<16x512xf32>) outs(%[[Z1]] : tensor<16x128xf32>)
// CHECK: return %[[R]]
func.func @absorb(%q: tensor<16x128xf32>, %qr: tensor<16x64xf32>, %wk: tensor<16x128x512xf32>,
                  %wv: tensor<16x128x512xf32>, %c: !bf16, %l: tensor<1xi32>,
                  %init: tensor<16x128xf32>) -> tensor<16x128xf32> {
  %o = qattn.mla_attention ins(%q, %qr, %wk, %wv, %c, %l : tensor<16x128xf32>, tensor<16x64xf32>,
          tensor<16x128x512xf32>, tensor<16x128x512xf32>, !bf16, tensor<1xi32>)
      outs(%init : tensor<16x128xf32>) {scale = 1.250000e-01 : f32} -> tensor<16x128xf32>
  return %o : tensor<16x128xf32>
}
// doc: end

// Values may have another dimension than keys; the table of pages and other
// attributes go along.
// CHECK-LABEL: func @table(
// CHECK-SAME: %[[T:[a-z0-9]*]]: tensor<2xi32>
// CHECK: linalg.batch_vecmat {{.*}} -> tensor<2x16xf32>
// CHECK: qattn.mla_decode ins({{.*}} table %[[T]] : {{.*}} table tensor<2xi32>)
// CHECK-SAME: {headrace.splits = 4 : i64, scale = 1.000000e+00 : f32}
// CHECK: linalg.batch_matvec {{.*}} -> tensor<2x5xf32>
func.func @table(%q: tensor<2x3xf32>, %qr: tensor<2x8xf32>, %wk: tensor<2x3x16xf32>,
                 %wv: tensor<2x5x16xf32>, %c: !paged, %l: tensor<1xi32>, %t: tensor<2xi32>,
                 %init: tensor<2x5xf32>) -> tensor<2x5xf32> {
  %o = qattn.mla_attention ins(%q, %qr, %wk, %wv, %c, %l table %t : tensor<2x3xf32>, tensor<2x8xf32>,
          tensor<2x3x16xf32>, tensor<2x5x16xf32>, !paged, tensor<1xi32>, tensor<2xi32>)
      outs(%init : tensor<2x5xf32>) {scale = 1.0 : f32, headrace.splits = 4 : i64} -> tensor<2x5xf32>
  return %o : tensor<2x5xf32>
}

// CHECK-LABEL: func @memrefs(
// CHECK-NOT: linalg
// CHECK: qattn.mla_attention
func.func @memrefs(%q: memref<2x3xf32>, %qr: memref<2x8xf32>, %w: memref<2x3x16xf32>, %b: memref<4608xi8>,
                   %l: memref<1xi32>, %t: memref<2xi32>, %init: memref<2x3xf32>) {
  %c = qattn.cache_from_bytes %b : memref<4608xi8> to !paged
  qattn.mla_attention ins(%q, %qr, %w, %w, %c, %l table %t : memref<2x3xf32>, memref<2x8xf32>,
          memref<2x3x16xf32>, memref<2x3x16xf32>, !paged, memref<1xi32>, memref<2xi32>)
      outs(%init : memref<2x3xf32>) {scale = 1.0 : f32}
  return
}

// An absorbed decode is what it is.
// CHECK-LABEL: func @decode(
// CHECK-NEXT: qattn.mla_decode
// CHECK-NEXT: return
func.func @decode(%q: tensor<16x512xf32>, %qr: tensor<16x64xf32>, %c: !bf16, %l: tensor<1xi32>,
                  %oi: tensor<16x512xf32>, %li: tensor<16xf32>) -> tensor<16x512xf32> {
  %o, %lse = qattn.mla_decode ins(%q, %qr, %c, %l : tensor<16x512xf32>, tensor<16x64xf32>, !bf16, tensor<1xi32>)
      outs(%oi, %li : tensor<16x512xf32>, tensor<16xf32>) {scale = 1.0 : f32} -> tensor<16x512xf32>, tensor<16xf32>
  return %o : tensor<16x512xf32>
}
