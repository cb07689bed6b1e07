// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!act = !qlinear.packed<1x64, #qlinear.act_i8>

func.func @both(%x: memref<64xf32>, %q: !act) {
  // expected-error@+1 {{'qlinear.quantize' op expected either a destination (for a memref) or a result (for a tensor), but got both}}
  %r = qlinear.quantize %x into %q : memref<64xf32>, !act to !act
  return
}

// -----

func.func @neither(%x: tensor<64xf32>) {
  // expected-error@+1 {{expected either a destination (for a memref) or a result (for a tensor), but got neither}}
  qlinear.quantize %x : tensor<64xf32>
  return
}

// -----

!act = !qlinear.packed<1x64, #qlinear.act_i8>

func.func @tensor_into(%x: tensor<64xf32>, %q: !act) {
  // expected-error@+1 {{expected a result for a tensor x}}
  qlinear.quantize %x into %q : tensor<64xf32>, !act
  return
}

// -----

func.func @memref_result(%x: memref<64xf32>) {
  // expected-error@+1 {{expected a destination for a memref x}}
  %q = qlinear.quantize %x : memref<64xf32> to !qlinear.packed<1x64, #qlinear.act_i8>
  return
}

// -----

func.func @weight_format(%x: tensor<64xf32>) {
  // expected-error@+1 {{expected an activation format, but got #qlinear.gguf<q8_0>; allowed: #qlinear.act_i8 (weights are quantized ahead of time)}}
  %q = qlinear.quantize %x : tensor<64xf32> to !qlinear.packed<1x64, #qlinear.gguf<q8_0>>
  return
}

// -----

func.func @rows(%x: tensor<3x64xf32>) {
  // expected-error@+1 {{expected rows of 3 (those of x), but got 2}}
  %q = qlinear.quantize %x : tensor<3x64xf32> to !qlinear.packed<2x64, #qlinear.act_i8>
  return
}

// -----

func.func @columns(%x: tensor<64xf32>) {
  // expected-error@+1 {{expected columns of 64 (those of x), but got 96}}
  %q = qlinear.quantize %x : tensor<64xf32> to !qlinear.packed<1x96, #qlinear.act_i8>
  return
}

// -----

func.func @dynamic(%x: tensor<?x64xf32>) {
  // expected-error@+1 {{expected x of a static shape, but got 'tensor<?x64xf32>'}}
  %q = qlinear.quantize %x : tensor<?x64xf32> to !qlinear.packed<2x64, #qlinear.act_i8>
  return
}

// -----

func.func @precision(%x: tensor<64xbf16>) {
  // expected-error@+1 {{operand #0 must be 1-D or 2-D tensor or memref of f32, but got 'tensor<64xbf16>'}}
  %q = qlinear.quantize %x : tensor<64xbf16> to !qlinear.packed<1x64, #qlinear.act_i8>
  return
}
