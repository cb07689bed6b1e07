// RUN: %headrace_opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(cpu-lower-append-mla,cpu-lower-fetch-mla,cpu-lower-mla-decode)"

!cache = !qattn.mla_cache<16x8+4, bf16>
func.func private @append(%k: memref<1x8xf32>, %r: memref<1x4xf32>, %c: !cache, %at: memref<1xi32>) {
  // expected-error@+1 {{'qattn.append_mla' op expected a cache from qattn.cache_from_bytes of a memref; run cpu-form-kernels first}}
  qattn.append_mla %k, %r into %c at %at : memref<1x8xf32>, memref<1x4xf32>, !cache, memref<1xi32>
  return
}

// -----

!cache = !qattn.mla_cache<16x8+4, bf16>
func.func private @fetch(%c: !cache, %at: memref<1xi32>, %k: memref<3x8xf32>, %r: memref<3x4xf32>) {
  // expected-error@+1 {{'qattn.fetch_mla' op expected a cache from qattn.cache_from_bytes of a memref; run cpu-form-kernels first}}
  qattn.fetch_mla ins(%c, %at : !cache, memref<1xi32>) outs(%k, %r : memref<3x8xf32>, memref<3x4xf32>)
  return
}

// -----

!cache = !qattn.mla_cache<16x8+4, bf16>
func.func private @decode(%q: memref<2x8xf32>, %r: memref<2x4xf32>, %c: !cache, %n: memref<1xi32>, %o: memref<2x8xf32>, %l: memref<2xf32>) {
  // expected-error@+1 {{'qattn.mla_decode' op expected a cache from qattn.cache_from_bytes of a memref; run cpu-form-kernels first}}
  qattn.mla_decode ins(%q, %r, %c, %n : memref<2x8xf32>, memref<2x4xf32>, !cache, memref<1xi32>)
      outs(%o, %l : memref<2x8xf32>, memref<2xf32>) {scale = 1.0 : f32}
  return
}
