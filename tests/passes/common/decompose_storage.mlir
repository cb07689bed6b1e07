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

// An offset that is known at run time, of rows in blocks of 32.
// CHECK-LABEL: func @slice_at_run_time(
// CHECK-SAME: %[[M:[^:]*]]: tensor<30720xi8>, %[[I:[^:]*]]: index)
// CHECK: %[[BLOCK:.*]] = arith.divui %[[I]], %c32 : index
// CHECK: %[[BYTE:.*]] = arith.muli %[[BLOCK]], %c10240 : index
// CHECK: tensor.extract_slice %[[M]][%[[BYTE]]] [10240] [1] : tensor<30720xi8> to tensor<10240xi8>
func.func @slice_at_run_time(%m: !m, %i: index) -> !qlinear.packed<32x512, #qlinear.q4nx> {
  %s = qlinear.slice %m rows [%i, 32] : !m to !qlinear.packed<32x512, #qlinear.q4nx>
  return %s : !qlinear.packed<32x512, #qlinear.q4nx>
}

// Every row needs the scale of the tensor, 4 bytes in front of rows of 18.
// CHECK-LABEL: func @slice_with_header(
// CHECK-SAME: %[[M:.*]]: tensor<76xi8>)
// CHECK-DAG: %[[ROWS:.*]] = tensor.extract_slice %[[M]][22] [36] [1] : tensor<76xi8> to tensor<36xi8>
// CHECK-DAG: %[[HEAD:.*]] = tensor.extract_slice %[[M]][0] [4] [1] : tensor<76xi8> to tensor<4xi8>
// CHECK: %[[B:.*]] = tensor.insert_slice %[[HEAD]] into %{{.*}}[0] [4] [1] : tensor<4xi8> into tensor<40xi8>
// CHECK: tensor.insert_slice %[[ROWS]] into %[[B]][4] [36] [1] : tensor<36xi8> into tensor<40xi8>
func.func @slice_with_header(%m: !qlinear.packed<4x32, #qlinear.nvfp4>) -> !qlinear.packed<2x32, #qlinear.nvfp4> {
  %s = qlinear.slice %m rows [1, 2] : !qlinear.packed<4x32, #qlinear.nvfp4> to !qlinear.packed<2x32, #qlinear.nvfp4>
  return %s : !qlinear.packed<2x32, #qlinear.nvfp4>
}
