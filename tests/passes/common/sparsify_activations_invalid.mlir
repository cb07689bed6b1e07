// RUN: %headrace_opt %s --sparsify-activations --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @negative(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'qlinear.matvec' op expected headrace.threshold to be a finite f32 that is not negative, but got -1.000000e+00 : f32}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) {headrace.threshold = -1.0 : f32} -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @not_a_number(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected headrace.threshold to be a finite f32 that is not negative, but got 0x7FC00000 : f32}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) {headrace.threshold = 0x7FC00000 : f32} -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @other_type(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected headrace.threshold to be a finite f32 that is not negative, but got 5.000000e-01 : f64}}
  %y = qlinear.gated_matvec silu ins(%w, %w, %x : !w, !w, tensor<32xf32>) outs(%o : tensor<4xf32>) {headrace.threshold = 0.5 : f64} -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @sparse_without_threshold(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected headrace.threshold to be a finite f32 that is not negative, but got none}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) {headrace.kernel = "sparse"} -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @packed_activations(%w: !w, %q: !qlinear.packed<1x32, #qlinear.act_i8>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{expected activations of f32 or bf16, whose size headrace.threshold can be compared with, but got '!qlinear.packed<1x32, #qlinear.act_i8>'}}
  %y = qlinear.matvec ins(%w, %q : !w, !qlinear.packed<1x32, #qlinear.act_i8>) outs(%o : tensor<4xf32>) {headrace.threshold = 0.5 : f32} -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>

func.func @kernel(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'qlinear.matvec' op expected headrace.kernel to be "dense", "sparse" or "lut", but got "fast"}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) {headrace.kernel = "fast"} -> tensor<4xf32>
  return %y : tensor<4xf32>
}
