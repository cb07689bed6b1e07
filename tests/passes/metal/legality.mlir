// RUN: %headrace_opt %s --headrace-metal-pipeline="capabilities=%tests/../python/headrace/targets/metal/capabilities.json" --split-input-file --verify-diagnostics

!w = !qlinear.packed<16x256, #qlinear.gguf<q5_k>>

func.func @format(%x: tensor<256xf32>, %w: !w) -> tensor<16xf32> {
  %o = tensor.empty() : tensor<16xf32>
  // expected-error@+1 {{with format q5_k and activations f32 is not claimed by target metal; nearest: format q5_0}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

!w = !qlinear.packed<16x128, #qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer>>

func.func @columns(%x: tensor<128xf32>, %w: !w) -> tensor<16xf32> {
  %o = tensor.empty() : tensor<16xf32>
  // expected-error@+1 {{with format int4:g128:zp on target metal: expected columns in multiples of 256, but got 128}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<128xf32>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

!w = !qlinear.packed<16x256, #qlinear.gguf<q4_0>>

func.func @activations(%x: tensor<256xbf16>, %w: !w) -> tensor<16xf32> {
  %o = tensor.empty() : tensor<16xf32>
  // expected-error@+1 {{is not claimed by target metal; nearest: activations f32}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xbf16>) outs(%o : tensor<16xf32>) -> tensor<16xf32>
  return %y : tensor<16xf32>
}
