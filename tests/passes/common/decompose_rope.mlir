// RUN: %headrace_opt %s --decompose-qattn --canonicalize --cse | FileCheck %s

// Values i and i + 4 of the first 8; the last one stays.
// CHECK-LABEL: func @halves(
// CHECK-SAME: %[[X:[a-z0-9]+]]: tensor<3x2x9xf32>, %[[P:[a-z0-9]+]]: tensor<3xi32>, %[[F:[a-z0-9]+]]: tensor<4xf32>
// CHECK: %[[COS:.*]] = linalg.generic {{.*}} ins(%[[P]], %[[F]] : {{.*}}) outs(%{{.*}} : tensor<3x4xf32>)
// CHECK: arith.sitofp
// CHECK: arith.mulf
// CHECK: math.floor
// CHECK: %[[C:.*]] = math.cos
// CHECK-NEXT: linalg.yield %[[C]]
// CHECK: %[[SIN:.*]] = linalg.generic
// CHECK: math.sin
// CHECK: %[[Y:.*]] = linalg.generic {{.*}} ins(%[[X]] :
// CHECK: %[[D:.*]] = linalg.index 2
// CHECK: %[[TURNED:.*]] = arith.cmpi ult, %[[D]], %c8
// CHECK: %[[INSIDE:.*]] = arith.select %[[TURNED]], %[[D]], %c0
// CHECK: %[[HALF:.*]] = arith.divui %[[INSIDE]], %c4
// CHECK: %[[PAIR:.*]] = arith.remui %[[INSIDE]], %c4
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[HALF]], %c0
// CHECK-DAG: %[[AFTER:.*]] = arith.addi %[[INSIDE]], %c4
// CHECK-DAG: %[[BEFORE:.*]] = arith.subi %[[INSIDE]], %c4
// CHECK: %[[PARTNER:.*]] = arith.select %[[FIRST]], %[[AFTER]], %[[BEFORE]]
// CHECK: tensor.extract %[[X]][%{{.*}}, %{{.*}}, %[[PARTNER]]]
// CHECK: tensor.extract %[[COS]][%{{.*}}, %[[PAIR]]]
// CHECK: %[[ALONG:.*]] = arith.mulf
// CHECK: tensor.extract %[[SIN]][%{{.*}}, %[[PAIR]]]
// CHECK: %[[ACROSS:.*]] = arith.mulf
// CHECK-DAG: %[[LESS:.*]] = arith.subf %[[ALONG]], %[[ACROSS]]
// CHECK-DAG: %[[MORE:.*]] = arith.addf %[[ALONG]], %[[ACROSS]]
// CHECK: %[[ROTATED:.*]] = arith.select %[[FIRST]], %[[LESS]], %[[MORE]]
// CHECK: arith.select %[[TURNED]], %[[ROTATED]], %{{.*}} : f32
func.func @halves(%x: tensor<3x2x9xf32>, %p: tensor<3xi32>, %f: tensor<4xf32>, %o: tensor<3x2x9xf32>) -> tensor<3x2x9xf32> {
  %y = qattn.rope ins(%x, %p, %f : tensor<3x2x9xf32>, tensor<3xi32>, tensor<4xf32>) outs(%o : tensor<3x2x9xf32>) -> tensor<3x2x9xf32>
  return %y : tensor<3x2x9xf32>
}

// Neighbours are a pair; the magnitude multiplies both.
// CHECK-LABEL: func @neighbours(
// CHECK: %[[MAGNITUDE:.*]] = arith.constant 1.250000e+00 : f32
// CHECK: %[[C:.*]] = math.cos
// CHECK: arith.mulf %[[C]], %[[MAGNITUDE]]
// CHECK: %[[S:.*]] = math.sin
// CHECK: arith.mulf %[[S]], %[[MAGNITUDE]]
// CHECK: %[[PAIR:.*]] = arith.divui %{{.*}}, %c2
// CHECK: %[[NUMBER:.*]] = arith.remui %{{.*}}, %c2
// CHECK: arith.cmpi eq, %[[NUMBER]], %c0
// CHECK: tensor.extract %{{.*}}[%{{.*}}, %[[PAIR]]]
func.func @neighbours(%x: tensor<3x2x8xf32>, %p: tensor<3xi32>, %f: tensor<4xf32>, %o: tensor<3x2x8xf32>) -> tensor<3x2x8xf32> {
  %y = qattn.rope interleaved ins(%x, %p, %f : tensor<3x2x8xf32>, tensor<3xi32>, tensor<4xf32>)
      outs(%o : tensor<3x2x8xf32>) {magnitude = 1.250000e+00 : f32} -> tensor<3x2x8xf32>
  return %y : tensor<3x2x8xf32>
}
