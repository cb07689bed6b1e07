// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-zigzag --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-split-columns="cores=40" --simt-lower-zigzag --canonicalize --cse | FileCheck %s --check-prefix=SPLIT
// RUN: %headrace_opt %s --split-input-file --simt-form-kernels="cores=8" --simt-lower-zigzag --canonicalize --cse | FileCheck %s --check-prefix=QUARTER

// doc: matvec
// CHECK-LABEL: func.func private @matvec_q8_0_zigzag_512x100_f32(
// CHECK-SAME:    %[[W:[^:]*]]: memref<54400xi8>, %[[X:[^:]*]]: memref<100xf32>, %[[Y:[^:]*]]: memref<512xf32>)
// CHECK:         %[[PARTIAL:.*]] = memref.alloca() : memref<16x256xf32, #gpu.address_space<workgroup>>
// Of 100 columns, four subgroups have seven and twelve have six.
// CHECK:         %[[BEFORE:.*]] = arith.muli %[[SUBGROUP:.*]], %c6
// CHECK:         %[[MORE:.*]] = arith.minui %[[SUBGROUP]], %c4
// CHECK:         %[[FIRST:.*]] = arith.addi %[[BEFORE]], %[[MORE]]
// CHECK:         %[[SUMS:.*]]:2 = scf.for %[[COLUMN:.*]] = %[[FIRST]] to %{{.*}} step %c1
// CHECK:           memref.load %[[X]][%[[COLUMN]]]
// CHECK-COUNT-2:   math.fma
// CHECK:         vector.store %[[SUMS]]#0, %[[PARTIAL]][%[[SUBGROUP]], %{{.*}}]
// CHECK:         gpu.barrier
// CHECK-COUNT-15: arith.addf
// CHECK:         memref.store %{{.*}}, %[[Y]]
// CHECK-NOT:     qlinear.matvec
!w = !qlinear.packed<512x100, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
func.func @main(%w: !w, %x: tensor<100xf32>) -> tensor<512xf32> {
  %o = tensor.empty() : tensor<512xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<100xf32>) outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}
// doc: end
// Parts of workgroups and of their subgroups are counted together.
// SPLIT-LABEL: func.func private @matvec_q8_0_zigzag_512x100_f32(
// SPLIT-SAME:    memref<[[PARTS:[0-9]+]]x512xf32>
// SPLIT:         %[[PART:.*]] = memref.subview
// SPLIT:         %[[FIRST:.*]] = arith.muli %block_id_y, %c16
// SPLIT:         arith.addi %[[FIRST]], %{{.*}}
// SPLIT:         memref.store %{{.*}}, %[[PART]][%{{.*}}]

// -----

// Gate and up have half as many subgroups, and sums of their own.
// CHECK-LABEL: func.func private @gated_matvec_q4_k_zigzag_200x64_gelu_tanh_bf16(
// CHECK-SAME:    workgroup = array<i32: 256, 1, 1>
// CHECK-DAG:     %[[GATE:.*]] = memref.alloca() : memref<8x256xf32, #gpu.address_space<workgroup>>
// CHECK-DAG:     %[[UP:.*]] = memref.alloca() : memref<8x256xf32, #gpu.address_space<workgroup>>
// CHECK-COUNT-2: scf.for
// CHECK:         gpu.barrier
// CHECK:         scf.if
// CHECK:         math.exp
// CHECK:         memref.store
!g = !qlinear.packed<200x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>, padded = 256x64>
func.func @gated(%g: !g, %u: !g, %x: tensor<64xbf16>) -> tensor<200xf32> {
  %o = tensor.empty() : tensor<200xf32>
  %y = qlinear.gated_matvec gelu_tanh ins(%g, %u, %x : !g, !g, tensor<64xbf16>) outs(%o : tensor<200xf32>) -> tensor<200xf32>
  return %y : tensor<200xf32>
}

// -----

// More cores than slices: a workgroup has a quarter of a slice, and a subgroup
// four columns at a time.
// QUARTER-LABEL: func.func @quarter(
// QUARTER:         {headrace.grid = array<i64: 8, 1, 1>}
// QUARTER-LABEL: func.func private @matvec_q4_0_zigzag_512x100_f32(
// QUARTER-SAME:    workgroup_rows = 64
// QUARTER-DAG:     %[[GROUP:.*]] = gpu.block_id x
// QUARTER:         %[[SLICE:.*]] = arith.divui %[[GROUP]], %c4
// QUARTER:         %[[PART:.*]] = arith.remui %[[GROUP]], %c4
// QUARTER:         %[[START:.*]] = arith.muli %[[PART]], %c64
// QUARTER:         memref.alloca() : memref<64x64xf32, #gpu.address_space<workgroup>>
// QUARTER:         %[[OWN:.*]] = arith.divui %[[LANE:.*]], %c8
// QUARTER:         %[[IN:.*]] = arith.remui %[[LANE]], %c8
// QUARTER:         %[[BEFORE:.*]] = arith.divui %[[START]], %c8
// QUARTER:         arith.addi %[[BEFORE]], %[[IN]]
// QUARTER:         arith.subi %{{.*}}, %[[START]]
!w = !qlinear.packed<512x100, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 256>>
func.func @quarter(%w: !w, %x: tensor<100xf32>) -> tensor<512xf32> {
  %o = tensor.empty() : tensor<512xf32>
  %y = qlinear.matvec ins(%w, %x : !w, tensor<100xf32>) outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}
