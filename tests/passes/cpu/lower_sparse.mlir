// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-sparse --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-sparse=lookup=avx512 | FileCheck %s --check-prefix=AVX512
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-sparse="lookup=avx512 dot=vnni" --canonicalize --cse | FileCheck %s --check-prefix=VNNI

// doc: columns
// The columns of the list in batches of 64: first what their groups share times
// x, then, four columns at a time, products that are added to sums of 256 rows.
// The rest one by one. A list out of order is marked in memory first.
// CHECK-LABEL: func.func private @sparse_matvec_q4_k_zigzag_256x512_f32(
// CHECK-SAME:    %[[W:[^:]*]]: memref<73728xi8>, %[[X:[^:]*]]: memref<512xf32>, %[[LIST:[^:]*]]: memref<512xi32>, %[[COUNT:[^:]*]]: memref<1xi32>, %[[Y:[^:]*]]: memref<256xf32>
// CHECK-SAME:    workgroup_rows = 256
// CHECK-DAG:     %[[SUMS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<256xf32>
// CHECK-DAG:     %[[COEFFICIENTS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x16xf32>
// CHECK:         scf.if
// CHECK:           scf.for %[[FIRST:.*]] = %c0 to %{{.*}} step %c64 {
// CHECK:             scf.for %[[AT:.*]] = %[[FIRST]] to %[[LAST:.*]] step %c4 {
// CHECK:               memref.load %[[LIST]][%[[AT]]]
// CHECK-COUNT-4:       vector.store %{{.*}}, %[[COEFFICIENTS]]
// CHECK:             scf.for %[[AGAIN:.*]] = %[[FIRST]] to %[[LAST]] step %c4 {
// CHECK:               memref.load %[[LIST]][%[[AGAIN]]]
// CHECK-COUNT-4:       vector.load %[[SUMS]]
// CHECK:               arith.sitofp
// CHECK:               memref.prefetch %[[W]]
// CHECK:               memref.load %[[COEFFICIENTS]]
// CHECK-COUNT-16:      vector.fma {{.*}} : vector<16xf32>
// CHECK-COUNT-4:       vector.store %{{.*}}, %[[SUMS]]
// CHECK:           scf.for %[[REST:.*]] = %{{.*}} to %{{.*}} step %c1 {
// CHECK:             memref.load %[[LIST]][%[[REST]]]
// CHECK:         } else {
// CHECK:           vector.store %{{.*}}, %[[MARKS:.*]][%{{.*}}] : memref<512xi8>, vector<1xi8>
// CHECK:           vector.load %[[MARKS]]
// CHECK:         vector.maskedstore %[[Y]]
// CHECK-NOT:     qlinear.sparse_matvec
!weight = !qlinear.packed<256x512, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
func.func @main(%w: !weight, %x: tensor<512xf32>, %list: tensor<512xi32>, %count: tensor<1xi32>) -> tensor<256xf32> {
  %0 = tensor.empty() : tensor<256xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, tensor<512xf32>, tensor<512xi32>, tensor<1xi32>)
      outs(%0 : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}
// doc: end

// -----

// A workgroup has an even part of a large band; a part of the last one is
// behind the end.
// CHECK:         call @sparse_matvec_q6_k_zigzag2560_2500x7_bf16({{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @sparse_matvec_q6_k_zigzag2560_2500x7_bf16(
// CHECK-SAME:    workgroup_rows = 1280
// CHECK:         memref.alloca() {{.*}} : memref<1280xf32>
// CHECK:         %[[FIRST:.*]] = arith.muli %{{.*}}, %c1280
// CHECK:         arith.remui %[[FIRST]], %c2560
!weight = !qlinear.packed<2500x7, #qlinear.zigzag<#qlinear.gguf<q6_k>, band = 2560>, padded = 2560x7>
func.func @main(%w: !weight, %x: tensor<7xbf16>, %list: tensor<9xi32>, %count: tensor<1xi32>) -> tensor<2500xf32> {
  %0 = tensor.empty() : tensor<2500xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, tensor<7xbf16>, tensor<9xi32>, tensor<1xi32>)
      outs(%0 : tensor<2500xf32>) -> tensor<2500xf32>
  return %y : tensor<2500xf32>
}

// -----

// A list that has no room has no entries to look at.
// CHECK-LABEL: func.func private @sparse_matvec_q8_0_zigzag_256x3_f32(
// CHECK-NOT:     memref.load
// CHECK:         vector.maskedstore
!weight = !qlinear.packed<256x3, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>
func.func @main(%w: !weight, %x: tensor<3xf32>, %list: tensor<0xi32>, %count: tensor<1xi32>) -> tensor<256xf32> {
  %0 = tensor.empty() : tensor<256xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, tensor<3xf32>, tensor<0xi32>, tensor<1xi32>)
      outs(%0 : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}

// -----

// With the shuffles of AVX-512 a nibble is found in a table of a register.
// AVX512-LABEL: func.func private @sparse_matvec_q4_0_zigzag_256x8_f32(
// AVX512-NOT:     arith.sitofp
// AVX512:         llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"
!weight = !qlinear.packed<256x8, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 256>>
func.func @main(%w: !weight, %x: tensor<8xf32>, %list: tensor<8xi32>, %count: tensor<1xi32>) -> tensor<256xf32> {
  %0 = tensor.empty() : tensor<256xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, tensor<8xf32>, tensor<8xi32>, tensor<1xi32>)
      outs(%0 : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}

// -----

// With VNNI columns are added in integers, in batches of 64 columns,
// slice by slice: the scales of the columns times x, limbs of 8 bits of those of
// their groups, then the products, while the next batch is prefetched; in f32 if
// a scale is infinite or all are tiny. bf16 has two limbs.
// VNNI-LABEL: func.func private @sparse_matvec_q4_k_zigzag1024_1024x64_bf16(
// VNNI:         scf.for %{{.*}} = %c0 to %{{.*}} step %c64 {
// VNNI:           scf.for %[[SLICE:.*]] = %c0 to %c4 step %c1
// VNNI:             scf.for %{{.*}} = %c0 to %{{.*}} step %c4
// VNNI:               arith.maxsi
// VNNI:             arith.cmpi slt, %{{.*}}, %{{.*}} : i32
// VNNI:             scf.if
// VNNI:               scf.for %{{.*}} = %c0 to %{{.*}} step %c4
// VNNI-COUNT-3:         memref.prefetch {{.*}} locality<2>
// VNNI-COUNT-4:         memref.prefetch {{.*}} locality<3>
// VNNI:                 arith.xori %{{.*}}, %{{.*}} : vector<16xi32>
// VNNI:               scf.for %[[HALF:.*]] = %c0 to %c2 step %c1 {
// VNNI:                 scf.for %{{.*}} = %c0 to %{{.*}} step %c4
// VNNI-COUNT-3:           memref.prefetch {{.*}} locality<2>
// VNNI-COUNT-16:          llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VNNI-NOT:               llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// VNNI:                 arith.sitofp
// VNNI:             } else {
// VNNI:               vector.fma
!weight = !qlinear.packed<1024x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 1024>>
func.func @main(%w: !weight, %x: tensor<64xbf16>, %list: tensor<64xi32>, %count: tensor<1xi32>) -> tensor<1024xf32> {
  %0 = tensor.empty() : tensor<1024xf32>
  %y = qlinear.sparse_matvec ins(%w, %x, %list, %count : !weight, tensor<64xbf16>, tensor<64xi32>, tensor<1xi32>)
      outs(%0 : tensor<1024xf32>) -> tensor<1024xf32>
  return %y : tensor<1024xf32>
}
