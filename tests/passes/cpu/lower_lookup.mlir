// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-lookup=lookup=avx512 --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-lookup=lookup=avx2 --canonicalize --cse | FileCheck %s --check-prefix=AVX2
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-lookup=lookup=portable --canonicalize --cse | FileCheck %s --check-prefix=PORTABLE

// doc: lookup
// Where the assigned rows of tables of 256 pieces (and of 32 to be fetched) are
// is listed; then each shuffle looks up a piece of 64 rows, and the sums of 512
// rows stay in 16 registers. Four tiles of 512 rows take turns.
// CHECK-LABEL: func.func private @lut_matvec_codebook_d2_e16_g512_i8_a64_1000x600(
// CHECK-SAME:    %[[W:[^:]*]]: memref<998408xi8>, %[[A:[^:]*]]: memref<300xi32>, %[[Y:[^:]*]]: memref<1000xf32>)
// CHECK-DAG:     %[[SUMS:.*]] = memref.alloca() {{.*}} : memref<4x16x32xi32>
// CHECK-DAG:     %[[ROWS:.*]] = memref.alloca() {{.*}} : memref<288xindex>
// CHECK:         gpu.block_id x
// CHECK:         scf.for %{{.*}} step %c2048
// CHECK:           scf.for %[[FIRST:.*]] = %c0 to %c300 step %c256 {
// CHECK:             scf.for %[[I:.*]] = %c0
// CHECK:               memref.load %[[A]]
// CHECK:               arith.maxsi
// CHECK:               arith.minsi
// CHECK:               memref.store %{{.*}}, %[[ROWS]][%[[I]]]
// CHECK:             scf.for %{{.*}} step %c512 {
// CHECK:               %{{.*}}:16 = scf.for
// CHECK:                 memref.load %[[ROWS]]
// CHECK-COUNT-2:         memref.prefetch %[[W]]{{.*}}, read, locality<2>
// CHECK-COUNT-5:         memref.prefetch %[[W]]{{.*}}, read, locality<3>
// CHECK-COUNT-5:         memref.prefetch %[[W]]{{.*}}, read, locality<2>
// CHECK:                 %[[CODES:.*]] = vector.load %[[W]][%{{.*}}] : memref<998408xi8>, vector<16xi8>
// CHECK:                 %[[TABLE:.*]] = vector.shuffle %[[CODES]], %[[CODES]]
// CHECK:                 %[[PACKED:.*]] = vector.load %[[W]][%{{.*}}] : memref<998408xi8>, vector<64xi8>
// CHECK:                 %[[LOW:.*]] = arith.andi %[[PACKED]]
// CHECK:                 %[[FOUND:.*]] = llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"(%[[TABLE]], %[[LOW]])
// CHECK:                 %[[BOTH:.*]] = vector.bitcast %[[FOUND]] : vector<64xi8> to vector<32xi16>
// CHECK:                 arith.addi %{{.*}}, %[[BOTH]] : vector<32xi16>
// CHECK:                 %[[UPPER:.*]] = arith.shrui %[[BOTH]]
// CHECK:                 arith.addi %{{.*}}, %[[UPPER]] : vector<32xi16>
// CHECK-COUNT-7:         llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
// CHECK:               arith.extui %{{.*}} : vector<32xi16> to vector<32xi32>
// CHECK:               vector.store %{{.*}}, %[[SUMS]]
// CHECK:           vector.interleave
// CHECK:           vector.maskedstore %[[Y]]
// CHECK-NOT:     qlinear.lut_matvec

// Half as many bytes, and registers: four strips of 128 rows.
// AVX2-LABEL:  func.func private @lut_matvec_codebook_d2_e16_g512_i8_a64_1000x600(
// AVX2:          scf.for %[[STRIP:.*]] = %c0 to %c4 step %c1 {
// AVX2:            %{{.*}}:8 = scf.for
// AVX2-COUNT-4:      llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"

