// RUN: %headrace_opt %s --verify-target-legality=capabilities=%S/Inputs/small.json --split-input-file --verify-diagnostics

// doc: unclaimed
func.func @format(%w: !qlinear.packed<4x64, #qlinear.gguf<q5_0>>, %x: tensor<64xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'qlinear.matvec' op with format q5_0 and activations f32 is not claimed by target small; nearest: format q4_0; claimed formats: q4_0, q8_0, q4_k}}
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x64, #qlinear.gguf<q5_0>>, tensor<64xf32>)
      outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
// doc: end

// -----

func.func @activations(%w: !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, %x: tensor<256xbf16>, %o: tensor<4xf32>) {
  // expected-error@+1 {{op with format q4_k and activations bf16 is not claimed by target small; nearest: activations f32; claimed activations for q4_k: f32, i8}}
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, tensor<256xbf16>)
      outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @columns(%w: !qlinear.packed<4x96, #qlinear.gguf<q8_0>>, %x: tensor<96xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{op with format q8_0 on target small: expected columns in multiples of 64, but got 96}}
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x96, #qlinear.gguf<q8_0>>, tensor<96xf32>)
      outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @operation(%w: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %x: tensor<2x64xf32>, %o: tensor<2x4xf32>) {
  // expected-error@+1 {{'qlinear.matmul' op is not claimed by target small; nearest: qlinear.matvec; claimed operations: qlinear.matvec, qlinear.dequantize}}
  %y = qlinear.matmul ins(%w, %x : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<2x64xf32>)
      outs(%o : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// -----

// An operation without activations.
func.func @dequantize(%w: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %o: tensor<4x64xf32>) {
  // expected-error@+1 {{'qlinear.dequantize' op with format q8_0 is not claimed by target small; nearest: format q4_k; claimed formats: q4_k}}
  %d = qlinear.dequantize ins(%w : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>)
      outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  return
}

// -----

// Every unclaimed operation is reported, not only the first.
func.func @several(%x: tensor<64xf32>) {
  // expected-error@+1 {{'qlinear.quantize' op is not claimed by target small; nearest: qlinear.dequantize}}
  %0 = qlinear.quantize %x : tensor<64xf32> to !qlinear.packed<1x64, #qlinear.act_i8>
  // expected-error@+1 {{'qlinear.quantize' op is not claimed by target small}}
  %1 = qlinear.quantize %x : tensor<64xf32> to !qlinear.packed<1x64, #qlinear.act_i8>
  return
}
