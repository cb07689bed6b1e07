// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{unknown format 'q4_x'; allowed: gguf, q4nx, plain, fp8, mx, nvfp4, affine, codebook, zigzag, repacked, act_i8, for example #qlinear.gguf<q4_k>}}
func.func private @format(!qlinear.packed<4x32, #qlinear.q4_x>)

// -----

// expected-error@+2 {{to be one of: q4_0, q4_1, q5_0, q5_1, q8_0, q2_k, q3_k, q4_k, q5_k, q6_k, iq4_nl}}
// expected-error@+1 {{failed to parse QLinear_GgufAttr parameter 'kind'}}
func.func private @gguf_kind(!qlinear.packed<4x32, #qlinear.gguf<q7_k>>)

// -----

// expected-error@+1 {{expected a storage format, but got 4 : i32; allowed: attributes with QuantFormatAttrInterface, for example #qlinear.gguf<q4_k>, #qlinear.q4nx}}
func.func private @not_a_format(!qlinear.packed<4x32, 4 : i32>)

// -----

// expected-error@+1 {{expected ','}}
func.func private @no_format(!qlinear.packed<4x32>)

// -----

// expected-error@+1 {{expected rows x columns, but got 1 dimensions; allowed: two positive numbers, for example 4096x14336}}
func.func private @one_dimension(!qlinear.packed<4096, #qlinear.q4nx>)

// -----

// expected-error@+1 {{expected rows x columns, but got 3 dimensions}}
func.func private @three_dimensions(!qlinear.packed<2x32x256, #qlinear.q4nx>)

// -----

// expected-error@+1 {{expected rows x columns, but got 0 dimensions}}
func.func private @negative(!qlinear.packed<-4x32, #qlinear.q4nx>)

// -----

// expected-error@+1 {{expected static shape}}
func.func private @dynamic(!qlinear.packed<?x32, #qlinear.gguf<q8_0>>)

// -----

// expected-error@+1 {{expected 'padded'}}
func.func private @padded_keyword(!qlinear.packed<4x32, #qlinear.q4nx, pad = 32x256>)

// -----

// expected-error@+1 {{expected rows x columns, but got 1 dimensions}}
func.func private @padded_shape(!qlinear.packed<4x32, #qlinear.q4nx, padded = 256>)

// -----

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
func.func @function_of_gate(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) {
  // expected-error@+2 {{to be one of: silu, gelu_tanh}}
  // expected-error@+1 {{failed to parse QLinear_ActivationAttr parameter 'value'}}
  %0 = qlinear.gated_matvec relu ins(%w, %w, %x : !w, !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
}

// -----

// expected-error@+1 {{expected 'act_order' after the zero point}}
func.func private @second_zero_point(!qlinear.packed<4x32, #qlinear.affine<bits = 4, group = 8, scale = f16, zero_point = float, zero_point = integer>>)
