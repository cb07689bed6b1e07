// REQUIRES: aarch64-registered-target
// RUN: %headrace translate %s --to asm --target cpu:neoverse-v2 -o %t.sve.s
// RUN: %inner_loops %t.sve.s --with compact | FileCheck %s "--implicit-check-not={{spill}}"
// RUN: %headrace translate %s --to asm --target cpu:neoverse-n1 -o %t.neon.s
// RUN: FileCheck %s --check-prefix=NEON --input-file=%t.neon.s

// SVE puts the numbers of large activations next to each other; NEON has no
// instruction for it.

// CHECK-LABEL: function select_columns_4096_f32
// CHECK: compact z{{[0-9]+}}.s

// NEON-LABEL: select_columns_4096_f32
// NEON-NOT: compact

func.func @main(%x: tensor<4096xf32>) -> (tensor<4096xi32>, tensor<1xi32>) {
  %i = tensor.empty() : tensor<4096xi32>
  %c = tensor.empty() : tensor<1xi32>
  %0:2 = qlinear.select_columns threshold = 0.5 ins(%x : tensor<4096xf32>) outs(%i, %c : tensor<4096xi32>, tensor<1xi32>) -> tensor<4096xi32>, tensor<1xi32>
  return %0#0, %0#1 : tensor<4096xi32>, tensor<1xi32>
}
