// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-select --canonicalize --cse | FileCheck %s
// RUN: not %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-select=subgroup-width=64 2>&1 | FileCheck %s --check-prefix=WIDE

// doc: select
// 256 columns: 8 subgroups of one step each.
// CHECK-LABEL: func.func private @select_columns_256_f32(
// CHECK-SAME:    %[[X:[^:]*]]: memref<256xf32>, %[[LIST:[^:]*]]: memref<256xi32>, %[[SIZE:[^:]*]]: memref<1xi32>
// CHECK-SAME:    workgroup = array<i32: 256, 1, 1>
// CHECK:         %[[SUBGROUP:.*]] = gpu.subgroup_id
// CHECK:         %[[LANE:.*]] = gpu.lane_id
// CHECK:         %[[COUNTS:.*]] = memref.alloca() : memref<8xi32, #gpu.address_space<workgroup>>
// CHECK:         %[[LARGE:.*]] = scf.for %{{.*}} = %[[FIRST:.*]] to %[[LAST:.*]] step %c32 iter_args
// CHECK:           %[[V:.*]] = memref.load %[[X]]
// CHECK:           %[[BITS:.*]] = arith.bitcast %[[V]] : f32 to i32
// CHECK:           %[[ABS:.*]] = arith.andi %[[BITS]], %c2147483647_i32
// CHECK:           arith.cmpi ugt, %[[ABS]], %c1040187392_i32
// CHECK:         %[[FOUND:.*]] = gpu.subgroup_reduce add %[[LARGE]] uniform
// CHECK:         memref.store %[[FOUND]], %[[COUNTS]][%[[SUBGROUP]]]
// CHECK:         gpu.barrier
// CHECK:         memref.load %[[COUNTS]]
// CHECK:         %[[BEFORE:.*]] = gpu.subgroup_reduce add
// CHECK:         %[[TOTAL:.*]] = gpu.subgroup_reduce add
// CHECK:         scf.for %{{.*}} = %[[FIRST]] to %[[LAST]] step %c32 iter_args(%[[NEXT:.*]] = %[[BEFORE]]) -> (i32)
// CHECK:           %[[ALL:.*]] = gpu.subgroup_reduce or
// CHECK:           %[[LOWER:.*]] = arith.andi %[[ALL]], %{{.*}} : i32
// CHECK:           %[[RANK:.*]] = math.ctpop %[[LOWER]]
// CHECK:           arith.addi %[[NEXT]], %[[RANK]]
// CHECK:           memref.store %{{.*}}, %[[LIST]]
// CHECK:           math.ctpop %[[ALL]]
// CHECK:         memref.store %c0_i32, %[[LIST]]
// CHECK:         memref.store %[[TOTAL]], %[[SIZE]][%c0]
// CHECK-NOT:     qlinear.select_columns
func.func @main(%x: tensor<256xf32>) -> (tensor<256xi32>, tensor<1xi32>) {
  %i = tensor.empty() : tensor<256xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 1.250000e-01 ins(%x : tensor<256xf32>)
      outs(%i, %c : tensor<256xi32>, tensor<1xi32>) -> tensor<256xi32>, tensor<1xi32>
  return %list, %count : tensor<256xi32>, tensor<1xi32>
}
// doc: end
// WIDE: expected subgroups of at most 32 lanes, and no more subgroups than lanes, but got 4 of 64

// -----

// A workgroup has 32 subgroups at most. Columns behind the last one are not
// large, and bf16 is the upper half of f32.
// CHECK-LABEL: func.func private @select_columns_1999_bf16(
// CHECK-SAME:    workgroup = array<i32: 1024, 1, 1>
// CHECK-DAG:     %[[ZERO:.*]] = arith.constant 0.000000e+00 : bf16
// CHECK:         %[[INSIDE:.*]] = arith.cmpi ult, %[[COLUMN:.*]], %[[LAST:.*]] :
// CHECK:         %[[V:.*]] = scf.if %[[INSIDE]] -> (bf16)
// CHECK:           memref.load %{{.*}}[%[[COLUMN]]] : memref<1999xbf16>
// CHECK:           scf.yield %[[ZERO]]
// CHECK:         %[[BITS:.*]] = arith.bitcast %[[V]] : bf16 to i16
// CHECK:         arith.shli %{{.*}}, %c16_i32
func.func @main(%x: tensor<1999xbf16>) -> (tensor<1999xi32>, tensor<1xi32>) {
  %i = tensor.empty() : tensor<1999xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 0.0 ins(%x : tensor<1999xbf16>)
      outs(%i, %c : tensor<1999xi32>, tensor<1xi32>) -> tensor<1999xi32>, tensor<1xi32>
  return %list, %count : tensor<1999xi32>, tensor<1xi32>
}

// -----

// On tensors there is nothing to store to yet.
// CHECK-LABEL: func.func private @tensors(
// CHECK:         qlinear.select_columns
func.func private @tensors(%x: tensor<19xf32>, %i: tensor<19xi32>, %c: tensor<1xi32>) -> tensor<1xi32> {
  %list, %count = qlinear.select_columns threshold = 0.0 ins(%x : tensor<19xf32>)
      outs(%i, %c : tensor<19xi32>, tensor<1xi32>) -> tensor<19xi32>, tensor<1xi32>
  return %count : tensor<1xi32>
}
