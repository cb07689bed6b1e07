// RUN: %headrace_opt %s --split-input-file --simt-form-kernels --simt-lower-sparse --canonicalize --cse | FileCheck %s

// doc: q4_k
// CHECK-LABEL: func.func private @sparse_matvec_q4_k_zigzag_512x2048_f32(
// CHECK-SAME:    %[[W:[^:]*]]: memref<589824xi8>, %[[X:[^:]*]]: memref<2048xf32>, %[[LIST:[^:]*]]: memref<2048xi32>, %[[SIZE:[^:]*]]: memref<1xi32>, %[[Y:[^:]*]]: memref<512xf32>
// CHECK-DAG:     %[[PARTIAL:.*]] = memref.alloca() : memref<16x256xf32, #gpu.address_space<workgroup>>
// CHECK:         %[[WORDS:.*]] = memref.view %[[W]]{{.*}} to memref<147456xi32>
// The count is read here, and cut to the size of the list.
// CHECK:         %[[READ:.*]] = memref.load %[[SIZE]][%c0]
// CHECK:         %[[LOWER:.*]] = arith.maxsi %[[READ]], %c0_i32
// CHECK:         %[[CUT:.*]] = arith.minsi %[[LOWER]], %c2048_i32
// CHECK:         %[[COUNT:.*]] = arith.index_castui %[[CUT]]
// CHECK:         %[[MARKS:.*]] = memref.alloca() : memref<64xi32, #gpu.address_space<workgroup>>
// Whether the list rises.
// CHECK:         scf.for %{{.*}} = %{{.*}} to %[[COUNT]] step %c512
// CHECK:         gpu.subgroup_reduce and
// CHECK:         gpu.barrier
// CHECK:         %[[ALL:.*]] = gpu.subgroup_reduce and
// CHECK:         %[[RISES:.*]] = arith.cmpi ne, %[[ALL]], %c0_i32
// CHECK:         memref.store %{{.*}}, %[[MARKS]]
// CHECK:         gpu.barrier
// CHECK:         %[[SUMS:.*]]:4 = scf.if %[[RISES]] -> (vector<4xf32>, vector<4xf32>, f32, f32)
// Of 16 subgroups, the first ones have one more each.
// CHECK:           %[[EACH:.*]] = arith.divui %[[COUNT]], %c16
// CHECK:           %[[REST:.*]] = arith.remui %[[COUNT]], %c16
// CHECK:           %[[BEFORE:.*]] = arith.muli %{{.*}}, %[[EACH]]
// CHECK:           %[[MORE:.*]] = arith.minui %{{.*}}, %[[REST]]
// CHECK:           %[[FIRST:.*]] = arith.addi %[[BEFORE]], %[[MORE]]
// CHECK:           scf.for %[[AT:.*]] = %[[FIRST]] to
// CHECK:             %[[ENTRY:.*]] = memref.load %[[LIST]][%[[AT]]]
// CHECK:             %[[COLUMN:.*]] = arith.index_castui %[[ENTRY]]
// CHECK:             memref.load %[[X]][%[[COLUMN]]]
// CHECK:             vector.load %[[WORDS]][%{{.*}}] {alignment = 16 : i64} : memref<147456xi32>, vector<4xi32>
// CHECK:             memref.load %[[WORDS]]
// CHECK-COUNT-4:     math.fma
// CHECK:         } else {
// CHECK:           scf.for %[[ANY:.*]] = %{{.*}} to %{{.*}} step %c1
// CHECK:             memref.load %[[MARKS]]
// CHECK:             scf.if
// CHECK:               memref.load %[[X]][%[[ANY]]]
// CHECK:         vector.store %{{.*}}, %[[PARTIAL]][%{{.*}}, %{{.*}}] {alignment = 16 : i64}
// CHECK:         gpu.barrier
// CHECK:         %[[ROW:.*]] = memref.load %[[PARTIAL]][%c0
// CHECK-COUNT-15: arith.addf
// CHECK:         memref.store %{{.*}}, %[[Y]]
// CHECK-NOT:     qlinear.sparse_matvec
!w = !qlinear.packed<512x2048, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
func.func @main(%w: !w, %x: tensor<2048xf32>, %i: tensor<2048xi32>, %c: tensor<1xi32>) -> tensor<512xf32> {
  %o = tensor.empty() : tensor<512xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<2048xf32>, tensor<2048xi32>, tensor<1xi32>)
      outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}
