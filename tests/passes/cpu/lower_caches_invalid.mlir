// RUN: %headrace_opt %s --split-input-file --verify-diagnostics --pass-pipeline="builtin.module(cpu-lower-append,cpu-lower-fetch,cpu-lower-decode)"

!cache = !qattn.kv_cache<16x2x8, f16>
func.func private @append(%k: memref<1x2x8xf32>, %c: !cache, %at: memref<1xi32>) {
  // expected-error@+1 {{'qattn.append_kv' op expected a cache from qattn.cache_from_bytes of a memref; run cpu-form-kernels first}}
  qattn.append_kv %k, %k into %c at %at : memref<1x2x8xf32>, memref<1x2x8xf32>, !cache, memref<1xi32>
  return
}

// -----

!cache = !qattn.kv_cache<16x2x8, f16>
func.func private @fetch(%c: !cache, %at: memref<1xi32>, %k: memref<3x2x8xf32>, %v: memref<3x2x8xf32>) {
  // expected-error@+1 {{'qattn.fetch_kv' op expected a cache from qattn.cache_from_bytes of a memref; run cpu-form-kernels first}}
  qattn.fetch_kv ins(%c, %at : !cache, memref<1xi32>) outs(%k, %v : memref<3x2x8xf32>, memref<3x2x8xf32>)
  return
}

// -----

!cache = !qattn.kv_cache<16x2x8, f16>
func.func private @decode(%q: memref<2x8xf32>, %c: !cache, %n: memref<1xi32>, %o: memref<2x8xf32>, %l: memref<2xf32>) {
  // expected-error@+1 {{'qattn.decode' op expected a cache from qattn.cache_from_bytes of a memref; run cpu-form-kernels first}}
  qattn.decode ins(%q, %c, %n : memref<2x8xf32>, !cache, memref<1xi32>)
      outs(%o, %l : memref<2x8xf32>, memref<2xf32>) {scale = 1.0 : f32}
  return
}
