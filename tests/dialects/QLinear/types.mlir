// RUN: %headrace_opt %s | FileCheck %s
// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --emit-bytecode | %headrace_opt | FileCheck %s

// Every format, and padding where the format pads and the shape needs it.

// doc: formats
// CHECK-LABEL: func private @formats(
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.gguf<q4_0>>,
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.gguf<q5_0>>,
// CHECK-SAME: !qlinear.packed<4x96, #qlinear.gguf<q8_0>>,
// CHECK-SAME: !qlinear.packed<1x256, #qlinear.gguf<q4_k>>,
// CHECK-SAME: !qlinear.packed<3x512, #qlinear.gguf<q6_k>>,
// CHECK-SAME: !qlinear.packed<64x512, #qlinear.q4nx>,
// CHECK-SAME: !qlinear.packed<7x64, #qlinear.act_i8>)
func.func private @formats(
  !qlinear.packed<4x32, #qlinear.gguf<q4_0>>,
  !qlinear.packed<4x32, #qlinear.gguf<q5_0>>,
  !qlinear.packed<4x96, #qlinear.gguf<q8_0>>,
  !qlinear.packed<1x256, #qlinear.gguf<q4_k>>,
  !qlinear.packed<3x512, #qlinear.gguf<q6_k>>,
  !qlinear.packed<64x512, #qlinear.q4nx>,
  !qlinear.packed<7x64, #qlinear.act_i8>)
// doc: end

// Formats with parameters, and with a header before the rows.
// doc: families
// CHECK-LABEL: func private @families(
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.gguf<q4_1>>,
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.gguf<q5_1>>,
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.gguf<iq4_nl>>,
// CHECK-SAME: !qlinear.packed<4x256, #qlinear.gguf<q2_k>>,
// CHECK-SAME: !qlinear.packed<4x256, #qlinear.gguf<q3_k>>,
// CHECK-SAME: !qlinear.packed<4x256, #qlinear.gguf<q5_k>>,
// CHECK-SAME: !qlinear.packed<4x3, #qlinear.plain<bf16>>,
// CHECK-SAME: !qlinear.packed<4x3, #qlinear.fp8<e4m3, scale = per_tensor>>,
// CHECK-SAME: !qlinear.packed<4x3, #qlinear.fp8<e5m2, scale = per_token>>,
// CHECK-SAME: !qlinear.packed<130x3, #qlinear.fp8<e4m3, scale = per_block>>,
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.mx<fp4>>,
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.mx<fp8_e4m3>>,
// CHECK-SAME: !qlinear.packed<4x16, #qlinear.nvfp4>,
// CHECK-SAME: !qlinear.packed<4x256, #qlinear.affine<bits = 4, group = 128, scale = f16>>,
// CHECK-SAME: !qlinear.packed<4x256, #qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer, act_order>>,
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.affine<bits = 4, group = 32, scale = bf16, zero_point = float>>,
// CHECK-SAME: !qlinear.packed<4x3, #qlinear.affine<bits = 8, group = channel, scale = f32>>,
// CHECK-SAME: !qlinear.packed<512x4, #qlinear.codebook<dim = 2, entries = 16, group = 512>>,
// CHECK-SAME: !qlinear.packed<5x3, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i4, activation_entries = 64>, padded = 512x4>,
// CHECK-SAME: !qlinear.packed<512x4, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64, split>>,
// CHECK-SAME: !qlinear.packed<300x7, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>, padded = 512x7>,
// CHECK-SAME: !qlinear.packed<8x64, #qlinear.repacked<#qlinear.gguf<q4_0>, "rows8">>)
func.func private @families(
  !qlinear.packed<4x32, #qlinear.gguf<q4_1>>,
  !qlinear.packed<4x32, #qlinear.gguf<q5_1>>,
  !qlinear.packed<4x32, #qlinear.gguf<iq4_nl>>,
  !qlinear.packed<4x256, #qlinear.gguf<q2_k>>,
  !qlinear.packed<4x256, #qlinear.gguf<q3_k>>,
  !qlinear.packed<4x256, #qlinear.gguf<q5_k>>,
  !qlinear.packed<4x3, #qlinear.plain<bf16>>,
  !qlinear.packed<4x3, #qlinear.fp8<e4m3, scale = per_tensor>>,
  !qlinear.packed<4x3, #qlinear.fp8<e5m2, scale = per_token>>,
  !qlinear.packed<130x3, #qlinear.fp8<e4m3, scale = per_block>>,
  !qlinear.packed<4x32, #qlinear.mx<fp4>>,
  !qlinear.packed<4x32, #qlinear.mx<fp8_e4m3>>,
  !qlinear.packed<4x16, #qlinear.nvfp4>,
  !qlinear.packed<4x256, #qlinear.affine<bits = 4, group = 128, scale = f16>>,
  !qlinear.packed<4x256, #qlinear.affine<bits = 4, group = 128, scale = f16, zero_point = integer, act_order>>,
  !qlinear.packed<4x32, #qlinear.affine<bits = 4, group = 32, scale = bf16, zero_point = float>>,
  !qlinear.packed<4x3, #qlinear.affine<bits = 8, group = channel, scale = f32>>,
  !qlinear.packed<512x4, #qlinear.codebook<dim = 2, entries = 16, group = 512>>,
  !qlinear.packed<5x3, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i4, activation_entries = 64>, padded = 512x4>,
  !qlinear.packed<512x4, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64, split>>,
  !qlinear.packed<300x7, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>, padded = 512x7>,
  !qlinear.packed<8x64, #qlinear.repacked<#qlinear.gguf<q4_0>, "rows8">>)
// doc: end

// A padded shape that equals the shape is not printed.
// CHECK-LABEL: func private @padding(
// CHECK-SAME: !qlinear.packed<384x384, #qlinear.q4nx, padded = 384x512>,
// CHECK-SAME: !qlinear.packed<1x1, #qlinear.q4nx, padded = 32x256>,
// CHECK-SAME: !qlinear.packed<33x256, #qlinear.q4nx, padded = 64x256>,
// CHECK-SAME: !qlinear.packed<32x256, #qlinear.q4nx>,
// CHECK-SAME: !qlinear.packed<4x32, #qlinear.gguf<q8_0>>)
func.func private @padding(
  !qlinear.packed<384x384, #qlinear.q4nx, padded = 384x512>,
  !qlinear.packed<1x1, #qlinear.q4nx, padded = 32x256>,
  !qlinear.packed<33x256, #qlinear.q4nx, padded = 64x256>,
  !qlinear.packed<32x256, #qlinear.q4nx, padded = 32x256>,
  !qlinear.packed<4x32, #qlinear.gguf<q8_0>, padded = 4x32>)

// The largest sides that are allowed.
// CHECK-LABEL: func private @huge(!qlinear.packed<268435456x268435456, #qlinear.gguf<q8_0>>)
func.func private @huge(!qlinear.packed<268435456x268435456, #qlinear.gguf<q8_0>>)
