// RUN: %headrace_opt %s --verify-target-legality=capabilities=%S/Inputs/attention.json --split-input-file --verify-diagnostics

// Every operation of qlinear and qattn needs a claim, unless it only says what
// bytes are.

!zigzag = !qlinear.packed<256x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
!rows8 = !qlinear.packed<8x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows8">>

func.func @claimed(%b: tensor<1152xi8>, %x: tensor<64xf32>, %i: tensor<64xi32>, %n: tensor<1xi32>, %w: !zigzag, %o: tensor<256xf32>,
                   %kv: tensor<8192xi8>, %q: tensor<8x64xf32>, %oi: tensor<8x64xf32>, %li: tensor<8xf32>) {
  %r = qlinear.from_bytes %b : tensor<1152xi8> to !qlinear.packed<8x256, #qlinear.gguf<q4_k>>
  %s = qlinear.slice %r rows [0, 4] : !qlinear.packed<8x256, #qlinear.gguf<q4_k>> to !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
  %c = qlinear.concat %s, %s : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, !qlinear.packed<4x256, #qlinear.gguf<q4_k>> to !qlinear.packed<8x256, #qlinear.gguf<q4_k>>
  %p = qlinear.repack %c : !qlinear.packed<8x256, #qlinear.gguf<q4_k>> to !rows8
  %t = qlinear.to_bytes %p : !rows8 to tensor<1152xi8>
  %norm = qlinear.rms_norm eps = 1.0e-6 ins(%x, %x : tensor<64xf32>, tensor<64xf32>) outs(%x : tensor<64xf32>) -> tensor<64xf32>
  %0, %1 = qlinear.select_columns threshold = 0.0 ins(%norm : tensor<64xf32>) outs(%i, %n : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  %y = qlinear.sparse_matvec ins(%w, %norm, %0, %1 : !zigzag, tensor<64xf32>, tensor<64xi32>, tensor<1xi32>) outs(%o : tensor<256xf32>) -> tensor<256xf32>
  %cache = qattn.cache_from_bytes %kv : tensor<8192xi8> to !qattn.kv_cache<16x2x64, f16>
  %a, %l = qattn.decode ins(%q, %cache, %n : tensor<8x64xf32>, !qattn.kv_cache<16x2x64, f16>, tensor<1xi32>)
      outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32} -> tensor<8x64xf32>, tensor<8xf32>
  %bytes = qattn.cache_to_bytes %cache : !qattn.kv_cache<16x2x64, f16> to tensor<8192xi8>
  return
}

// -----

// doc: cache
func.func @cache(%q: tensor<8x64xf32>, %cache: !qattn.kv_cache<16x2x64, f32>, %n: tensor<1xi32>, %oi: tensor<8x64xf32>, %li: tensor<8xf32>) {
  // expected-error@+1 {{'qattn.decode' op with format kv_f32 is not claimed by target some; nearest: format kv_f16; claimed formats: kv_f16, kv_bf16}}
  %a, %l = qattn.decode ins(%q, %cache, %n : tensor<8x64xf32>, !qattn.kv_cache<16x2x64, f32>, tensor<1xi32>)
      outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32} -> tensor<8x64xf32>, tensor<8xf32>
  return
}
// doc: end

// -----

func.func @operations(%q: tensor<7x8x64xf32>, %k: tensor<7x2x64xf32>, %kv: !qattn.kv_cache<16x2x64, bf16>, %p: tensor<1xi32>) {
  // expected-error@+1 {{'qattn.prefill' op is not claimed by target some; nearest: qattn.decode; claimed operations: qattn.decode, qattn.mla_decode, qlinear.rms_norm}}
  %o = qattn.prefill causal ins(%q, %k, %k : tensor<7x8x64xf32>, tensor<7x2x64xf32>, tensor<7x2x64xf32>)
      outs(%q : tensor<7x8x64xf32>) {scale = 6.250000e-02 : f32} -> tensor<7x8x64xf32>
  // expected-error@+1 {{'qattn.append_kv' op is not claimed by target some; nearest: qattn.decode}}
  %new = qattn.append_kv %k, %k into %kv at %p : tensor<7x2x64xf32>, tensor<7x2x64xf32>, !qattn.kv_cache<16x2x64, bf16>, tensor<1xi32>
      -> !qattn.kv_cache<16x2x64, bf16>
  return
}

