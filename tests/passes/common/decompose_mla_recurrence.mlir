// RUN: %headrace_opt %s --decompose-qattn --canonicalize --cse | FileCheck %s --implicit-check-not=qattn.

// SnapMLA's recurrence: a loop over pages of 64 of the tokens that are seen,
// base 2, with weights rounded to e4m3 and scales applied to scores and weights.

!cache = !qattn.mla_cache<192x32+8, fp8_e4m3, layout = paged<64>>

// CHECK-LABEL: func @recurrence(
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<3x32xi8>, %[[QR:[a-z0-9]*]]: tensor<3x8xf32>, %[[S:[a-z0-9]*]]: tensor<3xf32>, %[[B:[a-z0-9]*]]: tensor<9984xi8>, %[[L:[a-z0-9]*]]: tensor<1xi32>, %[[T:[a-z0-9]*]]: tensor<3xi32>
// CHECK-DAG: %[[INF:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG: %[[LOG2E:.*]] = arith.constant 0.180336878 : f32
// CHECK-DAG: %[[LEAST:.*]] = arith.constant 9.99999{{.*}}E-27 : f32
// CHECK: %[[CODES:.*]] = linalg.generic {{.*}} ins(%[[Q]] : tensor<3x32xi8>)
// CHECK: %[[M0:.*]] = linalg.fill ins(%[[INF]]
// The number of pages follows from the length.
// CHECK: %[[PAGES:.*]] = arith.divui %{{.*}}, %c64
// CHECK: scf.for %{{.*}} = %c0 to %[[PAGES]] step %c1 iter_args(%[[M:.*]] = %[[M0]], %[[S0:.*]] = %{{.*}}, %[[SUM:.*]] = %{{.*}}, %[[O:.*]] = %{{.*}}) -> (tensor<1x3xf32>, tensor<1x3xf32>, tensor<1x3xf32>, tensor<1x3x32xf32>)
// CHECK: %[[K:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x64x32xf32>)
// CHECK: tensor.extract %[[T]]
// CHECK: tensor.extract %[[B]]
// CHECK: %[[KR:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x64x8xf32>)
// CHECK: %[[SCALE:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x64xf32>)
// CHECK: %[[MASK:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x64xi1>)
// CHECK: linalg.generic {{.*}} ins(%[[CODES]], %[[K]] :
// CHECK: %[[DOT:.*]] = linalg.generic {{.*}} ins(%[[QR]], %[[KR]] :
// CHECK: %[[X:.*]] = linalg.generic {{.*}} ins(%[[DOT]], %[[S]], %[[SCALE]], %[[MASK]] :
// CHECK: arith.mulf %{{.*}}, %[[LOG2E]]
// CHECK: arith.select %{{.*}}, %{{.*}}, %[[INF]]
// CHECK: %[[M1:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<1x3x64xf32>) outs(%[[M]] : tensor<1x3xf32>)
// CHECK: arith.maximumf
// CHECK: math.exp2
// CHECK: arith.maximumf %{{.*}}, %[[LEAST]]
// CHECK: linalg.generic {{.*}} ins(%[[M]], %[[M1]], %[[S0]],
// CHECK: scf.yield
// CHECK: math.log2
func.func @recurrence(%q: tensor<3x32xi8>, %qr: tensor<3x8xf32>, %s: tensor<3xf32>, %c: !cache, %l: tensor<1xi32>,
                      %t: tensor<3xi32>, %oi: tensor<3x32xf32>, %li: tensor<3xf32>) -> (tensor<3x32xf32>, tensor<3xf32>) {
  %o, %lse = qattn.mla_decode ins(%q, %qr, %c, %l q_scale %s table %t : tensor<3x32xi8>, tensor<3x8xf32>, !cache,
          tensor<1xi32> q_scale tensor<3xf32> table tensor<3xi32>)
      outs(%oi, %li : tensor<3x32xf32>, tensor<3xf32>) {scale = 0.125 : f32} -> tensor<3x32xf32>, tensor<3xf32>
  return %o, %lse : tensor<3x32xf32>, tensor<3xf32>
}

// Parts are a dimension of everything.
// CHECK-LABEL: func @splits(
// CHECK: %[[R:.*]]:4 = scf.for {{.*}} -> (tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3xf32>, tensor<4x3x32xf32>)
// CHECK: %[[OUT:.*]] = linalg.generic {{.*}} ins(%[[R]]#3, %[[R]]#2 :
// CHECK: %[[LSE:.*]] = linalg.generic {{.*}} ins(%[[R]]#0, %[[R]]#2, %[[R]]#1 :
// CHECK: return %[[OUT]], %[[LSE]] : tensor<4x3x32xf32>, tensor<4x3xf32>
func.func @splits(%q: tensor<3x32xi8>, %qr: tensor<3x8xf32>, %s: tensor<3xf32>, %c: !cache, %l: tensor<1xi32>,
                  %t: tensor<3xi32>, %oi: tensor<4x3x32xf32>, %li: tensor<4x3xf32>) -> (tensor<4x3x32xf32>, tensor<4x3xf32>) {
  %o, %lse = qattn.mla_decode ins(%q, %qr, %c, %l q_scale %s table %t : tensor<3x32xi8>, tensor<3x8xf32>, !cache,
          tensor<1xi32> q_scale tensor<3xf32> table tensor<3xi32>)
      outs(%oi, %li : tensor<4x3x32xf32>, tensor<4x3xf32>) {scale = 0.125 : f32, splits = 4 : i64}
      -> tensor<4x3x32xf32>, tensor<4x3xf32>
  return %o, %lse : tensor<4x3x32xf32>, tensor<4x3xf32>
}
