// RUN: %headrace_opt %s --decompose-qlinear --canonicalize | FileCheck %s

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

// Packed values are tensors of bytes, across calls too; to and from bytes is nothing.
// CHECK: func private @callee(tensor<272xi8>) -> tensor<272xi8>
func.func private @callee(!w) -> !w

// CHECK-LABEL: func @bytes(
// CHECK-SAME: %[[B:.*]]: tensor<272xi8>) -> tensor<272xi8>
// CHECK-NEXT: %[[C:.*]] = call @callee(%[[B]]) : (tensor<272xi8>) -> tensor<272xi8>
// CHECK-NEXT: return %[[C]]
func.func @bytes(%b: tensor<272xi8>) -> tensor<272xi8> {
  %0 = qlinear.from_bytes %b : tensor<272xi8> to !w
  %1 = call @callee(%0) : (!w) -> !w
  %2 = qlinear.to_bytes %1 : !w to tensor<272xi8>
  return %2 : tensor<272xi8>
}

// Rows of blocks are contiguous: 2 blocks of 5120 bytes for 32 rows.
!m = !qlinear.packed<80x512, #qlinear.q4nx, padded = 96x512>
!s = !qlinear.packed<16x512, #qlinear.q4nx, padded = 32x512>

// CHECK-LABEL: func @slice(
// CHECK: tensor.extract_slice %{{.*}}[20480] [10240] [1] : tensor<30720xi8> to tensor<10240xi8>
func.func @slice(%m: !m) -> !s {
  %s = qlinear.slice %m rows [64, 16] : !m to !s
  return %s : !s
}
