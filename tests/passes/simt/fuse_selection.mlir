// RUN: %headrace_opt %s --simt-form-kernels --simt-fuse-selection --split-input-file | FileCheck %s

// doc: gated
// CHECK-LABEL: func.func @gated(
// CHECK-SAME: %[[G:[^:]*]]: memref<100xf32>, %[[U:[^:]*]]: memref<100xf32>, %[[H:[^:]*]]: memref<100xf32>, %[[LIST:[^:]*]]: memref<100xi32>, %[[COUNT:[^:]*]]: memref<1xi32>)
// CHECK-NEXT: call @gated_activation_100_silu_select(%[[G]], %[[U]], %[[H]], %[[LIST]], %[[COUNT]]) {headrace.grid = array<i64: 1, 1, 1>}
// CHECK-NEXT: return
func.func @gated(%g: tensor<100xf32>, %u: tensor<100xf32>) -> (tensor<100xf32>, tensor<100xi32>, tensor<1xi32>) {
  %o = tensor.empty() : tensor<100xf32>
  %h = qlinear.gated_activation silu ins(%g, %u : tensor<100xf32>, tensor<100xf32>) outs(%o : tensor<100xf32>) -> tensor<100xf32>
  %i = tensor.empty() : tensor<100xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 0.5 ins(%h : tensor<100xf32>)
      outs(%i, %c : tensor<100xi32>, tensor<1xi32>) -> tensor<100xi32>, tensor<1xi32>
  return %h, %list, %count : tensor<100xf32>, tensor<100xi32>, tensor<1xi32>
}
// What is selected of is not read again: 400 bytes less than both move.
// CHECK: func.func private @gated_activation_100_silu_select(
// CHECK-SAME: bytes = 1604 : i64, element_bytes = array<i64: 4, 4, 4, 4, 4>, op = "qlinear.gated_activation"
// CHECK-SAME: workgroup = array<i32: 128, 1, 1>, workgroup_rows = 1
// CHECK-NEXT: qlinear.gated_activation silu
// CHECK-NEXT: qlinear.select_columns
// CHECK-NOT: func.func
// doc: end

// -----

// Another operation in between, and a selection of something else, have kernels
// of their own. A second norm, which nothing selects of, keeps its kernel.
// CHECK-LABEL: func.func @apart(
// CHECK: call @rms_norm_64_select(
// CHECK-NEXT: call @rms_norm_64(
// CHECK-NEXT: memref.alloc
// CHECK-NEXT: memref.alloc
// CHECK-NEXT: call @select_columns_64_f32(
// CHECK: func.func private @rms_norm_64_select(
func.func @apart(%x: tensor<64xf32>, %w: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xf32>, tensor<64xi32>) {
  %o = tensor.empty() : tensor<64xf32>
  %i = tensor.empty() : tensor<64xi32>
  %c = tensor.empty() : tensor<1xi32>
  %y = qlinear.rms_norm eps = 1.0e-6 ins(%x, %w : tensor<64xf32>, tensor<64xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  %list, %count = qlinear.select_columns threshold = 0.5 ins(%y : tensor<64xf32>)
      outs(%i, %c : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  %z = qlinear.rms_norm eps = 1.0e-6 ins(%y, %w : tensor<64xf32>, tensor<64xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  %other, %n = qlinear.select_columns threshold = 0.5 ins(%x : tensor<64xf32>)
      outs(%i, %c : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  return %y, %z, %list : tensor<64xf32>, tensor<64xf32>, tensor<64xi32>
}
