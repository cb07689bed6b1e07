// RUN: %headrace_opt %s --transform-interpreter -verify-diagnostics -split-input-file

// A cache of two key heads is one piece.
!two = !qattn.kv_cache<64x2x8, bf16>
module attributes {transform.with_named_sequence} {
  func.func @heads_of_a_cache(%q: tensor<4x8xf32>, %c: !two, %n: tensor<1xi32>, %o: tensor<4x8xf32>, %l: tensor<4xf32>) -> tensor<4x8xf32> {
    // expected-error@+3 {{'qattn.decode' op expected tiles of heads in multiples of 4 (a cache is not cut by its heads), but got 2}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    %a:2 = qattn.decode ins(%q, %c, %n : tensor<4x8xf32>, !two, tensor<1xi32>) outs(%o, %l : tensor<4x8xf32>, tensor<4xf32>) {scale = 1.0 : f32} -> tensor<4x8xf32>, tensor<4xf32>
    return %a#0 : tensor<4x8xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qattn.decode"]} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

module attributes {transform.with_named_sequence} {
  func.func @part_of_a_group(%q: tensor<6x8x16xf32>, %k: tensor<6x2x16xf32>, %o: tensor<6x8x16xf32>) -> tensor<6x8x16xf32> {
    // expected-error@+3 {{'qattn.prefill' op expected tiles of heads in multiples of 4 (those that share a key head), but got 2}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    %a = qattn.prefill causal ins(%q, %k, %k : tensor<6x8x16xf32>, tensor<6x2x16xf32>, tensor<6x2x16xf32>) outs(%o : tensor<6x8x16xf32>) {scale = 1.0 : f32} -> tensor<6x8x16xf32>
    return %a : tensor<6x8x16xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qattn.prefill"]} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [0, 2] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
