// RUN: %headrace_opt %s --transform-interpreter -verify-diagnostics -split-input-file

module attributes {transform.with_named_sequence} {
  func.func @part_of_a_block(%w: !qlinear.packed<96x256, #qlinear.q4nx>, %x: tensor<256xf32>, %o: tensor<96xf32>) -> tensor<96xf32> {
    // expected-error@+3 {{'qlinear.matvec' op expected tiles of rows in multiples of 32 (the block of q4nx), but got 48}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<96x256, #qlinear.q4nx>, tensor<256xf32>) outs(%o : tensor<96xf32>) -> tensor<96xf32>
    return %y : tensor<96xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qlinear.matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [48] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Groups of two formats: the block is what both have.
module attributes {transform.with_named_sequence} {
  func.func @two_formats(%g: !qlinear.packed<96x256, #qlinear.q4nx>, %u: !qlinear.packed<96x256, #qlinear.gguf<q4_k>>, %x: tensor<256xf32>, %o: tensor<96xf32>) -> tensor<96xf32> {
    // expected-error@+3 {{'qlinear.gated_matvec' op expected tiles of rows in multiples of 32 (the block of q4nx), but got 16}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    %y = qlinear.gated_matvec silu ins(%g, %u, %x : !qlinear.packed<96x256, #qlinear.q4nx>, !qlinear.packed<96x256, #qlinear.gguf<q4_k>>, tensor<256xf32>) outs(%o : tensor<96xf32>) -> tensor<96xf32>
    return %y : tensor<96xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qlinear.gated_matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [16] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// The padding of only one weight: the last tile cannot end in it.
module attributes {transform.with_named_sequence} {
  func.func @padding_of_one(%g: !qlinear.packed<80x256, #qlinear.q4nx, padded = 96x256>, %u: !qlinear.packed<80x256, #qlinear.gguf<q4_k>>, %x: tensor<256xf32>, %o: tensor<80xf32>) -> tensor<80xf32> {
    // expected-error@+3 {{'qlinear.gated_matvec' op expected tiles that divide the 80 rows, of which not all operands have the same padding, but got 64}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    %y = qlinear.gated_matvec silu ins(%g, %u, %x : !qlinear.packed<80x256, #qlinear.q4nx, padded = 96x256>, !qlinear.packed<80x256, #qlinear.gguf<q4_k>>, tensor<256xf32>) outs(%o : tensor<80xf32>) -> tensor<80xf32>
    return %y : tensor<80xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qlinear.gated_matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [64] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// Scales of tiles of rows: all rows are one piece.
!fp8 = !qlinear.packed<256x128, #qlinear.fp8<e4m3, scale = per_block>>
module attributes {transform.with_named_sequence} {
  func.func @scales_of_tiles(%w: !fp8, %x: tensor<128xf32>, %o: tensor<256xf32>) -> tensor<256xf32> {
    // expected-error@+3 {{'qlinear.matvec' op expected tiles of rows in multiples of 256 (all rows of fp8}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    %y = qlinear.matvec ins(%w, %x : !fp8, tensor<128xf32>) outs(%o : tensor<256xf32>) -> tensor<256xf32>
    return %y : tensor<256xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qlinear.matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [128] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

// A tile size known only at run time.
module attributes {transform.with_named_sequence} {
  func.func @size_at_run_time(%w: !qlinear.packed<96x256, #qlinear.gguf<q4_k>>, %x: tensor<256xf32>, %o: tensor<96xf32>, %n: index) -> tensor<96xf32> {
    %size = arith.addi %n, %n {size} : index
    // expected-error@+3 {{'qlinear.matvec' op expected tiles of rows with a constant bound, but got a size known only at run time}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    %y = qlinear.matvec ins(%w, %x : !qlinear.packed<96x256, #qlinear.gguf<q4_k>>, tensor<256xf32>) outs(%o : tensor<96xf32>) -> tensor<96xf32>
    return %y : tensor<96xf32>
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qlinear.matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %s = transform.structured.match attributes{size} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [%s] : (!transform.any_op, !transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}

// -----

module attributes {transform.with_named_sequence} {
  func.func @memrefs(%w: !qlinear.packed<96x256, #qlinear.gguf<q4_k>>, %x: memref<256xf32>, %o: memref<96xf32>) {
    // expected-error@+3 {{'qlinear.matvec' op expected tensors to tile, but got memrefs; tile before bufferization}}
    // expected-error@+2 {{tile operation}}
    // expected-error@+1 {{failed to generate tiling loops}}
    qlinear.matvec ins(%w, %x : !qlinear.packed<96x256, #qlinear.gguf<q4_k>>, memref<256xf32>) outs(%o : memref<96xf32>)
    return
  }
  transform.named_sequence @__transform_main(%m: !transform.any_op) {
    %0 = transform.structured.match ops{["qlinear.matvec"]} in %m : (!transform.any_op) -> !transform.any_op
    %t, %l = transform.structured.tile_using_for %0 tile_sizes [32] : (!transform.any_op) -> (!transform.any_op, !transform.any_op)
    transform.yield
  }
}
