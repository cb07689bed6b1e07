// REQUIRES: plugin, mlir-opt
// Our verifiers speak in the stock tool as in ours.
//
// RUN: %mlir_opt %s --load-dialect-plugin=%plugin --split-input-file --verify-diagnostics
// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{packed type: expected columns in multiples of 256 (the block of q4_k), but got 128}}
func.func private @type(!qlinear.packed<4x128, #qlinear.gguf<q4_k>>)

// -----

func.func @operation(%b: tensor<1xi8>) {
  // expected-error@+1 {{'qlinear.from_bytes' op expected 136 bytes to store}}
  %w = qlinear.from_bytes %b : tensor<1xi8> to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
  return
}
