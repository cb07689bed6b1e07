// RUN: %headrace_opt %s --simt-form-kernels --simt-split-columns="cores=8 read-bandwidth=100 overhead-us=5" --split-input-file | FileCheck %s
// RUN: %headrace_opt %s --simt-form-kernels --simt-split-columns --split-input-file | FileCheck %s --check-prefix=WHOLE
// RUN: %headrace_opt %s --simt-form-kernels --simt-split-columns="cores=2 read-bandwidth=100 overhead-us=5" --split-input-file | FileCheck %s --check-prefix=WHOLE
// RUN: not %headrace_opt %s --simt-form-kernels --simt-split-columns="cores=8 read-bandwidth=0" --split-input-file 2>&1 | FileCheck %s --check-prefix=OPTION

// OPTION: simt-split-columns: expected cores of 0 or above, a read-bandwidth above 0 and overhead-us of 0 or above, but got 8, 0.000000e+00 and 0.000000e+00
// WHOLE-NOT: memref.alloc
// WHOLE-NOT: splits

// doc: matvec
// Two slices of rows leave six of eight cores idle; four parts of the columns
// do not.
!w = !qlinear.packed<512x8192, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>

// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[W:.*]]: memref<4456448xi8>, %[[X:.*]]: memref<8192xf32>, %[[Y:.*]]: memref<512xf32>)
// CHECK-NEXT: %[[PARTS:.*]] = memref.alloc() {alignment = 64 : i64} : memref<4x512xf32>
// CHECK-NEXT: call @matvec_q8_0_zigzag_512x8192_f32(%[[W]], %[[X]], %[[PARTS]]) {headrace.grid = array<i64: 2, 4, 1>}
// CHECK-NEXT: call @matvec_q8_0_zigzag_512x8192_f32_sum(%[[PARTS]], %[[Y]]) {headrace.grid = array<i64: 8, 1, 1>}
func.func @main(%w: !w, %x: tensor<8192xf32>) -> tensor<512xf32> {
  %o = tensor.empty() : tensor<512xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<8192xf32>) outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}
// CHECK-LABEL: func.func private @matvec_q8_0_zigzag_512x8192_f32(
// CHECK-SAME: %[[TO:[^:]*]]: memref<4x512xf32>)
// 6144 more than without parts are written.
// CHECK-SAME: bytes = 4497408 : i64
// CHECK-SAME: splits = 4 : i64
// CHECK: %[[SPLIT:.*]] = gpu.block_id y
// CHECK: %[[PART:.*]] = memref.subview %[[TO]][%[[SPLIT]], 0] [1, 512] [1, 1] : memref<4x512xf32> to memref<512xf32, strided<[1], offset: ?>>
// CHECK: qlinear.matvec {{.*}} outs(%[[PART]] :
// doc: end

// One part after the other, so in any order of the workgroups the same.
// CHECK-LABEL: func.func private @matvec_q8_0_zigzag_512x8192_f32_sum(
// CHECK-SAME: %[[FROM:[^:]*]]: memref<4x512xf32>, %[[TO:[^:]*]]: memref<512xf32>)
// CHECK-SAME: workgroup = array<i32: 64, 1, 1>, workgroup_rows = 64 : i64
// CHECK: %[[SUM:.*]] = scf.for %[[I:.*]] = %c0{{.*}} to %c4{{.*}} iter_args(%[[OLD:.*]] =
// CHECK:   %[[ONE:.*]] = memref.load %[[FROM]][%[[I]], %[[ROW:.*]]]
// CHECK:   arith.addf %[[OLD]], %[[ONE]]
// CHECK: memref.store %[[SUM]], %[[TO]][%[[ROW]]]

// -----

// Gate and up have sums of their own; the function is behind them. What one
// kernel computes for two calls is split once.
!w = !qlinear.packed<300x16384, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>, padded = 512x16384>

// CHECK-LABEL: func.func @gated(
// CHECK-COUNT-2: call @[[PARTS:gated_matvec[a-z0-9_]*]](
// CHECK-NOT: @[[PARTS]]_sum_
// CHECK-LABEL: func.func private @gated_matvec_q4_k_zigzag_300x16384_silu_f32(
// CHECK-SAME: memref<4x2x300xf32>)
// CHECK-DAG: %[[GATE:.*]] = memref.subview %{{.*}}[%{{.*}}, 0, 0] [1, 1, 300] [1, 1, 1]
// CHECK-DAG: %[[UP:.*]] = memref.subview %{{.*}}[%{{.*}}, 1, 0] [1, 1, 300] [1, 1, 1]
// CHECK-DAG: qlinear.matvec {{.*}} outs(%[[GATE]] :
// CHECK-DAG: qlinear.matvec {{.*}} outs(%[[UP]] :
// CHECK-NOT: qlinear.gated_matvec
// CHECK-LABEL: func.func private @gated_matvec_q4_k_zigzag_300x16384_silu_f32_sum(
// CHECK: arith.cmpi ult
// CHECK: scf.for
// CHECK: math.exp
// CHECK: scf.for
// CHECK: arith.mulf
// CHECK: memref.store
// CHECK-NOT: func.func
func.func @gated(%g: !w, %u: !w, %x: tensor<16384xf32>) -> (tensor<300xf32>, tensor<300xf32>) {
  %o = tensor.empty() : tensor<300xf32>
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !w, !w, tensor<16384xf32>) outs(%o : tensor<300xf32>) -> tensor<300xf32>
  %z = qlinear.gated_matvec silu ins(%u, %g, %x : !w, !w, tensor<16384xf32>) outs(%o : tensor<300xf32>) -> tensor<300xf32>
  return %y, %z : tensor<300xf32>, tensor<300xf32>
}

// -----

// Weights in rows have a workgroup for a few rows.
!w = !qlinear.packed<64x16384, #qlinear.gguf<q4_k>>

// CHECK-LABEL: func.func @rows(
// CHECK-NOT: memref.alloc
func.func @rows(%w: !w, %x: tensor<16384xf32>) -> tensor<64xf32> {
  %o = tensor.empty() : tensor<64xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<16384xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}
