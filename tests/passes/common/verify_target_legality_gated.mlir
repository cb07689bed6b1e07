// RUN: %headrace_opt %s --verify-target-legality=capabilities=%S/Inputs/gated.json --split-input-file --verify-diagnostics

// Both weights of a gated product must be claimed.

!a = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!b = !qlinear.packed<4x64, #qlinear.gguf<q4_0>>

func.func @claimed(%a: !a, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  %y = qlinear.gated_matvec silu ins(%a, %a, %x : !a, !a, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

func.func @gate(%a: !a, %b: !b, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{'qlinear.gated_matvec' op with format q4_0 and activations f32 is not claimed by target half; nearest: format q8_0}}
  %y = qlinear.gated_matvec silu ins(%b, %a, %x : !b, !a, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

func.func @up(%a: !a, %b: !b, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{'qlinear.gated_matvec' op with format q4_0 and activations f32 is not claimed by target half}}
  %y = qlinear.gated_matvec silu ins(%a, %b, %x : !a, !b, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}
