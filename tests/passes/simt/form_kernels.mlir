// RUN: %headrace_opt %s --simt-form-kernels --split-input-file | FileCheck %s
// RUN: %headrace_opt %s --simt-form-kernels=subgroup-width=64 --split-input-file | FileCheck %s --check-prefix=WIDE
// RUN: %headrace_opt %s --simt-form-kernels=cores=16 --split-input-file | FileCheck %s --check-prefix=CORES

// doc: plan
// 67 rows are 9 workgroups of two subgroups with four rows each.
!w = !qlinear.packed<67x96, #qlinear.gguf<q4_0>>

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: memref<96xf32>, %[[W:.*]]: memref<3618xi8>, %[[Y:.*]]: memref<67xf32>)
// CHECK-SAME: headrace.plan
// CHECK-NEXT: call @matvec_q4_0_67x96_f32(%[[W]], %[[X]], %[[Y]]) {headrace.grid = array<i64: 9, 1, 1>}
func.func @main(%x: tensor<96xf32>, %w: !w) -> tensor<67xf32> {
  %o = tensor.empty() : tensor<67xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<96xf32>) outs(%o : tensor<67xf32>) -> tensor<67xf32>
  return %y : tensor<67xf32>
}
// CHECK-LABEL: func.func private @matvec_q4_0_67x96_f32(
// CHECK-SAME: subgroup_rows = 4 : i64, workgroup = array<i32: 64, 1, 1>, workgroup_rows = 8 : i64
// CHECK: qlinear.matvec
// doc: end
// WIDE: workgroup = array<i32: 128, 1, 1>

// -----

// Gate and up share the registers of a subgroup; one row needs one subgroup.
!g = !qlinear.packed<1x256, #qlinear.gguf<q4_k>>

// CHECK-LABEL: func.func @gated(
// CHECK: call @gated_matvec_q4_k_1x256_silu_f32({{.*}}) {headrace.grid = array<i64: 1, 1, 1>}
// CHECK-LABEL: func.func private @gated_matvec_q4_k_1x256_silu_f32(
// CHECK-SAME: subgroup_rows = 1 : i64, workgroup = array<i32: 32, 1, 1>, workgroup_rows = 1 : i64
func.func @gated(%x: tensor<256xf32>, %g: !g, %u: !g) -> tensor<1xf32> {
  %o = tensor.empty() : tensor<1xf32>
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !g, !g, tensor<256xf32>) outs(%o : tensor<1xf32>) -> tensor<1xf32>
  return %y : tensor<1xf32>
}

// -----

// One workgroup has all columns, a lane for each, up to 1024.

// CHECK-LABEL: func.func @select(
// CHECK: call @select_columns_100_f32({{.*}}) {headrace.grid = array<i64: 1, 1, 1>}
// CHECK-LABEL: func.func private @select_columns_100_f32(
// CHECK-SAME: workgroup = array<i32: 128, 1, 1>
func.func @select(%x: tensor<100xf32>) -> (tensor<100xi32>, tensor<1xi32>) {
  %i = tensor.empty() : tensor<100xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 0.5 ins(%x : tensor<100xf32>)
      outs(%i, %c : tensor<100xi32>, tensor<1xi32>) -> tensor<100xi32>, tensor<1xi32>
  return %list, %count : tensor<100xi32>, tensor<1xi32>
}

// -----

// 256 rows of a band, or a part of a large one, are of one workgroup.
!z = !qlinear.packed<1100x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 1024>, padded = 2048x64>

// CHECK-LABEL: func.func @sparse(
// CHECK: call @sparse_matvec_q4_k_zigzag1024_1100x64_bf16({{.*}}) {headrace.grid = array<i64: 5, 1, 1>}
// CHECK-LABEL: func.func private @sparse_matvec_q4_k_zigzag1024_1100x64_bf16(
// CHECK-SAME: workgroup = array<i32: 512, 1, 1>, workgroup_rows = 256 : i64
func.func @sparse(%w: !z, %x: tensor<64xbf16>, %i: tensor<64xi32>, %c: tensor<1xi32>) -> tensor<1100xf32> {
  %o = tensor.empty() : tensor<1100xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : !z, tensor<64xbf16>, tensor<64xi32>, tensor<1xi32>)
      outs(%o : tensor<1100xf32>) -> tensor<1100xf32>
  return %y : tensor<1100xf32>
}

// -----

// As many workgroups as there are cores, if rows of a slice lie together in
// parts: 64 rows, of q6_k 128.
!z = !qlinear.packed<1024x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
!y = !qlinear.packed<1024x64, #qlinear.zigzag<#qlinear.gguf<q6_k>, band = 256>>

// CHECK-LABEL: func.func @parts(
// CHECK: array<i64: 4, 1, 1>
// CHECK: array<i64: 4, 1, 1>
// CORES-LABEL: func.func @parts(
// CORES: call @matvec_q4_k_zigzag_1024x64_f32({{.*}}) {headrace.grid = array<i64: 16, 1, 1>}
// CORES: call @matvec_q6_k_zigzag_1024x64_f32({{.*}}) {headrace.grid = array<i64: 8, 1, 1>}
// CORES: workgroup_rows = 64
// CORES: workgroup_rows = 128
func.func @parts(%z: !z, %y: !y, %x: tensor<64xf32>) -> (tensor<1024xf32>, tensor<1024xf32>) {
  %o = tensor.empty() : tensor<1024xf32>
  %a = qlinear.matvec ins(%z, %x : !z, tensor<64xf32>) outs(%o : tensor<1024xf32>) -> tensor<1024xf32>
  %b = qlinear.matvec ins(%y, %x : !y, tensor<64xf32>) outs(%o : tensor<1024xf32>) -> tensor<1024xf32>
  return %a, %b : tensor<1024xf32>, tensor<1024xf32>
}
