// RUN: %headrace_opt %s --transform-interpreter --canonicalize --cse | FileCheck %s

!one = !qattn.kv_cache<64x1x8, bf16>
!mla = !qattn.mla_cache<64x16+8, bf16>

// Queries later in the sequence have a larger offset; heads go in groups of
// four, which share a key head.
// CHECK-LABEL: func @prefill
// CHECK: scf.for %[[T:.*]] = %c0 to %c6 step %c2
// CHECK: scf.for %[[H:.*]] = %c0 to %c8 step %c4
// CHECK-DAG: tensor.extract_slice %arg0[%[[T]], %[[H]], 0] [2, 4, 16] [1, 1, 1]
// CHECK-DAG: %[[G:.*]] = affine.apply #{{.*}}(%[[H]])
// CHECK-DAG: tensor.extract_slice %arg1[0, %[[G]], 0] [6, 1, 16] [1, 1, 1]
// CHECK-DAG: tensor.extract_slice %arg2[0, %[[G]], 0] [6, 1, 16] [1, 1, 1]
// CHECK: %[[I:.*]] = arith.index_cast %[[T]] : index to i32
// CHECK: %[[OFFSET:.*]] = tensor.from_elements %[[I]] : tensor<1xi32>
// CHECK: qattn.prefill causal ins(%{{.*}}, %{{.*}}, %{{.*}} offset %[[OFFSET]] : {{.*}}) outs({{.*}} : tensor<2x4x16xf32>, tensor<2x4xf32>) {scale = 2.500000e-01 : f32, window = 4 : i64}
func.func @prefill(%q: tensor<6x8x16xf32>, %k: tensor<6x2x16xf32>, %v: tensor<6x2x16xf32>, %o: tensor<6x8x16xf32>, %l: tensor<6x8xf32>) -> (tensor<6x8x16xf32>, tensor<6x8xf32>) {
  %r:2 = qattn.prefill causal ins(%q, %k, %v : tensor<6x8x16xf32>, tensor<6x2x16xf32>, tensor<6x2x16xf32>)
    outs(%o, %l : tensor<6x8x16xf32>, tensor<6x8xf32>) {scale = 0.25 : f32, window = 4} -> tensor<6x8x16xf32>, tensor<6x8xf32>
  return %r#0, %r#1 : tensor<6x8x16xf32>, tensor<6x8xf32>
}

// An offset that is there is added to.
// CHECK-LABEL: func @prefill_offset
// CHECK: scf.for %[[T:.*]] = %c0 to %c6 step %c3
// CHECK: %[[I:.*]] = arith.index_cast %[[T]] : index to i32
// CHECK: %[[F:.*]] = tensor.extract %arg3[%c0] : tensor<1xi32>
// CHECK: %[[S:.*]] = arith.addi %[[F]], %[[I]] : i32
// CHECK: tensor.from_elements %[[S]] : tensor<1xi32>
// CHECK: qattn.prefill bidirectional precision = i8 ins(
func.func @prefill_offset(%q: tensor<6x2x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %offset: tensor<1xi32>, %o: tensor<6x2x16xf32>) -> tensor<6x2x16xf32> {
  %r = qattn.prefill bidirectional precision = i8 ins(%q, %k, %v offset %offset : tensor<6x2x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>, tensor<1xi32>)
    outs(%o : tensor<6x2x16xf32>) {scale = 0.25 : f32} -> tensor<6x2x16xf32>
  return %r : tensor<6x2x16xf32>
}

