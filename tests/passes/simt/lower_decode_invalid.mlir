// RUN: %headrace_opt %s --simt-lower-decode --split-input-file --verify-diagnostics

!c = !qattn.kv_cache<8x1x64, f16>
func.func private @no_bytes(%q: memref<1x64xf32>, %cache: !c, %n: memref<1xi32>, %o: memref<1x64xf32>, %l: memref<1xf32>) {
  // expected-error@+1 {{expected a cache from qattn.cache_from_bytes of a memref; run simt-form-kernels first}}
  qattn.decode ins(%q, %cache, %n : memref<1x64xf32>, !c, memref<1xi32>) outs(%o, %l : memref<1x64xf32>, memref<1xf32>) {scale = 1.0 : f32}
  return
}

// -----

!c = !qattn.kv_cache<8x1x64, fp8_e4m3, scale = per_token>
func.func private @fp8(%q: memref<1x64xf32>, %b: memref<1088xi8>, %n: memref<1xi32>, %o: memref<1x64xf32>, %l: memref<1xf32>)
    attributes {headrace.kernel = {workgroup = array<i32: 256, 1, 1>}} {
  %cache = qattn.cache_from_bytes %b : memref<1088xi8> to !c
  // expected-error@+1 {{has no GPU kernel for a cache of fp8_e4m3; allowed: f32, bf16, f16, i8}}
  qattn.decode ins(%q, %cache, %n : memref<1x64xf32>, !c, memref<1xi32>) outs(%o, %l : memref<1x64xf32>, memref<1xf32>) {scale = 1.0 : f32}
  return
}

// -----

!c = !qattn.kv_cache<8x1x64, f16>
func.func private @other_threads(%q: memref<1x64xf32>, %b: memref<2048xi8>, %n: memref<1xi32>, %o: memref<1x64xf32>, %l: memref<1xf32>)
    attributes {headrace.kernel = {workgroup = array<i32: 64, 1, 1>}} {
  %cache = qattn.cache_from_bytes %b : memref<2048xi8> to !c
  // expected-error@+1 {{expected 8 subgroups in a workgroup, but got 2}}
  qattn.decode ins(%q, %cache, %n : memref<1x64xf32>, !c, memref<1xi32>) outs(%o, %l : memref<1x64xf32>, memref<1xf32>) {scale = 1.0 : f32}
  return
}
