// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s -decompose-qattn -o /dev/null

// doc: cache
!paged = !qattn.kv_cache<4096x8x128, fp8_e4m3, scale = per_token, layout = paged<64>>
!local = !qattn.kv_cache<512x1x256, bf16, layout = ring>
!latent = !qattn.mla_cache<4096x512+64, fp8_e4m3, layout = paged<64>>
// doc: end

// doc: decode
// CHECK-LABEL: func @decode_step
// CHECK: qattn.append_kv
// CHECK: qattn.decode
func.func @decode_step(%q: tensor<32x128xf32>, %k: tensor<1x8x128xf32>, %v: tensor<1x8x128xf32>,
                       %cache: !paged, %position: tensor<1xi32>, %length: tensor<1xi32>,
                       %pages: tensor<64xi32>) -> (tensor<32x128xf32>, !paged) {
  %new = qattn.append_kv %k, %v into %cache at %position table %pages
      : tensor<1x8x128xf32>, tensor<1x8x128xf32>, !paged, tensor<1xi32>, tensor<64xi32> -> !paged
  %oi = tensor.empty() : tensor<32x128xf32>
  %li = tensor.empty() : tensor<32xf32>
  %o, %lse = qattn.decode ins(%q, %new, %length table %pages : tensor<32x128xf32>, !paged, tensor<1xi32>, tensor<64xi32>)
      outs(%oi, %li : tensor<32x128xf32>, tensor<32xf32>) {scale = 0.088388346 : f32}
      -> tensor<32x128xf32>, tensor<32xf32>
  return %o, %new : tensor<32x128xf32>, !paged
}
// doc: end

// doc: prefill
// CHECK-LABEL: func @prefill
// CHECK: qattn.rope
// CHECK: qattn.prefill causal
func.func @prefill(%q: tensor<40x4x256xf32>, %k: tensor<40x1x256xf32>, %v: tensor<40x1x256xf32>,
                   %positions: tensor<40xi32>, %frequencies: tensor<128xf32>) -> tensor<40x4x256xf32> {
  %qi = tensor.empty() : tensor<40x4x256xf32>
  %ki = tensor.empty() : tensor<40x1x256xf32>
  %qr = qattn.rope ins(%q, %positions, %frequencies : tensor<40x4x256xf32>, tensor<40xi32>, tensor<128xf32>)
      outs(%qi : tensor<40x4x256xf32>) -> tensor<40x4x256xf32>
  %kr = qattn.rope ins(%k, %positions, %frequencies : tensor<40x1x256xf32>, tensor<40xi32>, tensor<128xf32>)
      outs(%ki : tensor<40x1x256xf32>) -> tensor<40x1x256xf32>
  %o = qattn.prefill causal ins(%qr, %kr, %v : tensor<40x4x256xf32>, tensor<40x1x256xf32>, tensor<40x1x256xf32>)
      outs(%qi : tensor<40x4x256xf32>) {scale = 6.250000e-02 : f32, window = 512 : i64} -> tensor<40x4x256xf32>
  return %o : tensor<40x4x256xf32>
}
// doc: end

// doc: precision
// CHECK-LABEL: func @prefill_in_8_bits
// CHECK: qattn.prefill causal precision = i8
func.func @prefill_in_8_bits(%q: tensor<40x4x128xf32>, %k: tensor<40x1x128xf32>, %v: tensor<40x1x128xf32>)
    -> tensor<40x4x128xf32> {
  %init = tensor.empty() : tensor<40x4x128xf32>
  %o = qattn.prefill causal precision = i8 ins(%q, %k, %v : tensor<40x4x128xf32>, tensor<40x1x128xf32>, tensor<40x1x128xf32>)
      outs(%init : tensor<40x4x128xf32>) {scale = 8.838835e-02 : f32} -> tensor<40x4x128xf32>
  return %o : tensor<40x4x128xf32>
}
// doc: end

// doc: mla
// CHECK-LABEL: func @latent_step
// CHECK: qattn.quantize_kv
// CHECK: qattn.mla_decode
func.func @latent_step(%q: tensor<16x512xf32>, %qr: tensor<16x64xf32>, %cache: !latent,
                       %length: tensor<1xi32>, %pages: tensor<64xi32>) -> tensor<16x512xf32> {
  %ci = tensor.empty() : tensor<16x512xi8>
  %si = tensor.empty() : tensor<16xf32>
  %ri = tensor.empty() : tensor<16x64xf32>
  %codes, %scale, %rope = qattn.quantize_kv ins(%q, %qr : tensor<16x512xf32>, tensor<16x64xf32>)
      outs(%ci, %si, %ri : tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>)
      -> tensor<16x512xi8>, tensor<16xf32>, tensor<16x64xf32>
  %oi = tensor.empty() : tensor<16x512xf32>
  %li = tensor.empty() : tensor<16xf32>
  %o, %lse = qattn.mla_decode ins(%codes, %rope, %cache, %length q_scale %scale table %pages
          : tensor<16x512xi8>, tensor<16x64xf32>, !latent, tensor<1xi32> q_scale tensor<16xf32> table tensor<64xi32>)
      outs(%oi, %li : tensor<16x512xf32>, tensor<16xf32>) {scale = 0.07216878 : f32}
      -> tensor<16x512xf32>, tensor<16xf32>
  return %o : tensor<16x512xf32>
}
// doc: end

// CHECK-LABEL: func @ring
func.func @ring(%c: !local) -> !local {
  return %c : !local
}
