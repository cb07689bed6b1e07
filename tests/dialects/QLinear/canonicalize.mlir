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
