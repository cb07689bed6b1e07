// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
func.func @from_bytes_size(%b: tensor<575xi8>) {
  // expected-error@+1 {{'qlinear.from_bytes' op expected 576 bytes to store '!qlinear.packed<4x256, #qlinear.gguf<q4_k>>', but got 575}}
  %w = qlinear.from_bytes %b : tensor<575xi8> to !w
  return
}

// -----

// Padding takes bytes as well: 12 x 2 blocks, not 12 x 1.5.
!w = !qlinear.packed<384x384, #qlinear.q4nx, padded = 384x512>
func.func @from_bytes_padded(%b: memref<92160xi8>) {
  // expected-error@+1 {{op expected 122880 bytes to store}}
  %w = qlinear.from_bytes %b : memref<92160xi8> to !w
  return
}

// -----

func.func @from_bytes_dynamic(%b: tensor<?xi8>) {
  // expected-error@+1 {{op expected 136 bytes to store '!qlinear.packed<4x32, #qlinear.gguf<q8_0>>', but got a dynamic size; allowed: static shapes}}
  %w = qlinear.from_bytes %b : tensor<?xi8> to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
  return
}

// -----

func.func @from_bytes_type(%b: tensor<136xi16>) {
  // expected-error@+1 {{operand #0 must be 1-D tensor or memref of i8, but got 'tensor<136xi16>'}}
  %w = qlinear.from_bytes %b : tensor<136xi16> to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
  return
}

// -----

func.func @to_bytes_size(%w: !qlinear.packed<2x64, #qlinear.act_i8>) {
  // expected-error@+1 {{'qlinear.to_bytes' op expected 160 bytes to store '!qlinear.packed<2x64, #qlinear.act_i8>', but got 128}}
  %b = qlinear.to_bytes %w : !qlinear.packed<2x64, #qlinear.act_i8> to tensor<128xi8>
  return
}

// -----

func.func @to_bytes_dynamic(%w: !qlinear.packed<2x64, #qlinear.act_i8>) {
  // expected-error@+1 {{but got a dynamic size}}
  %b = qlinear.to_bytes %w : !qlinear.packed<2x64, #qlinear.act_i8> to tensor<?xi8>
  return
}
