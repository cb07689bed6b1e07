// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-fuse-selection --simt-lower-select --simt-lower-rows --canonicalize --cse | FileCheck %s

// doc: norm
// CHECK-LABEL: func.func private @rms_norm_3x64(
// CHECK-SAME:    %[[X:[^:]*]]: memref<3x64xf32>, %[[W:[^:]*]]: memref<64xf32>, %[[Y:[^:]*]]: memref<3x64xf32>)
// CHECK-DAG:     %[[ROW:.*]] = gpu.block_id x
// CHECK-DAG:     %[[SQUARES:.*]] = memref.alloca() : memref<2xf32, #gpu.address_space<workgroup>>
// CHECK:         scf.for
// CHECK:           %[[ONE:.*]] = memref.load %[[X]][%[[ROW]], %{{.*}}]
// CHECK:           math.fma %[[ONE]], %[[ONE]]
// CHECK:         gpu.subgroup_reduce add
// CHECK:         memref.store %{{.*}}, %[[SQUARES]]
// CHECK:         gpu.barrier
// CHECK:         %[[ALL:.*]] = gpu.subgroup_reduce add
// CHECK:         arith.mulf %[[ALL]], %cst{{.*}} : f32
// CHECK:         math.sqrt
// CHECK:         scf.for
// CHECK:           %[[FACTOR:.*]] = memref.load %[[W]]
// CHECK:           arith.addf %[[FACTOR]], %cst
// CHECK:           memref.store %{{.*}}, %[[Y]][%[[ROW]], %{{.*}}]
func.func @norm(%x: tensor<3x64xf32>, %w: tensor<64xf32>) -> tensor<3x64xf32> {
  %o = tensor.empty() : tensor<3x64xf32>
  %y = qlinear.rms_norm eps = 1.0e-6 add_unit ins(%x, %w : tensor<3x64xf32>, tensor<64xf32>) outs(%o : tensor<3x64xf32>) -> tensor<3x64xf32>
  return %y : tensor<3x64xf32>
}
// doc: end

// -----

// 300 values are of two workgroups.
// CHECK-LABEL: func.func @gate(
// CHECK:         {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @gated_activation_3x100_gelu_tanh(
// CHECK:         %[[ROW:.*]] = arith.divui %[[AT:.*]], %c100
// CHECK:         %[[THERE:.*]] = arith.cmpi ult, %[[AT]], %c300
// CHECK:         scf.if %[[THERE]]
// CHECK:           memref.store %{{.*}}, %{{.*}}[%[[ROW]], %{{.*}}]
func.func @gate(%g: tensor<3x100xf32>, %u: tensor<3x100xf32>) -> tensor<3x100xf32> {
  %o = tensor.empty() : tensor<3x100xf32>
  %y = qlinear.gated_activation gelu_tanh ins(%g, %u : tensor<3x100xf32>, tensor<3x100xf32>) outs(%o : tensor<3x100xf32>) -> tensor<3x100xf32>
  return %y : tensor<3x100xf32>
}

// -----

// A value is counted where it is computed, and read again by the same thread.
// CHECK-LABEL: func.func private @gated_activation_64_silu_select(
// CHECK-SAME:    %{{[^:]*}}: memref<64xf32>, %{{[^:]*}}: memref<64xf32>, %[[H:[^:]*]]: memref<64xf32>, %[[LIST:[^:]*]]: memref<64xi32>
// CHECK:         scf.for %[[START:[a-z0-9]+]] =
// CHECK:           %[[COLUMN:.*]] = arith.addi %[[START]], %[[LANE:.*]] :
// CHECK:           math.exp
// CHECK:           memref.store %[[VALUE:.*]], %[[H]][%[[COLUMN]]]
// CHECK:           %[[BITS:.*]] = arith.bitcast %[[VALUE]]
// CHECK:         gpu.barrier
// CHECK:         scf.for %[[AGAIN:[a-z0-9]+]] =
// CHECK:           %[[SAME:.*]] = arith.addi %[[AGAIN]], %[[LANE]] :
// CHECK:           memref.load %[[H]][%[[SAME]]]
// CHECK:           memref.store %{{.*}}, %[[LIST]]
func.func @select(%g: tensor<64xf32>, %u: tensor<64xf32>) -> (tensor<64xf32>, tensor<64xi32>) {
  %o = tensor.empty() : tensor<64xf32>
  %h = qlinear.gated_activation silu ins(%g, %u : tensor<64xf32>, tensor<64xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  %i = tensor.empty() : tensor<64xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 0.5 ins(%h : tensor<64xf32>)
      outs(%i, %c : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  return %h, %list : tensor<64xf32>, tensor<64xi32>
}
