// RUN: %headrace_opt %s --transform-interpreter --canonicalize --cse --one-shot-bufferize="bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map" --cse --canonicalize | FileCheck %s

!weight = !qlinear.packed<64x256, #qlinear.gguf<q4_k>>

// Tiles write to their parts of the one result.
// CHECK-LABEL: func @tiles
// CHECK-SAME: %[[BYTES:[^:]*]]: memref<9216xi8>, %[[X:[^:]*]]: memref<256xf32>, %[[Y:[^:]*]]: memref<64xf32>)
// CHECK-NOT: memref.alloc
// CHECK-NOT: memref.copy
// CHECK: %[[W:.*]] = qlinear.from_bytes %[[BYTES]]
// CHECK: scf.forall (%[[T:.*]]) in (2)
// CHECK: %[[I:.*]] = affine.apply #{{.*}}(%[[T]])
// CHECK: %[[S:.*]] = qlinear.slice %[[W]] rows[%[[I]], 32]
// CHECK: %[[O:.*]] = memref.subview %[[Y]][%[[I]]] [32] [1]
// CHECK: qlinear.matvec ins(%[[S]], %[[X]] : {{.*}}) outs(%[[O]] : memref<32xf32, strided<[1], offset: ?>>)
// CHECK-NOT: memref.copy
// doc: tiles
func.func @tiles(%bytes: tensor<9216xi8>, %x: tensor<256xf32>, %o: tensor<64xf32>) -> tensor<64xf32> {
  %w = qlinear.from_bytes %bytes : tensor<9216xi8> to !weight
  %y = qlinear.matvec ins(%w, %x : !weight, tensor<256xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return %y : tensor<64xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op {transform.readonly}) {
    %op = transform.structured.match ops{["qlinear.matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %tile, %loop = transform.structured.tile_using_forall %op tile_sizes [32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
// doc: end
