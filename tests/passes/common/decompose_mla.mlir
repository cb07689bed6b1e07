// RUN: %headrace_opt %s --decompose-qattn --canonicalize --cse | FileCheck %s --implicit-check-not=qattn.

// Latents are decoded, masked and attended to; nothing of a cache is left.

!cache = !qattn.mla_cache<96x32+8, bf16>
!ring = !qattn.mla_cache<96x32+8, f32, layout = ring>

// CHECK-LABEL: func @quantize(
// CHECK-SAME: %[[C:[a-z0-9]*]]: tensor<5x32xf32>, %[[R:[a-z0-9]*]]: tensor<5x8xf32>
// CHECK: %[[CM:.*]] = linalg.generic {{.*}}"reduction"]} ins(%[[C]] :
// CHECK: math.absf
// CHECK: arith.maximumf
// CHECK: %[[RM:.*]] = linalg.generic {{.*}}"reduction"]} ins(%[[R]] :
// CHECK: %[[S:.*]] = linalg.generic {{.*}} ins(%[[CM]], %[[RM]] :
// CHECK: %[[CODES:.*]] = linalg.generic {{.*}} ins(%[[C]], %[[S]] : {{.*}} outs(%{{.*}} : tensor<5x32xi8>)
// CHECK: arith.divf
// CHECK: arith.trunci %{{.*}} : i32 to i8
// CHECK: %[[SCALED:.*]] = linalg.generic {{.*}} ins(%[[R]], %[[S]] : {{.*}} outs(%{{.*}} : tensor<5x8xf32>)
// CHECK: return %[[CODES]], %[[S]], %[[SCALED]]
func.func @quantize(%c: tensor<5x32xf32>, %r: tensor<5x8xf32>, %ci: tensor<5x32xi8>, %si: tensor<5xf32>,
                    %ri: tensor<5x8xf32>) -> (tensor<5x32xi8>, tensor<5xf32>, tensor<5x8xf32>) {
  %x:3 = qattn.quantize_kv ins(%c, %r : tensor<5x32xf32>, tensor<5x8xf32>)
      outs(%ci, %si, %ri : tensor<5x32xi8>, tensor<5xf32>, tensor<5x8xf32>)
      -> tensor<5x32xi8>, tensor<5xf32>, tensor<5x8xf32>
  return %x#0, %x#1, %x#2 : tensor<5x32xi8>, tensor<5xf32>, tensor<5x8xf32>
}

// All heads share content and rotated keys.
// CHECK-LABEL: func @decode(
// CHECK-SAME: %[[Q:[a-z0-9]*]]: tensor<3x32xf32>, %[[QR:[a-z0-9]*]]: tensor<3x8xf32>, %[[B:[a-z0-9]*]]: tensor<7680xi8>
// CHECK: %[[CONTENT:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x96x32xf32>)
// CHECK: tensor.extract %[[B]]
// CHECK: %[[ROPE:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x96x8xf32>)
// CHECK: %[[MASK:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x96xi1>)
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x96x40xf32>)
// CHECK: tensor.extract %[[CONTENT]]
// CHECK: tensor.extract %[[ROPE]]
// CHECK: math.exp
// CHECK: math.log
// CHECK: return %{{.*}}, %{{.*}} : tensor<3x32xf32>, tensor<3xf32>
func.func @decode(%q: tensor<3x32xf32>, %qr: tensor<3x8xf32>, %c: !cache, %l: tensor<1xi32>,
                  %oi: tensor<3x32xf32>, %li: tensor<3xf32>) -> (tensor<3x32xf32>, tensor<3xf32>) {
  %o, %lse = qattn.mla_decode ins(%q, %qr, %c, %l : tensor<3x32xf32>, tensor<3x8xf32>, !cache, tensor<1xi32>)
      outs(%oi, %li : tensor<3x32xf32>, tensor<3xf32>) {scale = 0.125 : f32} -> tensor<3x32xf32>, tensor<3xf32>
  return %o, %lse : tensor<3x32xf32>, tensor<3xf32>
}

// Unabsorbed, keys and values of each head and token are formed.
// CHECK-LABEL: func @attention(
// CHECK-SAME: %[[WK:[a-z0-9]*]]: tensor<3x5x32xf32>, %[[WV:[a-z0-9]*]]: tensor<3x7x32xf32>
// CHECK: arith.remui %{{.*}}, %c96
// CHECK: linalg.generic {{.*}} ins(%[[WK]], %{{.*}} outs(%{{.*}} : tensor<96x3x5xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[WV]], %{{.*}} outs(%{{.*}} : tensor<96x3x7xf32>)
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<96x3x13xf32>)
// CHECK: math.exp
// CHECK: return %{{.*}} : tensor<3x7xf32>
func.func @attention(%q: tensor<3x5xf32>, %qr: tensor<3x8xf32>, %wk: tensor<3x5x32xf32>, %wv: tensor<3x7x32xf32>,
                     %c: !ring, %l: tensor<1xi32>, %oi: tensor<3x7xf32>) -> tensor<3x7xf32> {
  %o = qattn.mla_attention ins(%q, %qr, %wk, %wv, %c, %l : tensor<3x5xf32>, tensor<3x8xf32>, tensor<3x5x32xf32>,
          tensor<3x7x32xf32>, !ring, tensor<1xi32>)
      outs(%oi : tensor<3x7xf32>) {scale = 0.125 : f32} -> tensor<3x7xf32>
  return %o : tensor<3x7xf32>
}
