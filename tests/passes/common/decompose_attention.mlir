// RUN: %headrace_opt %s --decompose-qattn --canonicalize --cse | FileCheck %s

// Positions of queries from the offset; what is not seen has the score minus
// infinity, and its values are not multiplied.
// CHECK-LABEL: func @prefill(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<7x8x4xf32>, %[[K:[a-z0-9]+]]: tensor<9x2x4xf32>, %[[V:[a-z0-9]+]]: tensor<9x2x6xf32>,
// CHECK-DAG: %[[MINUS:.*]] = arith.constant 0xFF800000 : f32
// CHECK-DAG: %[[SCALE:.*]] = arith.constant 5.000000e-01 : f32
// CHECK-DAG: %[[CAP:.*]] = arith.constant 3.000000e+01 : f32
// CHECK: %[[MASK:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<7x9xi1>)
// CHECK: %[[POSITION:.*]] = arith.addi %{{.*}}, %{{.*}} : index
// CHECK: %[[DISTANCE:.*]] = arith.subi %[[POSITION]], %{{.*}} : index
// CHECK-DAG: %[[PAST:.*]] = arith.cmpi sge, %[[DISTANCE]], %c0
// CHECK-DAG: %[[NEAR:.*]] = arith.cmpi slt, %[[DISTANCE]], %c3
// CHECK: arith.andi %[[PAST]], %[[NEAR]] : i1
// Two groups of four heads, without copies of the keys.
// CHECK: %[[HEADS:.*]] = tensor.expand_shape %[[Q]] {{.*}} into tensor<7x2x4x4xf32>
// CHECK: %[[QK:.*]] = linalg.generic {{.*}} ins(%[[HEADS]], %[[K]] : {{.*}}) outs({{.*}} : tensor<7x2x4x9xf32>)
// CHECK: linalg.generic {{.*}} ins(%[[QK]], %[[MASK]] : {{.*}})
// CHECK: %[[S:.*]] = arith.mulf %{{.*}}, %[[SCALE]]
// CHECK: %[[R:.*]] = arith.divf %[[S]], %[[CAP]]
// CHECK: %[[T:.*]] = math.tanh %[[R]]
// CHECK: %[[C:.*]] = arith.mulf %[[T]], %[[CAP]]
// CHECK: arith.select %{{.*}}, %[[C]], %[[MINUS]]
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: math.log
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[MASK]], %[[V]] :
// CHECK: arith.mulf
// CHECK: %[[SUM:.*]] = arith.addf
// CHECK: arith.select %{{.*}}, %[[SUM]], %{{.*}} : f32
// CHECK: tensor.collapse_shape %{{.*}} into tensor<7x8x6xf32>
// CHECK-NOT: qattn
func.func @prefill(%q: tensor<7x8x4xf32>, %k: tensor<9x2x4xf32>, %v: tensor<9x2x6xf32>, %n: tensor<1xi32>,
                   %o: tensor<7x8x6xf32>, %l: tensor<7x8xf32>) -> (tensor<7x8x6xf32>, tensor<7x8xf32>) {
  %r:2 = qattn.prefill causal ins(%q, %k, %v offset %n : tensor<7x8x4xf32>, tensor<9x2x4xf32>, tensor<9x2x6xf32>, tensor<1xi32>)
      outs(%o, %l : tensor<7x8x6xf32>, tensor<7x8xf32>) {scale = 5.000000e-01 : f32, window = 3 : i64, softcap = 3.000000e+01 : f32}
      -> tensor<7x8x6xf32>, tensor<7x8xf32>
  return %r#0, %r#1 : tensor<7x8x6xf32>, tensor<7x8xf32>
}

// Both sides of a window; without one, every key is seen.
// CHECK-LABEL: func @bidirectional(
// CHECK-DAG: arith.cmpi slt, %{{.*}}, %c3
// CHECK-DAG: arith.cmpi sgt, %{{.*}}, %c-3
// CHECK-NOT: arith.cmpi sge
// CHECK: return
func.func @bidirectional(%q: tensor<7x2x4xf32>, %k: tensor<9x2x4xf32>, %v: tensor<9x2x4xf32>, %o: tensor<7x2x4xf32>) -> tensor<7x2x4xf32> {
  %r = qattn.prefill bidirectional ins(%q, %k, %v : tensor<7x2x4xf32>, tensor<9x2x4xf32>, tensor<9x2x4xf32>)
      outs(%o : tensor<7x2x4xf32>) {scale = 5.000000e-01 : f32, window = 3 : i64} -> tensor<7x2x4xf32>
  return %r : tensor<7x2x4xf32>
}

// In 8 bits: numbers of a head of a token by a scale, weights by one for each
// block of 128 keys.
// CHECK-LABEL: func @rounded(
// CHECK-DAG: arith.constant 1.270000e+02 : f32
// CHECK: math.absf
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<7x2x1x4xf32>)
// CHECK: math.exp
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<7x2x1x3xf32>)
// CHECK: tensor.extract
// CHECK: arith.maximumf
// CHECK-NOT: qattn
func.func @rounded(%q: tensor<7x2x4xf32>, %k: tensor<300x2x4xf32>, %v: tensor<300x2x4xf32>, %o: tensor<7x2x4xf32>) -> tensor<7x2x4xf32> {
  %r = qattn.prefill causal precision = i8 ins(%q, %k, %v : tensor<7x2x4xf32>, tensor<300x2x4xf32>, tensor<300x2x4xf32>)
      outs(%o : tensor<7x2x4xf32>) {scale = 5.000000e-01 : f32} -> tensor<7x2x4xf32>
  return %r : tensor<7x2x4xf32>
}

