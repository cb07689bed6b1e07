// RUN: %headrace_opt %s --decompose-qlinear --canonicalize --cse | FileCheck %s --implicit-check-not=qlinear.

// Products are decoded weights times activations; nothing packed is left.

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!q = !qlinear.packed<1x64, #qlinear.act_i8>

// doc: matvec
// CHECK-LABEL: func @matvec(
// CHECK-SAME: %[[W:.*]]: tensor<272xi8>, %[[X:.*]]: tensor<64xf32>
// CHECK: %[[D:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<4x64xf32>)
// CHECK: linalg.index 0
// CHECK: linalg.index 1
// CHECK: tensor.extract %[[W]][%{{.*}}] : tensor<272xi8>
// CHECK: %[[ZERO:.*]] = linalg.fill
// CHECK: %[[Y:.*]] = linalg.matvec ins(%[[D]], %[[X]] : tensor<4x64xf32>, tensor<64xf32>) outs(%[[ZERO]] : tensor<4xf32>)
// CHECK: return %[[Y]]
func.func @matvec(%w: !w, %x: tensor<64xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  %y = qlinear.matvec ins(%w, %x : !w, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
// doc: end

// Packed activations are decoded as well: the integers, and the scale of the
// group in the four bytes at 64 + 4 * group.
// CHECK-LABEL: func @packed_activations(
// CHECK-SAME: %{{.*}}: tensor<272xi8>, %[[Q:.*]]: tensor<80xi8>
// CHECK: %[[X:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x64xf32>)
// CHECK: %[[COL:.*]] = linalg.index 1
// CHECK: tensor.extract %[[Q]][%[[COL]]]
// CHECK: arith.addi %{{.*}}, %c64
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape %[[X]]
// CHECK: linalg.matvec ins(%{{.*}}, %[[FLAT]] :
func.func @packed_activations(%w: !w, %q: !q, %o: tensor<4xf32>) -> tensor<4xf32> {
  %y = qlinear.matvec ins(%w, %q : !w, !q) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// CHECK-LABEL: func @matmul(
// CHECK-SAME: %{{.*}}: tensor<272xi8>, %[[XS:.*]]: tensor<3x64xbf16>
// CHECK: %[[X:.*]] = linalg.generic {{.*}} ins(%[[XS]]
// CHECK: arith.extf %{{.*}} : bf16 to f32
// CHECK: %[[D:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<4x64xf32>)
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction"]} ins(%[[X]], %[[D]] : tensor<3x64xf32>, tensor<4x64xf32>)
// CHECK: arith.mulf
// CHECK-NEXT: arith.addf
func.func @matmul(%w: !w, %x: tensor<3x64xbf16>, %o: tensor<3x4xf32>) -> tensor<3x4xf32> {
  %y = qlinear.matmul ins(%w, %x : !w, tensor<3x64xbf16>) outs(%o : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %y : tensor<3x4xf32>
}
