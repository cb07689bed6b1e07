// RUN: %headrace_opt %s --verify-target-legality=capabilities=%tests/../python/headrace/targets/cpu/capabilities.json --verify-diagnostics

// The CPU target's own table claims matvec, matmul and gated_matvec for each
// weight format and each precision of activations.

!q4_0 = !qlinear.packed<4x32, #qlinear.gguf<q4_0>>
!q5_0 = !qlinear.packed<4x32, #qlinear.gguf<q5_0>>
!q8_0 = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
!q4_k = !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
!q6_k = !qlinear.packed<4x256, #qlinear.gguf<q6_k>>
!q4nx = !qlinear.packed<4x32, #qlinear.q4nx, padded = 32x256>

func.func @formats(%a: !q4_0, %b: !q5_0, %c: !q8_0, %d: !q4_k, %e: !q6_k, %f: !q4nx,
                   %x: tensor<32xf32>, %xs: tensor<2x256xbf16>, %o: tensor<4xf32>, %os: tensor<2x4xf32>) {
  %q = qlinear.quantize %x : tensor<32xf32> to !qlinear.packed<1x32, #qlinear.act_i8>
  %0 = qlinear.matvec ins(%a, %x : !q4_0, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%b, %q : !q5_0, !qlinear.packed<1x32, #qlinear.act_i8>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %2 = qlinear.gated_matvec silu ins(%f, %f, %x : !q4nx, !q4nx, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %3 = qlinear.matmul ins(%d, %xs : !q4_k, tensor<2x256xbf16>) outs(%os : tensor<2x4xf32>) -> tensor<2x4xf32>
  %5 = qlinear.matvec ins(%c, %x : !q8_0, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %4 = qlinear.matmul ins(%e, %xs : !q6_k, tensor<2x256xbf16>) outs(%os : tensor<2x4xf32>) -> tensor<2x4xf32>
  return
}

// Nothing decodes activations on the CPU.
func.func @unclaimed(%q: !qlinear.packed<1x32, #qlinear.act_i8>, %o: tensor<1x32xf32>) {
  // expected-error@+1 {{'qlinear.dequantize' op with format act_i8 is not claimed by target cpu; nearest: format q4_0; claimed formats: q4_0}}
  %d = qlinear.dequantize ins(%q : !qlinear.packed<1x32, #qlinear.act_i8>) outs(%o : tensor<1x32xf32>) -> tensor<1x32xf32>
  return
}

// Both formats are claimed, but not together.
func.func @mixed(%c: !q8_0, %f: !q4nx, %x: tensor<32xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{'qlinear.gated_matvec' op with gate in q8_0 and up in q4nx is not claimed by target cpu; allowed: one format for both}}
  %0 = qlinear.gated_matvec silu ins(%c, %f, %x : !q8_0, !q4nx, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// Columns that the format allows but the target does not: q4nx pads to 256, the CPU kernels read groups of 32.
func.func @columns(%w: !qlinear.packed<4x40, #qlinear.q4nx, padded = 32x256>, %x: tensor<40xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{'qlinear.matvec' op with format q4nx on target cpu: expected columns in multiples of 32, but got 40; nearest allowed: 32 or 64}}
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x40, #qlinear.q4nx, padded = 32x256>, tensor<40xf32>)
      outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}
