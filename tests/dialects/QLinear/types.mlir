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
