// RUN: %headrace_opt %s --headrace-cpu-pipeline=capabilities=%tests/../python/headrace/targets/cpu/capabilities.json --split-input-file --verify-diagnostics
// RUN: not %headrace_opt %s --headrace-cpu-pipeline=dots=vnni 2>&1 | FileCheck %s --check-prefix=OPTION
// RUN: echo "module {}" | not %headrace_opt --headrace-cpu-pipeline=dot=avx 2>&1 | FileCheck %s --check-prefix=DOT
// RUN: echo "module {}" | %headrace_opt --dump-pass-pipeline --headrace-cpu-pipeline="dot=vnni abi=iree" 2>&1 | FileCheck %s --check-prefix=PASSES

// OPTION: no such option dots
// DOT: expected dot of vnni, avx2, i8mm, dotprod, neon or portable, but got 'avx'

// Without a table there is no check; the options reach the passes.
// PASSES: builtin.module(
// PASSES-NEXT: symbol-dce
// PASSES-NEXT: cpu-form-kernels
// PASSES-NEXT: cpu-lower-quantize
// PASSES-NEXT: cpu-lower-dequantize
// PASSES-NEXT: cpu-lower-repack
// PASSES-NEXT: cpu-lower-products{bf16=portable dot=vnni fast-bf16=true gfni=false}
// PASSES: reconcile-unrealized-casts
// PASSES: cpu-add-entry-points{abi=iree}

// The table is asked before anything else happens.
func.func @main(%q: !qlinear.packed<1x32, #qlinear.act_i8>) -> tensor<1x32xf32> {
  %o = tensor.empty() : tensor<1x32xf32>
  // expected-error@+1 {{is not claimed by target cpu}}
  %d = qlinear.dequantize ins(%q : !qlinear.packed<1x32, #qlinear.act_i8>) outs(%o : tensor<1x32xf32>) -> tensor<1x32xf32>
  return %d : tensor<1x32xf32>
}
