// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-append --canonicalize --cse | FileCheck %s

// doc: i8
// A subgroup for each of four heads of two tokens.
// CHECK-LABEL: func.func @main(
// CHECK:         {headrace.grid = array<i64: 8, 1, 1>}
// CHECK-LABEL: func.func private @append_kv_kv_i8_2x4x64_of_48(
// CHECK-SAME:    %[[K:[^:]*]]: memref<2x4x64xf32>, %[[V:[^:]*]]: memref<2x4x64xf32>, %[[CACHE:[^:]*]]: memref<26112xi8>
// CHECK-SAME:    workgroup = array<i32: 32, 1, 1>
// CHECK:         %[[SCALES:.*]] = memref.view %[[CACHE]]{{.*}} to memref<6528xf32>
// CHECK:         %[[TOKEN:.*]] = arith.addi %{{.*}} : i32
// CHECK:         %[[VALID:.*]] = arith.cmpi ult, %[[TOKEN]], %c48_i32
// CHECK:         scf.if %[[VALID]]
// CHECK:           scf.for
// CHECK:             %[[BITS:.*]] = arith.bitcast %{{.*}} : f32 to i32
// CHECK:             %[[ABS:.*]] = arith.andi %[[BITS]], %c2147483647_i32
// CHECK:             arith.maxui %{{.*}}, %[[ABS]]
// CHECK:           gpu.subgroup_reduce maxui
// CHECK:           arith.divf %{{.*}}, %cst
// CHECK:           memref.store %[[SCALE:.*]], %[[SCALES]]
// CHECK:           scf.for
// CHECK:             %[[X:.*]] = memref.load %[[K]]
// CHECK:             arith.divf %[[X]], %[[SCALE]]
// CHECK:             arith.trunci %{{.*}} : i32 to i8
// CHECK:             memref.store %{{.*}}, %[[CACHE]]
// CHECK-NOT:     qattn.append_kv
!i8 = !qattn.kv_cache<48x4x64, i8, scale = per_token>
func.func @main(%k: tensor<2x4x64xf32>, %v: tensor<2x4x64xf32>, %cache: !i8, %position: tensor<1xi32>) -> !i8 {
  %new = qattn.append_kv %k, %v into %cache at %position
      : tensor<2x4x64xf32>, tensor<2x4x64xf32>, !i8, tensor<1xi32> -> !i8
  return %new : !i8
}
// doc: end

// -----

// A ring of five keeps the last five of seven tokens.
// CHECK-LABEL: func.func @ring(
// CHECK:         {headrace.grid = array<i64: 10, 1, 1>}
// CHECK-LABEL: func.func private @append_kv_kv_f16_7x2x8_of_5(
// CHECK:         %[[LAST:.*]] = arith.addi %{{.*}}, %c2 : index
// CHECK:         arith.remui %{{.*}}, %c5_i32
// CHECK:         arith.truncf %{{.*}} : f32 to f16
!ring = !qattn.kv_cache<5x2x8, f16, layout = ring>
func.func @ring(%k: tensor<7x2x8xf32>, %v: tensor<7x2x8xf32>, %cache: !ring, %position: tensor<1xi32>) -> !ring {
  %new = qattn.append_kv %k, %v into %cache at %position
      : tensor<7x2x8xf32>, tensor<7x2x8xf32>, !ring, tensor<1xi32> -> !ring
  return %new : !ring
}

// -----

// Tokens of pages follow each other. bf16 is rounded as integers.
// CHECK-LABEL: func.func @paged(
// CHECK:         {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @append_kv_kv_bf16_3x2x8_of_16(
// CHECK:         scf.for %{{.*}} = %c0 to %c3 step %c1
// CHECK:           %[[ENTRY:.*]] = memref.load %{{.*}} : memref<3xi32>
// CHECK:           arith.cmpi ult, %[[ENTRY]], %c4_i32
// CHECK:           arith.cmpf uno
!paged = !qattn.kv_cache<16x2x8, bf16, layout = paged<4>>
func.func @paged(%k: tensor<3x2x8xf32>, %v: tensor<3x2x8xf32>, %cache: !paged, %position: tensor<1xi32>, %table: tensor<3xi32>) -> !paged {
  %new = qattn.append_kv %k, %v into %cache at %position table %table
      : tensor<3x2x8xf32>, tensor<3x2x8xf32>, !paged, tensor<1xi32>, tensor<3xi32> -> !paged
  return %new : !paged
}
