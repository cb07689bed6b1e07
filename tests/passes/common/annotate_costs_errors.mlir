// RUN: not %headrace_opt %s --annotate-costs=density=1.5 2>&1 | FileCheck %s --check-prefix=DENSITY
// RUN: not %headrace_opt %s --annotate-costs=length=-2 2>&1 | FileCheck %s --check-prefix=LENGTH
// RUN: not %headrace_opt %s --annotate-costs=sector=0 2>&1 | FileCheck %s --check-prefix=SECTOR
// RUN: %headrace_opt %s --annotate-costs --split-input-file --verify-diagnostics
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=1 dense-gops=1" --split-input-file --verify-diagnostics

// DENSITY: error: annotate-costs: expected a density from 0 to 1, but got 1.5
// LENGTH: error: annotate-costs: expected a length from 0, or -1 for full caches, but got -2
// SECTOR: error: annotate-costs: expected a sector of 1 to 1048576 bytes, but got 0
func.func @none() {
  return
}

// -----

func.func @large(%w: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %x: tensor<64xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'qlinear.matvec' op expected headrace.density to be a number from 0 to 1, but got 1.500000e+00 : f32}}
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<64xf32>) outs(%o : tensor<4xf32>) {headrace.density = 1.5 : f32} -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @text(%w: !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, %x: tensor<64xf32>, %o: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{'qlinear.matvec' op expected headrace.density to be a number from 0 to 1, but got "half"}}
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<4x64, #qlinear.gguf<q8_0>>, tensor<64xf32>) outs(%o : tensor<4xf32>) {headrace.density = "half"} -> tensor<4xf32>
  return %y : tensor<4xf32>
}