// PORTABLE-LABEL: func.func private @lut_matvec_codebook_d2_e16_g512_i8_a64_1000x600(
// PORTABLE:         %[[LANE:.*]] = vector.extract %{{.*}}[15] : i8 from vector<16xi8>
// PORTABLE:         %[[NUMBER:.*]] = arith.index_castui %[[LANE]]
// PORTABLE:         vector.extract %{{.*}}[%[[NUMBER]]] : i8 from vector<16xi8>
!codebook = !qlinear.packed<1000x600, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>, padded = 1024x600>
func.func @main(%w: !codebook, %a: tensor<300xi32>) -> tensor<1000xf32> {
  %0 = tensor.empty() : tensor<1000xf32>
  %y = qlinear.lut_matvec ins(%w, %a : !codebook, tensor<300xi32>) outs(%0 : tensor<1000xf32>) -> tensor<1000xf32>
  return %y : tensor<1000xf32>
}
// doc: end

// -----

// Codes of 4 bits become bytes. Groups of 24 rows: 10 of
// them in a workgroup, and indices that fill a part of a vector.
// CHECK-LABEL: func.func @main(
// CHECK:         call @lut_matvec_codebook_d2_e16_g24_i4_a8_2400x6_n3({{.*}}) {headrace.grid = array<i64: 10, 1, 1>}
// CHECK-LABEL: func.func private @lut_matvec_codebook_d2_e16_g24_i4_a8_2400x6_n3(
// CHECK:         scf.for %{{.*}} step %c96
// CHECK:           scf.for %[[TOKEN:.*]] = %c0 to %c3
// CHECK:               memref.load %{{.*}}[%[[TOKEN]],
// CHECK:               %[[NARROW:.*]] = vector.load %{{.*}} : memref<{{.*}}>, vector<8xi8>
// CHECK:               %[[WIDE:.*]] = vector.interleave %{{.*}}, %{{.*}} : vector<8xi8> -> vector<16xi8>
// CHECK:               vector.shuffle %[[WIDE]], %[[WIDE]]
// CHECK:               vector.load %{{.*}} : memref<{{.*}}>, vector<12xi8>
!codebook = !qlinear.packed<2400x6, #qlinear.codebook<dim = 2, entries = 16, group = 24, table = i4, activation_entries = 8>>
func.func @main(%w: !codebook, %a: tensor<3x3xi32>) -> tensor<3x2400xf32> {
  %0 = tensor.empty() : tensor<3x2400xf32>
  %y = qlinear.lut_matvec ins(%w, %a : !codebook, tensor<3x3xi32>) outs(%0 : tensor<3x2400xf32>) -> tensor<3x2400xf32>
  return %y : tensor<3x2400xf32>
}

// -----

// Rows of 256 codes are 16 tables of a shuffle.
// CHECK-LABEL: func.func private @lut_matvec_codebook_d1_e256_g512_i8_a4_512x8(
// CHECK:         memref.alloca() {{.*}} : memref<96xindex>
// CHECK-COUNT-16: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
!codebook = !qlinear.packed<512x8, #qlinear.codebook<dim = 1, entries = 256, group = 512, table = i8, activation_entries = 4>>
func.func @main(%w: !codebook, %a: tensor<8xi32>) -> tensor<512xf32> {
  %0 = tensor.empty() : tensor<512xf32>
  %y = qlinear.lut_matvec ins(%w, %a : !codebook, tensor<8xi32>) outs(%0 : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}

// -----

// Parts that lie apart: a row of a group is 16 bytes of the 32 of both groups,
// and indices are whole lines that follow each other.
// CHECK-LABEL: func.func private @lut_matvec_codebook_d2_e16_g512_i8_a64_split_1024x600(
// CHECK:         arith.muli %{{.*}}, %c32 : index
// CHECK:         %{{.*}}:16 = scf.for
// CHECK:           memref.prefetch {{.*}}, read, locality<2>
// CHECK-COUNT-4:   memref.prefetch {{.*}}, read, locality<3>
// CHECK-COUNT-4:   memref.prefetch {{.*}}, read, locality<2>
// CHECK-NOT:       memref.prefetch
// CHECK:           vector.load %{{.*}} : memref<{{.*}}>, vector<16xi8>
// CHECK:           vector.load %{{.*}} : memref<{{.*}}>, vector<64xi8>
!codebook = !qlinear.packed<1024x600, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64, split>>
func.func @main(%w: !codebook, %a: tensor<300xi32>) -> tensor<1024xf32> {
  %0 = tensor.empty() : tensor<1024xf32>
  %y = qlinear.lut_matvec ins(%w, %a : !codebook, tensor<300xi32>) outs(%0 : tensor<1024xf32>) -> tensor<1024xf32>
  return %y : tensor<1024xf32>
}
