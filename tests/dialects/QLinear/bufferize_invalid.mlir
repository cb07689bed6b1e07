// RUN: %headrace_opt %s --one-shot-bufferize="bufferize-function-boundaries=true" -verify-diagnostics -split-input-file

!act = !qlinear.packed<1x64, #qlinear.act_i8>

// The buffer of quantized activations ends with the block.
func.func @quantized(%x: tensor<64xf32>) -> !act {
  // expected-error@+1 {{'qlinear.quantize' op expected the result to end with the block that has its buffer, but it is passed on; allowed: to pass on its bytes}}
  %q = qlinear.quantize %x : tensor<64xf32> to !act
  // expected-note@+1 {{passed on here}}
  return %q : !act
}

// -----

!q8_0 = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!half = !qlinear.packed<2x64, #qlinear.gguf<q8_0>>

// A view of a local buffer, and a part of it that leaves a branch.
func.func @local(%v: i8, %c: i1, %other: !half) -> !half {
  %r = scf.if %c -> !half {
    %e = tensor.empty() : tensor<272xi8>
    %b = linalg.fill ins(%v : i8) outs(%e : tensor<272xi8>) -> tensor<272xi8>
    // expected-error@+1 {{'qlinear.from_bytes' op expected the view to end with the block that has its buffer, but it is passed on; allowed: to pass on its bytes}}
    %w = qlinear.from_bytes %b : tensor<272xi8> to !q8_0
    %s = qlinear.slice %w rows [0, 2] : !q8_0 to !half
    // expected-note@+1 {{passed on here}}
    scf.yield %s : !half
  } else {
    scf.yield %other : !half
  }
  return %r : !half
}

// -----

!q8_0 = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

// A view of an argument may be returned, but not if it has to be a copy.
func.func @argument(%bytes: tensor<272xi8>) -> !q8_0 {
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  return %w : !q8_0
}

func.func @copy(%bytes: tensor<272xi8>, %v: i8, %i: index) -> (!q8_0, tensor<272xi8>) {
  // expected-error@+1 {{'qlinear.from_bytes' op expected the view to end with the block}}
  %w = qlinear.from_bytes %bytes : tensor<272xi8> to !q8_0
  %b = tensor.insert %v into %bytes[%i] : tensor<272xi8>
  // expected-note@+1 {{passed on here}}
  return %w, %b : !q8_0, tensor<272xi8>
}