// -----

func.func @rows(%x: tensor<64xf32>, %y: tensor<64xf32>) {
  // expected-error@+1 {{'qlinear.gated_activation' op is not claimed by target some; nearest: }}
  %0 = qlinear.gated_activation silu ins(%x, %x : tensor<64xf32>, tensor<64xf32>) outs(%y : tensor<64xf32>) -> tensor<64xf32>
  // expected-error@+1 {{'qlinear.layer_norm' op is not claimed by target some; nearest: qlinear.rms_norm}}
  %1 = qlinear.layer_norm eps = 1.0e-6 ins(%x, %x, %x : tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) outs(%y : tensor<64xf32>) -> tensor<64xf32>
  return
}

// -----

!q8_0 = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!zigzag = !qlinear.packed<256x32, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>

func.func @sparse(%x: tensor<64xbf16>, %i: tensor<64xi32>, %n: tensor<1xi32>, %w: !q8_0, %o: tensor<4xf32>,
                  %v: !zigzag, %z: tensor<32xf32>, %p: tensor<256xf32>) {
  // expected-error@+1 {{'qlinear.select_columns' op with format bf16 is not claimed by target some; nearest: format f32; claimed formats: f32}}
  %0, %1 = qlinear.select_columns threshold = 0.0 ins(%x : tensor<64xbf16>) outs(%i, %n : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  // expected-error@+1 {{'qlinear.sparse_matvec' op with format q8_0 and activations bf16 is not claimed by target some; nearest: format q4_k:zigzag; claimed formats: q4_k:zigzag}}
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %n : !q8_0, tensor<64xbf16>, tensor<64xi32>, tensor<1xi32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  // expected-error@+1 {{'qlinear.sparse_matvec' op with format q4_k:zigzag on target some: expected columns in multiples of 64, but got 32}}
  %u = qlinear.sparse_matvec ins(%v, %z, %i, %n : !zigzag, tensor<32xf32>, tensor<64xi32>, tensor<1xi32>) outs(%p : tensor<256xf32>) -> tensor<256xf32>
  return
}

// -----

!lut = !qlinear.packed<8x6, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 64>>
!lut4 = !qlinear.packed<8x6, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i4, activation_entries = 64>>

// A claim of a family of formats.
func.func @tables(%w: !lut, %w4: !lut4, %x: tensor<6xf32>, %a: tensor<3xi32>, %o: tensor<8xf32>) {
  %0 = qlinear.assign_centroids ins(%w, %x : !lut, tensor<6xf32>) outs(%a : tensor<3xi32>) -> tensor<3xi32>
  // expected-error@+1 {{'qlinear.assign_centroids' op with format codebook:d2:e16:g8:i4:a64 and activations f32 is not claimed by target some; nearest: format codebook:d2:e16:g8:i8:*; claimed formats: codebook:d2:e16:g8:i8:*}}
  %1 = qlinear.assign_centroids ins(%w4, %x : !lut4, tensor<6xf32>) outs(%a : tensor<3xi32>) -> tensor<3xi32>
  // expected-error@+1 {{'qlinear.lut_matvec' op is not claimed by target some; nearest: }}
  %2 = qlinear.lut_matvec ins(%w, %a : !lut, tensor<3xi32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

!rows = !qlinear.packed<8x256, #qlinear.gguf<q4_k>>
!rows4 = !qlinear.packed<8x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows4">>

// A repack is claimed by the layout that it makes.
func.func @layout(%w: !rows) {
  // expected-error@+1 {{'qlinear.repack' op with format q4_k:rows4 is not claimed by target some; nearest: format q4_k:rows8; claimed formats: q4_k:rows8}}
  %p = qlinear.repack %w : !rows to !rows4
  return
}
