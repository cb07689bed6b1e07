// RUN: %headrace_opt %s -decompose-qattn -verify-diagnostics

func.func @memref(%k: memref<1x2x16xf32>, %v: memref<1x2x16xf32>,
                  %c: !qattn.kv_cache<64x2x16, bf16>, %position: memref<1xi32>) {
  // expected-error @+1 {{'qattn.append_kv' op decompose-qattn: expected tensors, but got a memref; this pass runs before kernels are formed}}
  qattn.append_kv %k, %v into %c at %position
      : memref<1x2x16xf32>, memref<1x2x16xf32>, !qattn.kv_cache<64x2x16, bf16>, memref<1xi32>
  return
}
