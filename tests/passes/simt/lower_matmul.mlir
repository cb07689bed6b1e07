// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-matmul --canonicalize --cse | FileCheck %s

// doc: q8_0
// Two slices of 256 rows for seven tokens, 16 columns at a time.
// CHECK-LABEL: func.func @main(
// CHECK:         call @matmul_q8_0_zigzag_300x40_n7_f32({{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @matmul_q8_0_zigzag_300x40_n7_f32(
// CHECK-SAME:    %[[W:[^:]*]]: memref<21760xi8>, %[[X:[^:]*]]: memref<7x40xf32>, %[[Y:[^:]*]]: memref<7x300xf32>)
// CHECK-DAG:     %[[WEIGHTS:.*]] = memref.alloca() : memref<16x264xf32, #gpu.address_space<workgroup>>
// CHECK-DAG:     %[[INPUTS:.*]] = memref.alloca() : memref<8x24xf32, #gpu.address_space<workgroup>>
// CHECK:         %[[SUMS:.*]]:4 = scf.for %[[COLUMN:.*]] = %c0 to %c40 step %c16
// Activations of columns that there are not are zero.
// CHECK:           scf.for
// CHECK:             %[[READ:.*]] = memref.load %[[X]]
// CHECK:             %[[ZERO:.*]] = arith.select %{{.*}}, %[[READ]], %cst
// CHECK:             memref.store %[[ZERO]], %[[INPUTS]]
// Each of eight subgroups decodes two columns.
// CHECK-COUNT-4:   vector.store %{{.*}}, %[[WEIGHTS]]
// CHECK:           gpu.barrier
// CHECK:           %[[A:.*]] = gpu.subgroup_mma_load_matrix %[[INPUTS]][%c0, %c0] {leadDimension = 24 : index}
// CHECK:           %[[B:.*]] = gpu.subgroup_mma_load_matrix %[[WEIGHTS]][%c0, %[[ROWS:.*]]] {leadDimension = 264 : index}
// CHECK:           gpu.subgroup_mma_compute %[[A]], %[[B]], %{{.*}} : !gpu.mma_matrix<8x8xf32, "AOp">, !gpu.mma_matrix<8x8xf32, "BOp"> -> !gpu.mma_matrix<8x8xf32, "COp">
// CHECK-COUNT-7:   gpu.subgroup_mma_compute
// CHECK:           gpu.barrier
// CHECK-COUNT-4: gpu.subgroup_mma_store_matrix %{{.*}}, %[[WEIGHTS]]
// CHECK:         gpu.barrier
// CHECK:         scf.if
// CHECK:           memref.store %{{.*}}, %[[Y]]
!w = !qlinear.packed<300x40, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>, padded = 512x40>
func.func @main(%w: !w, %x: tensor<7x40xf32>) -> tensor<7x300xf32> {
  %o = tensor.empty() : tensor<7x300xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<7x40xf32>) outs(%o : tensor<7x300xf32>) -> tensor<7x300xf32>
  return %y : tensor<7x300xf32>
}
// doc: end

// -----

// 40 tokens are two tiles of 32 for each of three slices; four matrices of
// tokens and four of rows have 16 sums. Whole turns need no zeros.
// CHECK-LABEL: func.func @tiles(
// CHECK:         call @matmul_q4_k_zigzag_768x64_n40_bf16({{.*}}) {headrace.grid = array<i64: 6, 1, 1>}
// CHECK-LABEL: func.func private @matmul_q4_k_zigzag_768x64_n40_bf16(
// CHECK:         scf.for
// CHECK-NOT:     arith.select
// CHECK:         arith.extf
// CHECK-COUNT-32: gpu.subgroup_mma_compute
// CHECK-NOT:     gpu.subgroup_mma_compute
// CHECK:         gpu.subgroup_mma_store_matrix
!w = !qlinear.packed<768x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
func.func @tiles(%w: !w, %x: tensor<40x64xbf16>) -> tensor<40x768xf32> {
  %o = tensor.empty() : tensor<40x768xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<40x64xbf16>) outs(%o : tensor<40x768xf32>) -> tensor<40x768xf32>
  return %y : tensor<40x768xf32>
}

// -----

// A slice of 128 rows has 16 teams, one for each column.
// CHECK-LABEL: func.func private @matmul_q4_0_zigzag128_128x32_n1_f32(
// CHECK:         memref.alloca() : memref<16x136xf32, #gpu.address_space<workgroup>>
// CHECK-COUNT-2: vector.store
// CHECK-NOT:     vector.store
// CHECK:         gpu.barrier
!w = !qlinear.packed<128x32, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 128>>
func.func @narrow(%w: !w, %x: tensor<1x32xf32>) -> tensor<1x128xf32> {
  %o = tensor.empty() : tensor<1x128xf32>
  %y = qlinear.matmul ins(%w, %x : !w, tensor<1x32xf32>) outs(%o : tensor<1x128xf32>) -> tensor<1x128xf32>
  return %y : tensor<1x128xf32>
}
