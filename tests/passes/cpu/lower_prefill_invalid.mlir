// RUN: %headrace_opt %s --split-input-file --verify-diagnostics --cpu-lower-prefill

func.func private @large(%q: memref<1x1x4000xf32>, %k: memref<1x1x4000xf32>, %v: memref<1x1x97xf32>, %o: memref<1x1x97xf32>) {
  // expected-error @+1 {{'qattn.prefill' op expected at most 4096 columns of a key and a value together, but got 4097}}
  qattn.prefill causal ins(%q, %k, %v : memref<1x1x4000xf32>, memref<1x1x4000xf32>, memref<1x1x97xf32>)
      outs(%o : memref<1x1x97xf32>) {scale = 1.0 : f32}
  return
}
