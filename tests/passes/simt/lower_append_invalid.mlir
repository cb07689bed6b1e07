// RUN: %headrace_opt %s --simt-lower-append --simt-lower-fetch --split-input-file --verify-diagnostics

!c = !qattn.kv_cache<8x1x4, f16>
func.func private @no_bytes(%k: memref<1x1x4xf32>, %cache: !c, %n: memref<1xi32>) {
  // expected-error@+1 {{expected a cache from qattn.cache_from_bytes of a memref; run simt-form-kernels first}}
  qattn.append_kv %k, %k into %cache at %n : memref<1x1x4xf32>, memref<1x1x4xf32>, !c, memref<1xi32>
  return
}

// -----

!c = !qattn.kv_cache<8x1x4, f16>
func.func private @two_subgroups(%k: memref<1x1x4xf32>, %b: memref<128xi8>, %n: memref<1xi32>)
    attributes {headrace.kernel = {workgroup = array<i32: 64, 1, 1>}} {
  %cache = qattn.cache_from_bytes %b : memref<128xi8> to !c
  // expected-error@+1 {{expected 1 subgroup in a workgroup, but got 2}}
  qattn.append_kv %k, %k into %cache at %n : memref<1x1x4xf32>, memref<1x1x4xf32>, !c, memref<1xi32>
  return
}

// -----

!c = !qattn.kv_cache<8x1x4, fp8_e4m3, scale = per_token>
func.func private @fp8(%b: memref<128xi8>, %n: memref<1xi32>, %k: memref<1x1x4xf32>, %v: memref<1x1x4xf32>) {
  %cache = qattn.cache_from_bytes %b : memref<128xi8> to !c
  // expected-error@+1 {{has no GPU kernel for a cache of fp8_e4m3; allowed: f32, bf16, f16, i8}}
  qattn.fetch_kv ins(%cache, %n : !c, memref<1xi32>) outs(%k, %v : memref<1x1x4xf32>, memref<1x1x4xf32>)
  return
}

// -----

!c = !qattn.kv_cache<8x1x4, f16>
func.func private @no_kernel(%b: memref<128xi8>, %n: memref<1xi32>, %k: memref<1x1x4xf32>, %v: memref<1x1x4xf32>) {
  %cache = qattn.cache_from_bytes %b : memref<128xi8> to !c
  // expected-error@+1 {{expected to be in a kernel (a function with headrace.kernel and its workgroup); run simt-form-kernels first}}
  qattn.fetch_kv ins(%cache, %n : !c, memref<1xi32>) outs(%k, %v : memref<1x1x4xf32>, memref<1x1x4xf32>)
  return
}
