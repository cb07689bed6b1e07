// RUN: %headrace_opt %s --cpu-form-kernels --split-input-file | FileCheck %s

// Where the operands of a launch come from.

!w = !qlinear.packed<80x256, #qlinear.q4nx, padded = 96x256>
!s = !qlinear.packed<16x256, #qlinear.q4nx, padded = 32x256>

// Rows of a weight are a view of its bytes: no copy.
// CHECK-LABEL: func.func @slice(
// CHECK-SAME: %[[X:.*]]: memref<256xbf16>, %[[W:.*]]: memref<15360xi8>, %[[Y:.*]]: memref<16xf32>)
// CHECK: %[[AT:.*]] = arith.constant 10240 : index
// CHECK: %[[S:.*]] = memref.view %[[W]][%[[AT]]][] : memref<15360xi8> to memref<5120xi8>
// CHECK: call @matvec_q4nx_16x256_bf16(%[[S]], %[[X]], %[[Y]])
func.func @slice(%x: tensor<256xbf16>, %w: !w) -> tensor<16xf32> {
  %o = tensor.empty() : tensor<16xf32>
  %s = qlinear.slice %w rows [64, 16] : !w to !s
  %y = qlinear.matvec ins(%s, %x : !s, tensor<256xbf16>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

!w = !qlinear.packed<32x32, #qlinear.gguf<q8_0>>

// A result may be read by a later launch, and an argument may be an init, even
// one that is an input as well: it keeps what it holds.
// CHECK-LABEL: func.func @chain(
// CHECK-SAME: %[[W:.*]]: memref<1088xi8>, %[[X:.*]]: memref<32xf32>, %[[Y:.*]]: memref<32xf32>, %[[Z:.*]]: memref<32xf32>)
// CHECK-NEXT: call @matvec_q8_0_32x32_f32(%[[W]], %[[X]], %[[Y]])
// CHECK-NEXT: call @matvec_q8_0_32x32_f32(%[[W]], %[[Y]], %[[Z]])
// CHECK-NEXT: return
func.func @chain(%w: !w, %x: tensor<32xf32>) -> (tensor<32xf32>, tensor<32xf32>) {
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%x : tensor<32xf32>) -> tensor<32xf32>
  %z = qlinear.matvec ins(%w, %y : !w, tensor<32xf32>) outs(%x : tensor<32xf32>) -> tensor<32xf32>
  return %y, %z : tensor<32xf32>, tensor<32xf32>
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!q = !qlinear.packed<3x64, #qlinear.act_i8>

// Bytes are packed values already. Quantized activations may be a result.
// CHECK-LABEL: func.func @bytes(
// CHECK-SAME: %[[B:.*]]: memref<272xi8>, %[[X:.*]]: memref<3x64xf32>, %[[Q:.*]]: memref<240xi8>, %[[Y:.*]]: memref<3x4xf32>)
// CHECK-NEXT: call @quantize_act_i8_3x64(%[[X]], %[[Q]]) {headrace.grid = array<i64: 3, 1, 1>}
// CHECK-NEXT: call @matmul_q8_0_4x64_n3_i8(%[[B]], %[[Q]], %[[Y]]) {headrace.grid = array<i64: 1, 1, 1>}
func.func @bytes(%b: tensor<272xi8>, %x: tensor<3x64xf32>) -> (!q, tensor<3x4xf32>) {
  %o = tensor.empty() : tensor<3x4xf32>
  %w0 = qlinear.from_bytes %b : tensor<272xi8> to !w
  %c = qlinear.to_bytes %w0 : !w to tensor<272xi8>
  %w = qlinear.from_bytes %c : tensor<272xi8> to !w
  %q = qlinear.quantize %x : tensor<3x64xf32> to !q
  %y = qlinear.matmul ins(%w, %q : !w, !q) outs(%o : tensor<3x4xf32>) -> tensor<3x4xf32>
  return %q, %y : !q, tensor<3x4xf32>
}