// A window of 5 of a ring of 16, in two parts: three tokens at most in each.
// CHECK-LABEL: func @decode(
// CHECK-SAME: %{{.*}}: tensor<8x4xf32>, %[[C:[a-z0-9]+]]: tensor<512xi8>, %[[N:[a-z0-9]+]]: tensor<1xi32>
// CHECK: %[[WORD:.*]] = tensor.extract %[[N]]
// CHECK: %[[LENGTH:.*]] = arith.index_cast %[[WORD]]
// CHECK: %[[END:.*]] = arith.maxsi %[[LENGTH]], %c0
// CHECK: arith.subi %[[END]], %c5
// CHECK: arith.subi %[[END]], %c16
// CHECK: %[[PART:.*]] = arith.divui %{{.*}}, %c2
// Each token is read once, whatever the number of heads.
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<2x3x2x4xf32>)
// CHECK: arith.remui %{{.*}}, %c16
// CHECK: tensor.extract %[[C]]
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<2x3x2x4xf32>)
// CHECK: %[[MASK:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<2x3xi1>)
// CHECK: linalg.generic {{.*}} outs({{.*}} : tensor<2x2x4x3xf32>)
// CHECK: return %{{.*}} : tensor<2x8x4xf32>, tensor<2x8xf32>
!ring = !qattn.kv_cache<16x2x4, bf16, layout = ring>
func.func @decode(%q: tensor<8x4xf32>, %c: !ring, %n: tensor<1xi32>, %o: tensor<2x8x4xf32>, %l: tensor<2x8xf32>)
    -> (tensor<2x8x4xf32>, tensor<2x8xf32>) {
  %r:2 = qattn.decode ins(%q, %c, %n : tensor<8x4xf32>, !ring, tensor<1xi32>)
      outs(%o, %l : tensor<2x8x4xf32>, tensor<2x8xf32>) {scale = 5.000000e-01 : f32, window = 5 : i64, splits = 2 : i64}
      -> tensor<2x8x4xf32>, tensor<2x8xf32>
  return %r#0, %r#1 : tensor<2x8x4xf32>, tensor<2x8xf32>
}

// The table is read for each token; pages it does not have are not seen.
// CHECK-LABEL: func @paged(
// CHECK-SAME: %[[TABLE:[a-z0-9]+]]: tensor<3xi32>
// CHECK: tensor.extract %[[TABLE]]
// CHECK: outs(%{{.*}} : tensor<1x12xi1>)
// CHECK: %[[ENTRY:.*]] = tensor.extract %[[TABLE]]
// CHECK: %[[PAGE:.*]] = arith.index_cast %[[ENTRY]]
// CHECK: arith.cmpi ult, %[[PAGE]], %c4
!paged = !qattn.kv_cache<16x2x4, f32, layout = paged<4>>
func.func @paged(%q: tensor<8x4xf32>, %c: !paged, %n: tensor<1xi32>, %t: tensor<3xi32>, %o: tensor<8x4xf32>, %l: tensor<8xf32>)
    -> (tensor<8x4xf32>, tensor<8xf32>) {
  %r:2 = qattn.decode ins(%q, %c, %n table %t : tensor<8x4xf32>, !paged, tensor<1xi32>, tensor<3xi32>)
      outs(%o, %l : tensor<8x4xf32>, tensor<8xf32>) {scale = 5.000000e-01 : f32} -> tensor<8x4xf32>, tensor<8xf32>
  return %r#0, %r#1 : tensor<8x4xf32>, tensor<8xf32>
}

// Parts that saw nothing are left out; results are in the inits.
// CHECK-LABEL: func @merge(
// CHECK-SAME: %[[P:[a-z0-9]+]]: tensor<4x8x6xf32>, %[[L:[a-z0-9]+]]: tensor<4x8xf32>, %[[O:[a-z0-9]+]]: tensor<8x6xf32>, %[[N:[a-z0-9]+]]: tensor<8xf32>
// CHECK: %[[MASK:.*]] = linalg.generic {{.*}} ins(%[[L]] : tensor<4x8xf32>) outs(%{{.*}} : tensor<4x8xi1>)
// CHECK: arith.cmpf une
// CHECK: %[[LSE:.*]] = linalg.generic {{.*}} outs(%[[N]] : tensor<8xf32>)
// CHECK: math.log
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[MASK]], %[[P]] :
// CHECK: %[[R:.*]] = linalg.generic {{.*}} outs(%[[O]] : tensor<8x6xf32>)
// CHECK: return %[[R]], %[[LSE]]
func.func @merge(%p: tensor<4x8x6xf32>, %s: tensor<4x8xf32>, %o: tensor<8x6xf32>, %l: tensor<8xf32>) -> (tensor<8x6xf32>, tensor<8xf32>) {
  %r:2 = qattn.merge_partials ins(%p, %s : tensor<4x8x6xf32>, tensor<4x8xf32>)
      outs(%o, %l : tensor<8x6xf32>, tensor<8xf32>) -> tensor<8x6xf32>, tensor<8xf32>
  return %r#0, %r#1 : tensor<8x6xf32>, tensor<8xf32>
}
