// RUN: %headrace_opt %s --decompose-qlinear --canonicalize --cse | FileCheck %s

// One row of 64 values: 64 integers, 2 scales, 2 sums.

// CHECK-LABEL: func @vector(
// CHECK-DAG: %[[TINY:.*]] = arith.constant 7.52316385E-37 : f32
// CHECK-DAG: %[[FULL:.*]] = arith.constant 1.270000e+02 : f32
// CHECK: %[[X:.*]] = tensor.expand_shape %{{.*}} output_shape [1, 2, 32]
// Largest magnitude of each group; NaN goes on.
// CHECK: %[[AMAX:.*]] = linalg.generic {{.*}} ins(%[[X]] :
// CHECK: math.absf
// CHECK-NEXT: arith.maximumf
// CHECK: %[[SCALE:.*]] = linalg.generic {{.*}} ins(%[[AMAX]] : tensor<1x2xf32>)
// CHECK: arith.divf %{{.*}}, %[[FULL]]
// CHECK-NEXT: arith.cmpf olt, %{{.*}}, %[[TINY]]
// CHECK: %[[Q:.*]] = linalg.generic {{.*}} ins(%[[X]], %[[AMAX]] :
// CHECK: arith.divf %[[FULL]], %{{.*}}
// CHECK: math.roundeven
// CHECK: arith.fptosi %{{.*}} : f32 to i8
// CHECK: %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[Q]] : tensor<1x2x32xi8>)
// The bytes, one by one.
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<80xi8>)
// CHECK: tensor.extract %[[Q]]
// CHECK: tensor.extract %[[SCALE]]
// CHECK: arith.bitcast %{{.*}} : f32 to i32
// CHECK: tensor.extract %[[SUM]]
func.func @vector(%x: tensor<64xf32>) -> !qlinear.packed<1x64, #qlinear.act_i8> {
  %q = qlinear.quantize %x : tensor<64xf32> to !qlinear.packed<1x64, #qlinear.act_i8>
  return %q : !qlinear.packed<1x64, #qlinear.act_i8>
}

// CHECK-LABEL: func @tokens(
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] output_shape [3, 2, 32]
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<240xi8>)
// CHECK: arith.divui %{{.*}}, %c80
func.func @tokens(%x: tensor<3x64xf32>) -> !qlinear.packed<3x64, #qlinear.act_i8> {
  %q = qlinear.quantize %x : tensor<3x64xf32> to !qlinear.packed<3x64, #qlinear.act_i8>
  return %q : !qlinear.packed<3x64, #qlinear.act_i8>
}
