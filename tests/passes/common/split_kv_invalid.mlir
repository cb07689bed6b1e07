// RUN: %headrace_opt %s --split-kv=splits=4 --split-input-file --verify-diagnostics
// RUN: not %headrace_opt %s --split-kv="splits=4 tokens-per-split=8" --split-input-file 2>&1 | FileCheck %s --check-prefix=BOTH
// RUN: not %headrace_opt %s --split-kv=splits=-1 --split-input-file 2>&1 | FileCheck %s --check-prefix=NEGATIVE

// BOTH: error: split-kv: expected one of splits and tokens-per-split, at least 1, but got splits 4 and tokens-per-split 8
// NEGATIVE: error: split-kv: expected one of splits and tokens-per-split, at least 1, but got splits -1 and tokens-per-split 0

func.func @zero(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<16x2x64, bf16>, %n: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> tensor<8x64xf32> {
  // expected-error@+1 {{'qattn.decode' op split-kv: expected headrace.splits to be an integer of at least 1, but got 0 : i64}}
  %r:2 = qattn.decode ins(%q, %c, %n : tensor<8x64xf32>, !qattn.kv_cache<16x2x64, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.0 : f32, headrace.splits = 0} -> tensor<8x64xf32>, tensor<8xf32>
  return %r#0 : tensor<8x64xf32>
}

// -----

func.func @text(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<16x2x64, bf16>, %n: tensor<1xi32>, %o: tensor<8x64xf32>, %l: tensor<8xf32>) -> tensor<8x64xf32> {
  // expected-error@+1 {{'qattn.decode' op split-kv: expected headrace.splits to be an integer of at least 1, but got "many"}}
  %r:2 = qattn.decode ins(%q, %c, %n : tensor<8x64xf32>, !qattn.kv_cache<16x2x64, bf16>, tensor<1xi32>)
      outs(%o, %l : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.0 : f32, headrace.splits = "many"} -> tensor<8x64xf32>, tensor<8xf32>
  return %r#0 : tensor<8x64xf32>
}
