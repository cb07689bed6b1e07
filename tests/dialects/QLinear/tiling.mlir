// RUN: %headrace_opt %s --transform-interpreter --canonicalize --cse | FileCheck %s

!q4_k = !qlinear.packed<64x256, #qlinear.gguf<q4_k>>
!q4nx = !qlinear.packed<100x256, #qlinear.q4nx, padded = 128x256>
!act = !qlinear.packed<6x64, #qlinear.act_i8>
!codebook = !qlinear.packed<64x8, #qlinear.codebook<dim = 2, entries = 16, group = 32, table = i8, activation_entries = 16>>

// CHECK-DAG: #[[LEFT:.*]] = affine_map<(d0) -> (-d0 + 100, 64)>
// CHECK-DAG: #[[LAST:.*]] = affine_map<(d0) -> (64, d0)>
// CHECK-DAG: #[[DROPPED:.*]] = affine_map<(d0, d1) -> (d0 - d1)>

// Rows of the weight and of the result; x stays whole.
// CHECK-LABEL: func @matvec
// CHECK-SAME: %[[W:[^:]*]]: !qlinear.packed<64x256, #qlinear.gguf<q4_k>>, %[[X:[^:]*]]: tensor<256xf32>, %[[O:[^:]*]]: tensor<64xf32>
// CHECK: scf.for %[[I:.*]] = %c0 to %c64 step %c16 iter_args(%[[ACC:.*]] = %[[O]])
// CHECK-NEXT: %[[S:.*]] = qlinear.slice %[[W]] rows[%[[I]], 16] : !qlinear.packed<64x256, #qlinear.gguf<q4_k>> to !qlinear.packed<16x256, #qlinear.gguf<q4_k>>
// CHECK-NEXT: %[[OUT:.*]] = tensor.extract_slice %[[ACC]][%[[I]]] [16] [1]
// CHECK-NEXT: %[[Y:.*]] = qlinear.matvec ins(%[[S]], %[[X]] : {{.*}}) outs(%[[OUT]] : tensor<16xf32>) -> tensor<16xf32>
// CHECK-NEXT: tensor.insert_slice %[[Y]] into %[[ACC]][%[[I]]] [16] [1]
func.func @matvec(%w: !q4_k, %x: tensor<256xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %y = qlinear.matvec ins(%w, %x : !q4_k, tensor<256xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// The last tile of 64 rows would have 36: it is moved back to end with the
// padding, and what the tile before has too is dropped.
// CHECK-LABEL: func @last_tile
// CHECK: scf.for %[[I:.*]] = %c0 to %c100 step %c64
// CHECK-DAG: %[[SIZE:.*]] = affine.min #[[LEFT]](%[[I]])
// CHECK-DAG: %[[START:.*]] = affine.min #[[LAST]](%[[I]])
// CHECK-DAG: %[[D:.*]] = affine.apply #[[DROPPED]](%[[I]], %[[START]])
// CHECK: qlinear.slice %{{.*}} rows[%[[START]], 64]
// CHECK: %[[E:.*]] = tensor.empty() : tensor<64xf32>
// CHECK: %[[Y:.*]] = qlinear.sparse_matvec ins({{.*}}) outs(%[[E]] : tensor<64xf32>)
// CHECK: %[[R:.*]] = tensor.extract_slice %[[Y]][%[[D]]] [%[[SIZE]]] [1]
// CHECK: tensor.insert_slice %[[R]] into %{{.*}}[%[[I]]] [%[[SIZE]]] [1]
func.func @last_tile(%w: !q4nx, %x: tensor<256xf32>, %i: tensor<256xi32>, %n: tensor<1xi32>, %o: tensor<100xf32>) -> tensor<100xf32> {
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %n : !q4nx, tensor<256xf32>, tensor<256xi32>, tensor<1xi32>)
    outs(%o : tensor<100xf32>) -> tensor<100xf32>
  return %y : tensor<100xf32>
}

// CHECK-LABEL: func @gated_matvec
// CHECK: scf.for %[[I:.*]] = %c0 to %c64 step %c32
// CHECK-DAG: qlinear.slice %arg0 rows[%[[I]], 32]
// CHECK-DAG: qlinear.slice %arg1 rows[%[[I]], 32]
// CHECK: qlinear.gated_matvec silu ins({{.*}}) outs({{.*}} : tensor<32xf32>)
func.func @gated_matvec(%g: !q4_k, %u: !qlinear.packed<64x256, #qlinear.q4nx>, %x: tensor<256xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !q4_k, !qlinear.packed<64x256, #qlinear.q4nx>, tensor<256xf32>)
    outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

// Tokens and rows; packed activations are cut by tokens too.
// CHECK-LABEL: func @matmul
// CHECK: scf.for %[[T:.*]] = %c0 to %c6 step %c2
// CHECK: scf.for %[[R:.*]] = %c0 to %c32 step %c8
// CHECK-DAG: qlinear.slice %arg0 rows[%[[R]], 8] : {{.*}} to !qlinear.packed<8x64, #qlinear.gguf<q8_0>>
// CHECK-DAG: qlinear.slice %arg1 rows[%[[T]], 2] : {{.*}} to !qlinear.packed<2x64, #qlinear.act_i8>
// CHECK-DAG: tensor.extract_slice %{{.*}}[%[[T]], %[[R]]] [2, 8] [1, 1]
// CHECK: qlinear.matmul ins({{.*}}) outs({{.*}} : tensor<2x8xf32>)
func.func @matmul(%w: !qlinear.packed<32x64, #qlinear.gguf<q8_0>>, %x: !act, %o: tensor<6x32xf32>) -> tensor<6x32xf32> {
  %y = qlinear.matmul ins(%w, %x : !qlinear.packed<32x64, #qlinear.gguf<q8_0>>, !act)
    outs(%o : tensor<6x32xf32>) -> tensor<6x32xf32>
  return %y : tensor<6x32xf32>
}

// CHECK-LABEL: func @dequantize
// CHECK: scf.for %[[I:.*]] = %c0 to %c64 step %c16
// CHECK: tensor.extract_slice %{{.*}}[%[[I]], 0] [16, 256] [1, 1]
// CHECK: qlinear.dequantize ins({{.*}}) outs({{.*}} : tensor<16x256xf32>)
func.func @dequantize(%w: !q4_k, %o: tensor<64x256xf32>) -> tensor<64x256xf32> {
  %y = qlinear.dequantize ins(%w : !q4_k) outs(%o : tensor<64x256xf32>) -> tensor<64x256xf32>
  return %y : tensor<64x256xf32>
}

// Rows in whole groups of the codebook; the tokens' assignments are rows of
// a tensor, and centroids belong to the header, so they are never cut.
// CHECK-LABEL: func @tables
// CHECK: scf.for %[[T:.*]] = %c0 to %c3 step %c1
// CHECK: qlinear.assign_centroids ins(%arg0, %{{.*}} : {{.*}}64x8{{.*}}) outs({{.*}} : tensor<1x4xi32>)
// CHECK: scf.for %[[T:.*]] = %c0 to %c3 step %c1
// CHECK: scf.for %[[R:.*]] = %c0 to %c64 step %c32
// CHECK: qlinear.slice %arg0 rows[%[[R]], 32]
// CHECK: qlinear.lut_matvec ins({{.*}}) outs({{.*}} : tensor<1x32xf32>)
func.func @tables(%w: !codebook, %x: tensor<3x8xf32>, %ai: tensor<3x4xi32>, %o: tensor<3x64xf32>) -> tensor<3x64xf32> {
  %a = qlinear.assign_centroids ins(%w, %x : !codebook, tensor<3x8xf32>) outs(%ai : tensor<3x4xi32>) -> tensor<3x4xi32>
  %y = qlinear.lut_matvec ins(%w, %a : !codebook, tensor<3x4xi32>) outs(%o : tensor<3x64xf32>) -> tensor<3x64xf32>
  return %y : tensor<3x64xf32>
}

// CHECK-LABEL: func @rows
// CHECK: scf.for {{.*}} step %c2
// CHECK: qlinear.rms_norm {{.*}} ins(%{{.*}}, %arg1 : tensor<2x8xf32>, tensor<8xf32>) outs({{.*}} : tensor<2x8xf32>)
// CHECK: scf.for {{.*}} step %c2
// CHECK: qlinear.layer_norm {{.*}} ins(%{{.*}}, %arg1, %arg1 : tensor<2x8xf32>, tensor<8xf32>, tensor<8xf32>)
// CHECK: scf.for {{.*}} step %c3
// CHECK: scf.for {{.*}} step %c4
// CHECK: qlinear.gated_activation gelu_tanh ins({{.*}} : tensor<3x4xf32>, tensor<3x4xf32>)
func.func @rows(%x: tensor<6x8xf32>, %w: tensor<8xf32>, %o: tensor<6x8xf32>) -> tensor<6x8xf32> {
  %a = qlinear.rms_norm eps = 1.0e-6 ins(%x, %w : tensor<6x8xf32>, tensor<8xf32>) outs(%o : tensor<6x8xf32>) -> tensor<6x8xf32>
  %b = qlinear.layer_norm eps = 1.0e-6 ins(%a, %w, %w : tensor<6x8xf32>, tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<6x8xf32>) -> tensor<6x8xf32>
  %c = qlinear.gated_activation gelu_tanh ins(%a, %b : tensor<6x8xf32>, tensor<6x8xf32>) outs(%o : tensor<6x8xf32>) -> tensor<6x8xf32>
  return %c : tensor<6x8xf32>
}

// A producer is computed where its consumer needs it: the rows of a matrix for
// a sum over all columns.
// CHECK-LABEL: func @fused
// CHECK: scf.forall (%[[I:.*]]) in (8)
// CHECK: %[[ROW:.*]] = affine.apply
// CHECK: qlinear.slice %{{.*}} rows[%[[ROW]], 8]
// CHECK: %[[D:.*]] = qlinear.dequantize {{.*}} -> tensor<8x256xf32>
// CHECK: linalg.matvec ins(%[[D]], %{{.*}} : tensor<8x256xf32>, tensor<256xf32>)
func.func @fused(%w: !q4_k, %x: tensor<256xf32>, %d: tensor<64x256xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %m = qlinear.dequantize ins(%w : !q4_k) outs(%d : tensor<64x256xf32>) {fuse} -> tensor<64x256xf32>
  %y = linalg.matvec ins(%m, %x : tensor<64x256xf32>, tensor<256xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %consumer = transform.structured.match ops{["linalg.matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %producer = transform.structured.match attributes{fuse} in %m : (!transform.any_op) -> !transform.any_op
    %tiled, %forall = transform.structured.tile_using_forall %consumer num_threads [8] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %f, %l = transform.structured.fuse_into_containing_op %producer into %forall : (!transform.any_op, !transform.any_op) -> (!transform.any_op, !transform.any_op)

    %0 = transform.structured.match ops{["qlinear.matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t0, %l0 = transform.structured.tile_using_for %0 tile_sizes [16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %1 = transform.structured.match ops{["qlinear.sparse_matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t1, %l1 = transform.structured.tile_using_for %1 tile_sizes [64] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %2 = transform.structured.match ops{["qlinear.gated_matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t2, %l2 = transform.structured.tile_using_for %2 tile_sizes [32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %3 = transform.structured.match ops{["qlinear.matmul"]} in %m : (!transform.any_op) -> !transform.any_op
    %t3, %l3:2 = transform.structured.tile_using_for %3 tile_sizes [2, 8] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    %d = transform.structured.match ops{["func.func"]} attributes{sym_name = "dequantize"} in %m : (!transform.any_op) -> !transform.any_op
    %4 = transform.structured.match ops{["qlinear.dequantize"]} in %d : (!transform.any_op) -> !transform.any_op
    %t4, %l4 = transform.structured.tile_using_for %4 tile_sizes [16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %5 = transform.structured.match ops{["qlinear.assign_centroids"]} in %m : (!transform.any_op) -> !transform.any_op
    %t5, %l5 = transform.structured.tile_using_for %5 tile_sizes [1] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %6 = transform.structured.match ops{["qlinear.lut_matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t6, %l6:2 = transform.structured.tile_using_for %6 tile_sizes [1, 32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    %7 = transform.structured.match ops{["qlinear.rms_norm", "qlinear.layer_norm"]} in %m : (!transform.any_op) -> !transform.any_op
    %t7, %l7 = transform.structured.tile_using_for %7 tile_sizes [2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %8 = transform.structured.match ops{["qlinear.gated_activation"]} in %m : (!transform.any_op) -> !transform.any_op
    %t8, %l8:2 = transform.structured.tile_using_for %8 tile_sizes [3, 4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    transform.yield
  }
}