// doc: end

// -----

// Of a band of 1024 rows, a workgroup has one of four slices; rows behind the
// last one are not written.
// CHECK-LABEL: func.func private @sparse_matvec_q6_k_zigzag1024_600x64_bf16(
// CHECK:         arith.remui %{{.*}}, %c4
// CHECK:         memref.view %{{.*}} to memref<26880xi16>
// CHECK:         arith.extf %{{.*}} : bf16 to f32
// CHECK-COUNT-4: math.fma {{.*}} : vector<2xf32>
// CHECK:         vector.store %{{.*}} {alignment = 8 : i64}
// CHECK:         arith.cmpi ult, %{{.*}}, %c600
!w = !qlinear.packed<600x64, #qlinear.zigzag<#qlinear.gguf<q6_k>, band = 1024>, padded = 1024x64>
func.func @main(%w: !w, %x: tensor<64xbf16>, %i: tensor<8xi32>, %c: tensor<1xi32>) -> tensor<600xf32> {
  %o = tensor.empty() : tensor<600xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<64xbf16>, tensor<8xi32>, tensor<1xi32>)
      outs(%o : tensor<600xf32>) -> tensor<600xf32>
  return %y : tensor<600xf32>
}

// -----

// q8_0: signed bytes, times the scale of 32 rows.
// CHECK-LABEL: func.func private @sparse_matvec_q8_0_zigzag_256x4_f32(
// CHECK:         vector.load %{{.*}} {alignment = 2 : i64} : memref<544xi16>, vector<2xi16>
// CHECK:         arith.sitofp %{{.*}} : vector<4xi8> to vector<4xf32>
!w = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
func.func @main(%w: !w, %x: tensor<4xf32>, %i: tensor<4xi32>, %c: tensor<1xi32>) -> tensor<256xf32> {
  %o = tensor.empty() : tensor<256xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<4xf32>, tensor<4xi32>, tensor<1xi32>)
      outs(%o : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}

// -----

// A list of select_columns is known to rise: nothing looks, and nothing is
// marked, so that there may be any number of columns.
// CHECK-LABEL: func.func private @sparse_matvec_q8_0_zigzag_256x70000_selected_f32(
// CHECK-SAME:    ascending
// CHECK-NOT:     memref<{{.*}}xi32, #gpu.address_space<workgroup>>
// CHECK:         scf.for
// CHECK-NOT:     scf.if
// CHECK:         gpu.barrier
// CHECK-NOT:     gpu.barrier
// CHECK:         return
!w = !qlinear.packed<256x70000, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
func.func @main(%w: !w, %x: tensor<70000xf32>) -> tensor<256xf32> {
  %i = tensor.empty() : tensor<70000xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 0.5 ins(%x : tensor<70000xf32>)
      outs(%i, %c : tensor<70000xi32>, tensor<1xi32>) -> tensor<70000xi32>, tensor<1xi32>
  %o = tensor.empty() : tensor<256xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %list, %count : !w, tensor<70000xf32>, tensor<70000xi32>, tensor<1xi32>)
      outs(%o : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}

// -----

// A band of 128 rows is half of a subgroup's, which has two columns at a time.
// CHECK-LABEL: func.func private @sparse_matvec_q4_0_zigzag128_256x64_f32(
// CHECK-SAME:    workgroup_rows = 128
// CHECK-DAG:     memref.alloca() : memref<32x128xf32, #gpu.address_space<workgroup>>
// CHECK:         %[[OWN:.*]] = arith.divui %{{.*}}, %c16
// CHECK:         %[[TEAM:.*]] = arith.addi %{{.*}}, %[[OWN]]
// CHECK:         arith.divui %{{.*}}, %c32
// CHECK:         vector.store %{{.*}}, %{{.*}}[%[[TEAM]], %{{.*}}]
// CHECK-COUNT-31: arith.addf
!w = !qlinear.packed<256x64, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 128>>
func.func @main(%w: !w, %x: tensor<64xf32>, %i: tensor<64xi32>, %c: tensor<1xi32>) -> tensor<256xf32> {
  %o = tensor.empty() : tensor<256xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<64xf32>, tensor<64xi32>, tensor<1xi32>)
      outs(%o : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}
