// RUN: %headrace_opt %s --lower-lut-matvec --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @no_tables(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'qlinear.matvec' op expected a weight with product tables for headrace.kernel = "lut", but got #qlinear.gguf<q8_0>; allowed: #qlinear.codebook with table = i8 or i4}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) {headrace.kernel = "lut"} -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

!w = !qlinear.packed<8x32, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i4, activation_entries = 8>>

func.func @packed_activations(%w: !w, %q: !qlinear.packed<1x32, #qlinear.act_i8>, %o: tensor<8xf32>) -> tensor<8xf32> {
  // expected-error@+1 {{'qlinear.matvec' op expected activations of f32 or bf16 to look up, but got '!qlinear.packed<1x32, #qlinear.act_i8>'}}
  %y = qlinear.matvec ins(%w, %q : !w, !qlinear.packed<1x32, #qlinear.act_i8>) outs(%o : tensor<8xf32>) {headrace.kernel = "lut"} -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @kernel(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'qlinear.matvec' op expected headrace.kernel to be "dense", "sparse" or "lut", but got 1 : i64}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) {headrace.kernel = 1 : i64} -> tensor<4xf32>
  return %y : tensor<4xf32>
}
