// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-fetch --canonicalize --cse | FileCheck %s

// doc: f16
// A workgroup for each of seven tokens; nothing is read of those without a slot.
// CHECK-LABEL: func.func @main(
// CHECK:         {headrace.grid = array<i64: 7, 1, 1>}
// CHECK-LABEL: func.func private @fetch_kv_kv_f16_7x4x64_of_48(
// CHECK-SAME:    %[[CACHE:[^:]*]]: memref<49152xi8>, %{{[^:]*}}: memref<1xi32>, %[[K:[^:]*]]: memref<7x4x64xf32>, %[[V:[^:]*]]: memref<7x4x64xf32>
// CHECK-SAME:    workgroup = array<i32: 256, 1, 1>
// CHECK:         %[[VALID:.*]] = arith.cmpi ult, %{{.*}}, %c48_i32
// CHECK:         scf.for %{{.*}} = %{{.*}} to %c256 step %c256
// CHECK:           %[[KEY:.*]] = scf.if %[[VALID]] -> (f32) {
// CHECK:             arith.extf
// CHECK:           } else {
// CHECK:             scf.yield %cst
// CHECK:           memref.store %[[KEY]], %[[K]]
// CHECK:           memref.store %{{.*}}, %[[V]]
// CHECK-NOT:     qattn.fetch_kv
!f16 = !qattn.kv_cache<48x4x64, f16>
func.func @main(%cache: !f16, %start: tensor<1xi32>) -> (tensor<7x4x64xf32>, tensor<7x4x64xf32>) {
  %ki = tensor.empty() : tensor<7x4x64xf32>
  %vi = tensor.empty() : tensor<7x4x64xf32>
  %k, %v = qattn.fetch_kv ins(%cache, %start : !f16, tensor<1xi32>)
      outs(%ki, %vi : tensor<7x4x64xf32>, tensor<7x4x64xf32>) -> tensor<7x4x64xf32>, tensor<7x4x64xf32>
  return %k, %v : tensor<7x4x64xf32>, tensor<7x4x64xf32>
}
// doc: end

// -----

// Codes are multiplied with a scale, which lies between words here.
// CHECK-LABEL: func.func private @fetch_kv_kv_i8_2x1x3_of_5(
// CHECK:         %[[HALVES:.*]] = memref.view %{{.*}} to memref<35xi16>
// CHECK:           arith.sitofp
// CHECK-COUNT-2:   memref.load %[[HALVES]]
// CHECK:           arith.bitcast %{{.*}} : i32 to f32
// CHECK:           arith.mulf
!i8 = !qattn.kv_cache<5x1x3, i8, scale = per_token>
func.func @main(%cache: !i8, %start: tensor<1xi32>) -> (tensor<2x1x3xf32>, tensor<2x1x3xf32>) {
  %ki = tensor.empty() : tensor<2x1x3xf32>
  %vi = tensor.empty() : tensor<2x1x3xf32>
  %k, %v = qattn.fetch_kv ins(%cache, %start : !i8, tensor<1xi32>)
      outs(%ki, %vi : tensor<2x1x3xf32>, tensor<2x1x3xf32>) -> tensor<2x1x3xf32>, tensor<2x1x3xf32>
  return %k, %v : tensor<2x1x3xf32>, tensor<2x1x3xf32>
}