// All heads read the same keys.
// CHECK-LABEL: func @decodes
// CHECK: scf.for %[[H:.*]] = %c0 to %c4 step %c2
// CHECK: qattn.decode ins(%{{.*}}, %arg1, %{{.*}} : tensor<2x8xf32>, {{.*}}) outs({{.*}} : tensor<3x2x8xf32>, tensor<3x2xf32>) {scale = 1.000000e+00 : f32, splits = 3 : i64}
// CHECK: scf.for
// CHECK: qattn.mla_decode ins({{.*}} : tensor<2x16xf32>, tensor<2x8xf32>, {{.*}}) outs({{.*}} : tensor<2x16xf32>, tensor<2xf32>)
// CHECK: scf.for
// CHECK: qattn.mla_attention ins({{.*}} : tensor<2x6xf32>, tensor<2x8xf32>, tensor<2x6x16xf32>, tensor<2x5x16xf32>, {{.*}}) outs({{.*}} : tensor<2x5xf32>)
func.func @decodes(%q: tensor<4x8xf32>, %c: !one, %n: tensor<1xi32>, %o: tensor<3x4x8xf32>, %l: tensor<3x4xf32>,
    %mq: tensor<4x16xf32>, %mr: tensor<4x8xf32>, %mc: !mla, %mo: tensor<4x16xf32>, %ml: tensor<4xf32>,
    %aq: tensor<4x6xf32>, %wk: tensor<4x6x16xf32>, %wv: tensor<4x5x16xf32>, %ao: tensor<4x5xf32>)
    -> (tensor<3x4x8xf32>, tensor<3x4xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<4x5xf32>) {
  %a:2 = qattn.decode ins(%q, %c, %n : tensor<4x8xf32>, !one, tensor<1xi32>)
    outs(%o, %l : tensor<3x4x8xf32>, tensor<3x4xf32>) {scale = 1.0 : f32, splits = 3} -> tensor<3x4x8xf32>, tensor<3x4xf32>
  %b:2 = qattn.mla_decode ins(%mq, %mr, %mc, %n : tensor<4x16xf32>, tensor<4x8xf32>, !mla, tensor<1xi32>)
    outs(%mo, %ml : tensor<4x16xf32>, tensor<4xf32>) {scale = 1.0 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  %d = qattn.mla_attention ins(%aq, %mr, %wk, %wv, %mc, %n : tensor<4x6xf32>, tensor<4x8xf32>, tensor<4x6x16xf32>, tensor<4x5x16xf32>, !mla, tensor<1xi32>)
    outs(%ao : tensor<4x5xf32>) {scale = 1.0 : f32} -> tensor<4x5xf32>
  return %a#0, %a#1, %b#0, %b#1, %d : tensor<3x4x8xf32>, tensor<3x4xf32>, tensor<4x16xf32>, tensor<4xf32>, tensor<4x5xf32>
}

// Parts are summed, and not cut.
// CHECK-LABEL: func @merge_partials
// CHECK: scf.for %[[T:.*]] = %c0 to %c6 step %c2
// CHECK: scf.for %[[H:.*]] = %c0 to %c4 step %c1
// CHECK-DAG: tensor.extract_slice %arg0[0, %[[T]], %[[H]], 0] [3, 2, 1, 8] [1, 1, 1, 1]
// CHECK-DAG: tensor.extract_slice %arg1[0, %[[T]], %[[H]]] [3, 2, 1] [1, 1, 1]
// CHECK: qattn.merge_partials ins({{.*}}) outs({{.*}} : tensor<2x1x8xf32>, tensor<2x1xf32>)
func.func @merge_partials(%p: tensor<3x6x4x8xf32>, %l: tensor<3x6x4xf32>, %o: tensor<6x4x8xf32>, %lo: tensor<6x4xf32>) -> (tensor<6x4x8xf32>, tensor<6x4xf32>) {
  %r:2 = qattn.merge_partials ins(%p, %l : tensor<3x6x4x8xf32>, tensor<3x6x4xf32>)
    outs(%o, %lo : tensor<6x4x8xf32>, tensor<6x4xf32>) -> tensor<6x4x8xf32>, tensor<6x4xf32>
  return %r#0, %r#1 : tensor<6x4x8xf32>, tensor<6x4xf32>
}

// CHECK-LABEL: func @rows
// CHECK: scf.for %[[T:.*]] = %c0 to %c6 step %c3
// CHECK: scf.for %[[H:.*]] = %c0 to %c4 step %c2
// CHECK-DAG: tensor.extract_slice %arg1[%[[T]]] [3] [1]
// CHECK: qattn.rope ins(%{{.*}}, %{{.*}}, %arg2 : tensor<3x2x8xf32>, tensor<3xi32>, tensor<4xf32>)
// CHECK: scf.for
// CHECK: qattn.quantize_kv ins({{.*}} : tensor<2x16xf32>, tensor<2x8xf32>) outs({{.*}} : tensor<2x16xi8>, tensor<2xf32>, tensor<2x8xf32>)
func.func @rows(%x: tensor<6x4x8xf32>, %p: tensor<6xi32>, %f: tensor<4xf32>, %xo: tensor<6x4x8xf32>,
    %c: tensor<4x16xf32>, %r: tensor<4x8xf32>, %co: tensor<4x16xi8>, %so: tensor<4xf32>, %ro: tensor<4x8xf32>)
    -> (tensor<6x4x8xf32>, tensor<4x16xi8>, tensor<4xf32>, tensor<4x8xf32>) {
  %a = qattn.rope ins(%x, %p, %f : tensor<6x4x8xf32>, tensor<6xi32>, tensor<4xf32>) outs(%xo : tensor<6x4x8xf32>) -> tensor<6x4x8xf32>
  %b:3 = qattn.quantize_kv ins(%c, %r : tensor<4x16xf32>, tensor<4x8xf32>)
    outs(%co, %so, %ro : tensor<4x16xi8>, tensor<4xf32>, tensor<4x8xf32>) -> tensor<4x16xi8>, tensor<4xf32>, tensor<4x8xf32>
  return %a, %b#0, %b#1, %b#2 : tensor<6x4x8xf32>, tensor<4x16xi8>, tensor<4xf32>, tensor<4x8xf32>
}

// The last of 7 tokens: the tile before has two of them too.
// CHECK-LABEL: func @fetch
// CHECK: scf.for %[[T:.*]] = %c0 to %c7 step %c3
// CHECK: affine.min #{{.*}}(%[[T]])
// CHECK-NEXT: %[[START:.*]] = affine.min #{{.*}}(%[[T]])
// CHECK: %[[I:.*]] = arith.index_cast %[[START]] : index to i32
// CHECK: %[[S:.*]] = arith.addi %{{.*}}, %[[I]] : i32
// CHECK: %[[FROM:.*]] = tensor.from_elements %[[S]]
// CHECK: qattn.fetch_kv ins(%arg0, %[[FROM]] : {{.*}}) outs({{.*}} : tensor<3x1x8xf32>, tensor<3x1x8xf32>)
func.func @fetch(%c: !one, %s: tensor<1xi32>, %k: tensor<7x1x8xf32>, %v: tensor<7x1x8xf32>) -> (tensor<7x1x8xf32>, tensor<7x1x8xf32>) {
  %r:2 = qattn.fetch_kv ins(%c, %s : !one, tensor<1xi32>) outs(%k, %v : tensor<7x1x8xf32>, tensor<7x1x8xf32>) -> tensor<7x1x8xf32>, tensor<7x1x8xf32>
  return %r#0, %r#1 : tensor<7x1x8xf32>, tensor<7x1x8xf32>
}

module attributes {transform.with_named_sequence} {
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %f0 = transform.structured.match ops{["func.func"]} attributes{sym_name = "prefill"} in %m : (!transform.any_op) -> !transform.any_op
    %0 = transform.structured.match ops{["qattn.prefill"]} in %f0 : (!transform.any_op) -> !transform.any_op
    %t0, %l0:2 = transform.structured.tile_using_for %0 tile_sizes [2, 4] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    %f1 = transform.structured.match ops{["func.func"]} attributes{sym_name = "prefill_offset"} in %m : (!transform.any_op) -> !transform.any_op
    %1 = transform.structured.match ops{["qattn.prefill"]} in %f1 : (!transform.any_op) -> !transform.any_op
    %t1, %l1 = transform.structured.tile_using_for %1 tile_sizes [3] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %2 = transform.structured.match ops{["qattn.decode", "qattn.mla_decode", "qattn.mla_attention", "qattn.quantize_kv"]} in %m : (!transform.any_op) -> !transform.any_op
    %t2, %l2 = transform.structured.tile_using_for %2 tile_sizes [2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    %3 = transform.structured.match ops{["qattn.merge_partials"]} in %m : (!transform.any_op) -> !transform.any_op
    %t3, %l3:2 = transform.structured.tile_using_for %3 tile_sizes [2, 1] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    %4 = transform.structured.match ops{["qattn.rope"]} in %m : (!transform.any_op) -> !transform.any_op
    %t4, %l4:2 = transform.structured.tile_using_for %4 tile_sizes [3, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op, !transform.any_op)
    %5 = transform.structured.match ops{["qattn.fetch_kv"]} in %m : (!transform.any_op) -> !transform.any_op
    %t5, %l5 = transform.structured.tile_using_for %5 tile_sizes [3] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
