// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-assign --canonicalize --cse | FileCheck %s

// doc: assign
// The distances of all 64 centroids of a piece, the least of them, and the
// first lane that has it.
// CHECK-LABEL: func.func private @assign_centroids_codebook_d2_e16_g512_i8_a64_512x64(
// CHECK-SAME:    %[[W:[^:]*]]: memref<61448xi8>, %[[X:[^:]*]]: memref<64xf32>, %[[A:[^:]*]]: memref<32xi32>)
// CHECK:         %[[WG:.*]] = gpu.block_id x
// CHECK:         %[[FIRST:.*]] = arith.muli %[[WG]], %c256
// CHECK:         scf.for %[[PIECE:.*]] = %[[FIRST]] to
// CHECK:           %[[X0:.*]] = memref.load %[[X]]
// CHECK:           vector.load %[[W]][%{{.*}}] : memref<61448xi8>, vector<128xi8>
// CHECK:           vector.shuffle %{{.*}} [0, 2, 4, 6, {{.*}}] : vector<32xf32>, vector<32xf32>
// CHECK:           math.absf
// CHECK:           vector.shuffle %{{.*}} [1, 3, 5, 7, {{.*}}] : vector<32xf32>, vector<32xf32>
// CHECK-COUNT-3:   vector.load %[[W]]
// CHECK:           vector.shuffle %{{.*}} [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]
// CHECK-COUNT-4:   arith.cmpf oeq
// CHECK:           %[[NUMBER:.*]] = math.cttz %{{.*}} : i64
// CHECK:           memref.store %{{.*}}, %[[A]][%[[PIECE]]]
// CHECK-NOT:     scf.if
// CHECK-NOT:     qlinear.assign_centroids
!codebook = !qlinear.packed<512x64, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>>
func.func @main(%w: !codebook, %x: tensor<64xf32>) -> tensor<32xi32> {
  %0 = tensor.empty() : tensor<32xi32>
  %a = qlinear.assign_centroids ins(%w, %x : !codebook, tensor<64xf32>) outs(%0 : tensor<32xi32>) -> tensor<32xi32>
  return %a : tensor<32xi32>
}
// doc: end

// -----

// Several tokens; more centroids than are compared at once; a last piece whose
// columns do not all exist: nothing is read for them.
// CHECK-LABEL: func.func private @assign_centroids_codebook_d3_e4_g8_i4_a128_8x50_n2(
// CHECK-SAME:    %{{[^:]*}}: memref<{{.*}}>, %[[X:[^:]*]]: memref<2x50xf32>, %[[A:[^:]*]]: memref<2x17xi32>)
// CHECK:         scf.for %[[PIECE:.*]] = %{{.*}} to
// CHECK:           scf.for %[[TOKEN:.*]] = %c0 to %c2
// CHECK-COUNT-3:     memref.load %[[X]][%[[TOKEN]],
// CHECK:             scf.for %{{.*}} = %c0 to %c128 step %c64 iter_args({{.*}}) -> (f32, i32)
// CHECK:             memref.store %{{.*}}, %[[A]][%[[TOKEN]], %[[PIECE]]]
// CHECK:         scf.if
// CHECK:           scf.for %[[TOKEN:.*]] = %c0 to %c2
// CHECK-COUNT-2:     memref.load %[[X]][%[[TOKEN]],
// CHECK-NOT:         memref.load
// CHECK:             memref.store %{{.*}}, %[[A]][%[[TOKEN]], %c16]
!codebook = !qlinear.packed<8x50, #qlinear.codebook<dim = 3, entries = 4, group = 8, table = i4, activation_entries = 128>, padded = 8x51>
func.func @main(%w: !codebook, %x: tensor<2x50xf32>) -> tensor<2x17xi32> {
  %0 = tensor.empty() : tensor<2x17xi32>
  %a = qlinear.assign_centroids ins(%w, %x : !codebook, tensor<2x50xf32>) outs(%0 : tensor<2x17xi32>) -> tensor<2x17xi32>
  return %a : tensor<2x17xi32>
}
