// RUN: %headrace_opt %s --outline-weights --canonicalize | FileCheck %s

// Packing moves to a function of its own.

!w = !qlinear.packed<2x8, #qlinear.affine<bits = 8, group = channel, scale = bf16>>

// doc: weights
// CHECK-LABEL: func @f_weights(
// CHECK-SAME: %[[CODES:.*]]: tensor<2x8xi8>, %[[SCALES:.*]]: tensor<2x2xi8>) -> tensor<20xi8>
// CHECK: tensor.insert_slice %[[CODES]]
// CHECK: tensor.insert_slice %[[SCALES]]
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape
// CHECK: return %[[FLAT]]
// CHECK-LABEL: func @f(
// CHECK-SAME: %[[X:.*]]: tensor<8xf32>, %[[Y:.*]]: tensor<2xf32>, %[[BYTES:.*]]: tensor<20xi8>) -> tensor<2xf32>
// CHECK-NOT: insert_slice
// CHECK: %[[W:.*]] = qlinear.from_bytes %[[BYTES]]
// CHECK: qlinear.matvec ins(%[[W]], %[[X]]
func.func @f(%codes: tensor<2x8xi8>, %x: tensor<8xf32>, %scales: tensor<2x2xi8>, %y: tensor<2xf32>) -> tensor<2xf32> {
  %e = tensor.empty() : tensor<2x10xi8>
  %a = tensor.insert_slice %codes into %e[0, 0] [2, 8] [1, 1] : tensor<2x8xi8> into tensor<2x10xi8>
  %b = tensor.insert_slice %scales into %a[0, 8] [2, 2] [1, 1] : tensor<2x2xi8> into tensor<2x10xi8>
  %flat = tensor.collapse_shape %b [[0, 1]] : tensor<2x10xi8> into tensor<20xi8>
  %w = qlinear.from_bytes %flat : tensor<20xi8> to !w
  %r = qlinear.matvec ins(%w, %x : !w, tensor<8xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}
// doc: end

// Two weights of one set of scales, and one that is stored already.
// CHECK-LABEL: func @shared_weights(
// CHECK-SAME: ) -> (tensor<20xi8>, tensor<20xi8>)
// CHECK-LABEL: func @shared(
// CHECK-SAME: %{{.*}}: tensor<8xf32>, %{{.*}}: tensor<2xf32>, %[[STORED:.*]]: tensor<20xi8>, %[[B0:.*]]: tensor<20xi8>, %[[B1:.*]]: tensor<20xi8>)
// CHECK-DAG: qlinear.from_bytes %[[STORED]]
// CHECK-DAG: qlinear.from_bytes %[[B0]]
// CHECK-DAG: qlinear.from_bytes %[[B1]]
func.func @shared(%x: tensor<8xf32>, %c0: tensor<2x8xi8>, %c1: tensor<2x8xi8>, %scales: tensor<2x2xi8>, %y: tensor<2xf32>, %stored: tensor<20xi8>) -> (tensor<2xf32>, tensor<2xf32>, tensor<2xf32>) {
  %e = tensor.empty() : tensor<2x10xi8>
  %s = tensor.insert_slice %scales into %e[0, 8] [2, 2] [1, 1] : tensor<2x2xi8> into tensor<2x10xi8>
  %a0 = tensor.insert_slice %c0 into %s[0, 0] [2, 8] [1, 1] : tensor<2x8xi8> into tensor<2x10xi8>
  %a1 = tensor.insert_slice %c1 into %s[0, 0] [2, 8] [1, 1] : tensor<2x8xi8> into tensor<2x10xi8>
  %f0 = tensor.collapse_shape %a0 [[0, 1]] : tensor<2x10xi8> into tensor<20xi8>
  %f1 = tensor.collapse_shape %a1 [[0, 1]] : tensor<2x10xi8> into tensor<20xi8>
  %w0 = qlinear.from_bytes %f0 : tensor<20xi8> to !w
  %w1 = qlinear.from_bytes %f1 : tensor<20xi8> to !w
  %w2 = qlinear.from_bytes %stored : tensor<20xi8> to !w
  %r0 = qlinear.matvec ins(%w0, %x : !w, tensor<8xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  %r1 = qlinear.matvec ins(%w1, %x : !w, tensor<8xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  %r2 = qlinear.matvec ins(%w2, %x : !w, tensor<8xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  return %r0, %r1, %r2 : tensor<2xf32>, tensor<2xf32>, tensor<2xf32>
}

// The argument is used for something else as well: it may be no weight.
// CHECK-LABEL: func @activations(
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape
// CHECK: qlinear.from_bytes %[[FLAT]]
func.func @activations(%x: tensor<8xf32>, %bytes: tensor<2x10xi8>, %y: tensor<2xf32>) -> (tensor<2xf32>, tensor<2x10xi8>) {
  %flat = tensor.collapse_shape %bytes [[0, 1]] : tensor<2x10xi8> into tensor<20xi8>
  %w = qlinear.from_bytes %flat : tensor<20xi8> to !w
  %r = qlinear.matvec ins(%w, %x : !w, tensor<8xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  return %r, %bytes : tensor<2xf32>, tensor<2x10xi8>
}

// A function that is called keeps its arguments.
// CHECK-LABEL: func private @called(
// CHECK: tensor.collapse_shape
func.func private @called(%x: tensor<8xf32>, %bytes: tensor<2x10xi8>, %y: tensor<2xf32>) -> tensor<2xf32> {
  %flat = tensor.collapse_shape %bytes [[0, 1]] : tensor<2x10xi8> into tensor<20xi8>
  %w = qlinear.from_bytes %flat : tensor<20xi8> to !w
  %r = qlinear.matvec ins(%w, %x : !w, tensor<8xf32>) outs(%y : tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}
func.func @calls(%x: tensor<8xf32>, %bytes: tensor<2x10xi8>, %y: tensor<2xf32>) -> tensor<2xf32> {
  %r = call @called(%x, %bytes, %y) : (tensor<8xf32>, tensor<2x10xi8>, tensor<2xf32>) -> tensor<2xf32>
  return %r : tensor<2xf32>
}
