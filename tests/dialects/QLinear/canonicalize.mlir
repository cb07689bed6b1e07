// RUN: %headrace_opt %s --canonicalize | FileCheck %s

!q8_0 = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

// CHECK-LABEL: func @to_bytes_of_from_bytes(
// CHECK-SAME: %[[BYTES:.*]]: tensor<272xi8>)
// CHECK-NEXT: return %[[BYTES]]
func.func @to_bytes_of_from_bytes(%bytes: tensor<272xi8>) -> tensor<272xi8> {
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  %b = qlinear.to_bytes %w : !q8_0 to tensor<272xi8>
  return %b : tensor<272xi8>
}

// The bytes of a view of a memref are not that memref.
// CHECK-LABEL: func @to_bytes_of_a_view
// CHECK: %[[W:.*]] = qlinear.from_bytes
// CHECK: %[[B:.*]] = qlinear.to_bytes %[[W]]
// CHECK: return %[[B]]
func.func @to_bytes_of_a_view(%bytes: memref<272xi8>) -> tensor<272xi8> {
  %w = qlinear.from_bytes %bytes : memref<272xi8> to !q8_0
  %b = qlinear.to_bytes %w : !q8_0 to tensor<272xi8>
  return %b : tensor<272xi8>
}

// CHECK-LABEL: func @from_bytes_of_to_bytes(
// CHECK-SAME: %[[W:.*]]: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>)
// CHECK-NEXT: return %[[W]]
func.func @from_bytes_of_to_bytes(%w: !q8_0) -> !q8_0 {
  %b = qlinear.to_bytes %w : !q8_0 to tensor<272xi8>
  %r = qlinear.from_bytes %b : tensor<272xi8> to !q8_0
  return %r : !q8_0
}

// The same bytes in another format are another matrix.
// CHECK-LABEL: func @other_format
// CHECK: %[[B:.*]] = qlinear.to_bytes
// CHECK: qlinear.from_bytes %[[B]]
func.func @other_format(%w: !q8_0) -> !qlinear.packed<2x128, #qlinear.gguf<q8_0>> {
  %b = qlinear.to_bytes %w : !q8_0 to tensor<272xi8>
  %r = qlinear.from_bytes %b : tensor<272xi8> to !qlinear.packed<2x128, #qlinear.gguf<q8_0>>
  return %r : !qlinear.packed<2x128, #qlinear.gguf<q8_0>>
}

// CHECK-LABEL: func @all_rows(
// CHECK-SAME: %[[W:[^:]*]]: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
// CHECK-NEXT: return %[[W]], %[[W]]
func.func @all_rows(%w: !q8_0, %i: index) -> (!q8_0, !q8_0) {
  %r = qlinear.slice %w rows [0, 4] : !q8_0 to !q8_0
  %s = qlinear.slice %w rows [%i, 4] : !q8_0 to !q8_0
  return %r, %s : !q8_0, !q8_0
}

// An offset that becomes known; one out of range stays, for the verifier would
// refuse it.
// CHECK-LABEL: func @known_offset
// CHECK: qlinear.slice %{{.*}} rows[2, 1]
// CHECK: qlinear.slice %{{.*}} rows[%{{.*}}, 1]
func.func @known_offset(%w: !q8_0) -> (!qlinear.packed<1x64, #qlinear.gguf<q8_0>>, !qlinear.packed<1x64, #qlinear.gguf<q8_0>>) {
  %c2 = arith.constant 2 : index
  %c4 = arith.constant 4 : index
  %r = qlinear.slice %w rows [%c2, 1] : !q8_0 to !qlinear.packed<1x64, #qlinear.gguf<q8_0>>
  %s = qlinear.slice %w rows [%c4, 1] : !q8_0 to !qlinear.packed<1x64, #qlinear.gguf<q8_0>>
  return %r, %s : !qlinear.packed<1x64, #qlinear.gguf<q8_0>>, !qlinear.packed<1x64, #qlinear.gguf<q8_0>>
}

!m = !qlinear.packed<100x256, #qlinear.q4nx, padded = 128x256>

// CHECK-LABEL: func @slices_of_slices
// CHECK-SAME: %[[W:[^:]*]]: {{.*}}, %[[I:[^:]*]]: index, %[[J:[^:]*]]: index)
// CHECK-DAG: qlinear.slice %[[W]] rows[96, 4]
// CHECK-DAG: %[[A:.*]] = arith.addi %[[I]], %[[J]] : index
// CHECK-DAG: qlinear.slice %[[W]] rows[%[[A]], 32]
// CHECK-NOT: qlinear.slice
// CHECK: return
func.func @slices_of_slices(%w: !m, %i: index, %j: index) -> (!qlinear.packed<4x256, #qlinear.q4nx, padded = 32x256>, !qlinear.packed<32x256, #qlinear.q4nx>) {
  %a = qlinear.slice %w rows [32, 68] : !m to !qlinear.packed<68x256, #qlinear.q4nx, padded = 96x256>
  %b = qlinear.slice %a rows [64, 4] : !qlinear.packed<68x256, #qlinear.q4nx, padded = 96x256> to !qlinear.packed<4x256, #qlinear.q4nx, padded = 32x256>
  %c = qlinear.slice %w rows [%i, 64] : !m to !qlinear.packed<64x256, #qlinear.q4nx>
  %d = qlinear.slice %c rows [%j, 32] : !qlinear.packed<64x256, #qlinear.q4nx> to !qlinear.packed<32x256, #qlinear.q4nx>
  return %b, %d : !qlinear.packed<4x256, #qlinear.q4nx, padded = 32x256>, !qlinear.packed<32x256, #qlinear.q4nx>
}

// Rows of one of the matrices are rows of that matrix; rows of two stay.
// CHECK-LABEL: func @slices_of_concat
// CHECK-SAME: %[[A:[^:]*]]: {{.*}}, %[[B:[^:]*]]: {{.*}})
// CHECK-DAG: qlinear.slice %[[B]] rows[1, 2]
// CHECK-DAG: %[[AB:.*]] = qlinear.concat
// CHECK-DAG: qlinear.slice %[[AB]] rows[3, 2]
func.func @slices_of_concat(%a: !q8_0, %b: !q8_0) -> (!qlinear.packed<2x64, #qlinear.gguf<q8_0>>, !qlinear.packed<2x64, #qlinear.gguf<q8_0>>, !q8_0) {
  %w = qlinear.concat %a, %b : !q8_0, !q8_0 to !qlinear.packed<8x64, #qlinear.gguf<q8_0>>
  %r = qlinear.slice %w rows [5, 2] : !qlinear.packed<8x64, #qlinear.gguf<q8_0>> to !qlinear.packed<2x64, #qlinear.gguf<q8_0>>
  %s = qlinear.slice %w rows [3, 2] : !qlinear.packed<8x64, #qlinear.gguf<q8_0>> to !qlinear.packed<2x64, #qlinear.gguf<q8_0>>
  %t = qlinear.slice %w rows [0, 4] : !qlinear.packed<8x64, #qlinear.gguf<q8_0>> to !q8_0
  return %r, %s, %t : !qlinear.packed<2x64, #qlinear.gguf<q8_0>>, !qlinear.packed<2x64, #qlinear.gguf<q8_0>>, !q8_0
}
