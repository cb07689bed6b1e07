// RUN: %headrace_opt %s | FileCheck %s
// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC

// Every operation in its tensor form, without and with each optional operand and attribute.

!kv = !qattn.kv_cache<64x2x16, bf16>
!paged = !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = paged<16>>
!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
!mla_paged = !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>

// CHECK-LABEL: func @storage
// CHECK: %[[C:.*]] = qattn.cache_from_bytes %{{.*}} : tensor<8192xi8> to !qattn.kv_cache<64x2x16, bf16>
// CHECK: qattn.cache_to_bytes %[[C]] : !qattn.kv_cache<64x2x16, bf16> to tensor<8192xi8>
// CHECK: %[[M:.*]] = qattn.cache_from_bytes %{{.*}} : tensor<4352xi8> to !qattn.mla_cache<64x32+16, fp8_e4m3>
// CHECK: qattn.cache_to_bytes %[[M]] : !qattn.mla_cache<64x32+16, fp8_e4m3> to tensor<4352xi8>
func.func @storage(%kv: tensor<8192xi8>, %mla: tensor<4352xi8>) -> (tensor<8192xi8>, tensor<4352xi8>) {
  %0 = qattn.cache_from_bytes %kv : tensor<8192xi8> to !kv
  %1 = qattn.cache_to_bytes %0 : !kv to tensor<8192xi8>
  %2 = qattn.cache_from_bytes %mla : tensor<4352xi8> to !mla
  %3 = qattn.cache_to_bytes %2 : !mla to tensor<4352xi8>
  return %1, %3 : tensor<8192xi8>, tensor<4352xi8>
}

// CHECK-LABEL: func @append
// CHECK: qattn.append_kv %{{.*}}, %{{.*}} into %{{.*}} at %{{.*}} : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !qattn.kv_cache<64x2x16, bf16>, tensor<1xi32> -> !qattn.kv_cache<64x2x16, bf16>
// CHECK: qattn.append_kv %{{.*}}, %{{.*}} into %{{.*}} at %{{.*}} table %{{.*}} : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = paged<16>>, tensor<1xi32>, tensor<4xi32> -> !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = paged<16>>
func.func @append(%k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %c: !kv, %p: !paged,
                  %at: tensor<1xi32>, %table: tensor<4xi32>) -> (!kv, !paged) {
  %0 = qattn.append_kv %k, %v into %c at %at : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !kv, tensor<1xi32> -> !kv
  %1 = qattn.append_kv %k, %v into %p at %at table %table
      : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !paged, tensor<1xi32>, tensor<4xi32> -> !paged
  return %0, %1 : !kv, !paged
}

// CHECK-LABEL: func @fetch
// CHECK: %{{.*}}:2 = qattn.fetch_kv ins(%{{.*}}, %{{.*}} : !qattn.kv_cache<64x2x16, bf16>, tensor<1xi32>) outs(%{{.*}}, %{{.*}} : tensor<5x2x16xf32>, tensor<5x2x16xf32>) -> tensor<5x2x16xf32>, tensor<5x2x16xf32>
// CHECK: %{{.*}}:2 = qattn.fetch_kv ins(%{{.*}}, %{{.*}} table %{{.*}} : !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = paged<16>>, tensor<1xi32>, tensor<4xi32>) outs
func.func @fetch(%c: !kv, %p: !paged, %at: tensor<1xi32>, %table: tensor<4xi32>, %o: tensor<5x2x16xf32>)
    -> (tensor<5x2x16xf32>, tensor<5x2x16xf32>) {
  %0:2 = qattn.fetch_kv ins(%c, %at : !kv, tensor<1xi32>)
      outs(%o, %o : tensor<5x2x16xf32>, tensor<5x2x16xf32>) -> tensor<5x2x16xf32>, tensor<5x2x16xf32>
  %1:2 = qattn.fetch_kv ins(%p, %at table %table : !paged, tensor<1xi32>, tensor<4xi32>)
      outs(%o, %o : tensor<5x2x16xf32>, tensor<5x2x16xf32>) -> tensor<5x2x16xf32>, tensor<5x2x16xf32>
  return %0#0, %1#1 : tensor<5x2x16xf32>, tensor<5x2x16xf32>
}

// CHECK-LABEL: func @prefill
// CHECK: %{{.*}} = qattn.prefill causal ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>) outs(%{{.*}} : tensor<7x4x8xf32>) {scale = 2.500000e-01 : f32} -> tensor<7x4x8xf32>
// CHECK: %{{.*}}:2 = qattn.prefill bidirectional ins(%{{.*}}, %{{.*}}, %{{.*}} offset %{{.*}} : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>, tensor<1xi32>) outs(%{{.*}}, %{{.*}} : tensor<7x4x8xf32>, tensor<7x4xf32>) {scale = 2.500000e-01 : f32, softcap = 5.000000e+01 : f32, window = 4 : i64} -> tensor<7x4x8xf32>, tensor<7x4xf32>
// GENERIC: "qattn.prefill"({{.*}}) <{mask = #qattn<mask causal>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1>, scale = 2.500000e-01 : f32}>
// GENERIC: "qattn.prefill"({{.*}}) <{mask = #qattn<mask bidirectional>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 2>, scale = 2.500000e-01 : f32, softcap = 5.000000e+01 : f32, window = 4 : i64}>
func.func @prefill(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x8xf32>, %offset: tensor<1xi32>,
                   %o: tensor<7x4x8xf32>, %l: tensor<7x4xf32>)
    -> (tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<7x4xf32>) {
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>)
      outs(%o : tensor<7x4x8xf32>) {scale = 0.25 : f32} -> tensor<7x4x8xf32>
  %1:2 = qattn.prefill bidirectional
      ins(%q, %k, %v offset %offset : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>, tensor<1xi32>)
      outs(%o, %l : tensor<7x4x8xf32>, tensor<7x4xf32>) {scale = 0.25 : f32, window = 4 : i64, softcap = 50.0 : f32}
      -> tensor<7x4x8xf32>, tensor<7x4xf32>
  return %0, %1#0, %1#1 : tensor<7x4x8xf32>, tensor<7x4x8xf32>, tensor<7x4xf32>
}

// CHECK-LABEL: func @prefill_precision
// CHECK: qattn.prefill causal precision = i8 ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>) outs(%{{.*}} : tensor<7x4x8xf32>) {scale = 2.500000e-01 : f32} -> tensor<7x4x8xf32>
// CHECK: qattn.prefill bidirectional precision = bf16 ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>) outs(%{{.*}} : tensor<7x4x8xf32>) {scale = 2.500000e-01 : f32} -> tensor<7x4x8xf32>
// GENERIC: "qattn.prefill"({{.*}}) <{mask = #qattn<mask causal>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 1>, precision = #qattn<precision i8>, scale = 2.500000e-01 : f32}>
func.func @prefill_precision(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x8xf32>, %o: tensor<7x4x8xf32>)
    -> (tensor<7x4x8xf32>, tensor<7x4x8xf32>) {
  %0 = qattn.prefill causal precision = i8 ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>)
      outs(%o : tensor<7x4x8xf32>) {scale = 0.25 : f32} -> tensor<7x4x8xf32>
  %1 = qattn.prefill bidirectional precision = bf16 ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>)
      outs(%o : tensor<7x4x8xf32>) {scale = 0.25 : f32} -> tensor<7x4x8xf32>
  return %0, %1 : tensor<7x4x8xf32>, tensor<7x4x8xf32>
}

// CHECK-LABEL: func @decode
// CHECK: %{{.*}}:2 = qattn.decode ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<4x16xf32>, !qattn.kv_cache<64x2x16, bf16>, tensor<1xi32>) outs(%{{.*}}, %{{.*}} : tensor<4x16xf32>, tensor<4xf32>) {scale = 2.500000e-01 : f32} -> tensor<4x16xf32>, tensor<4xf32>
// CHECK: %{{.*}}:2 = qattn.decode ins(%{{.*}}, %{{.*}}, %{{.*}} table %{{.*}} : tensor<4x16xf32>, !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = paged<16>>, tensor<1xi32>, tensor<4xi32>) outs(%{{.*}}, %{{.*}} : tensor<3x4x16xf32>, tensor<3x4xf32>) {scale = 2.500000e-01 : f32, softcap = 5.000000e+01 : f32, splits = 3 : i64, window = 32 : i64} -> tensor<3x4x16xf32>, tensor<3x4xf32>
func.func @decode(%q: tensor<4x16xf32>, %c: !kv, %p: !paged, %length: tensor<1xi32>, %table: tensor<4xi32>,
                  %o: tensor<4x16xf32>, %l: tensor<4xf32>, %os: tensor<3x4x16xf32>, %ls: tensor<3x4xf32>)
    -> (tensor<4x16xf32>, tensor<3x4xf32>) {
  %0:2 = qattn.decode ins(%q, %c, %length : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  %1:2 = qattn.decode ins(%q, %p, %length table %table : tensor<4x16xf32>, !paged, tensor<1xi32>, tensor<4xi32>)
      outs(%os, %ls : tensor<3x4x16xf32>, tensor<3x4xf32>)
      {scale = 0.25 : f32, splits = 3 : i64, window = 32 : i64, softcap = 50.0 : f32}
      -> tensor<3x4x16xf32>, tensor<3x4xf32>
  return %0#0, %1#1 : tensor<4x16xf32>, tensor<3x4xf32>
}

// CHECK-LABEL: func @merge
// CHECK: qattn.merge_partials ins(%{{.*}}, %{{.*}} : tensor<3x4x16xf32>, tensor<3x4xf32>) outs(%{{.*}}, %{{.*}} : tensor<4x16xf32>, tensor<4xf32>) -> tensor<4x16xf32>, tensor<4xf32>
// CHECK: qattn.merge_partials ins(%{{.*}}, %{{.*}} : tensor<2x3x4x16xf32>, tensor<2x3x4xf32>) outs(%{{.*}}, %{{.*}} : tensor<3x4x16xf32>, tensor<3x4xf32>) -> tensor<3x4x16xf32>, tensor<3x4xf32>
func.func @merge(%two: tensor<2x3x4x16xf32>, %l2: tensor<2x3x4xf32>, %one: tensor<3x4x16xf32>, %l1: tensor<3x4xf32>,
                 %o: tensor<4x16xf32>, %l: tensor<4xf32>) -> (tensor<4x16xf32>, tensor<3x4xf32>) {
  %0:2 = qattn.merge_partials ins(%one, %l1 : tensor<3x4x16xf32>, tensor<3x4xf32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) -> tensor<4x16xf32>, tensor<4xf32>
  %1:2 = qattn.merge_partials ins(%two, %l2 : tensor<2x3x4x16xf32>, tensor<2x3x4xf32>)
      outs(%one, %l1 : tensor<3x4x16xf32>, tensor<3x4xf32>) -> tensor<3x4x16xf32>, tensor<3x4xf32>
  return %0#0, %1#1 : tensor<4x16xf32>, tensor<3x4xf32>
}

// CHECK-LABEL: func @rope
// CHECK: qattn.rope ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<7x4x16xf32>, tensor<7xi32>, tensor<8xf32>) outs(%{{.*}} : tensor<7x4x16xf32>) -> tensor<7x4x16xf32>
// CHECK: qattn.rope interleaved ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<7x4x16xf32>, tensor<7xi32>, tensor<2xf32>) outs(%{{.*}} : tensor<7x4x16xf32>) {magnitude = 1.250000e+00 : f32} -> tensor<7x4x16xf32>
func.func @rope(%x: tensor<7x4x16xf32>, %positions: tensor<7xi32>, %f: tensor<8xf32>, %few: tensor<2xf32>)
    -> tensor<7x4x16xf32> {
  %0 = qattn.rope ins(%x, %positions, %f : tensor<7x4x16xf32>, tensor<7xi32>, tensor<8xf32>)
      outs(%x : tensor<7x4x16xf32>) -> tensor<7x4x16xf32>
  %1 = qattn.rope interleaved ins(%0, %positions, %few : tensor<7x4x16xf32>, tensor<7xi32>, tensor<2xf32>)
      outs(%x : tensor<7x4x16xf32>) {magnitude = 1.25 : f32} -> tensor<7x4x16xf32>
  return %1 : tensor<7x4x16xf32>
}

// CHECK-LABEL: func @quantize
// CHECK: %{{.*}}:3 = qattn.quantize_kv ins(%{{.*}}, %{{.*}} : tensor<4x32xf32>, tensor<4x16xf32>) outs(%{{.*}}, %{{.*}}, %{{.*}} : tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>) -> tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>
func.func @quantize(%c: tensor<4x32xf32>, %r: tensor<4x16xf32>, %codes: tensor<4x32xi8>, %scale: tensor<4xf32>)
    -> tensor<4x32xi8> {
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<4x16xf32>)
      outs(%codes, %scale, %r : tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>)
      -> tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>
  return %0#0 : tensor<4x32xi8>
}

// CHECK-LABEL: func @latents
// CHECK: qattn.append_mla %{{.*}}, %{{.*}} into %{{.*}} at %{{.*}} : tensor<3x32xf32>, tensor<3x16xf32>, !qattn.mla_cache<64x32+16, fp8_e4m3>, tensor<1xi32> -> !qattn.mla_cache<64x32+16, fp8_e4m3>
// CHECK: qattn.append_mla %{{.*}}, %{{.*}} into %{{.*}} at %{{.*}} table %{{.*}} : tensor<3x32xf32>, tensor<3x16xf32>, !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>, tensor<1xi32>, tensor<1xi32> -> !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>
// CHECK: %{{.*}}:2 = qattn.fetch_mla ins(%{{.*}}, %{{.*}} : !qattn.mla_cache<64x32+16, fp8_e4m3>, tensor<1xi32>) outs(%{{.*}}, %{{.*}} : tensor<3x32xf32>, tensor<3x16xf32>) -> tensor<3x32xf32>, tensor<3x16xf32>
// CHECK: %{{.*}}:2 = qattn.fetch_mla ins(%{{.*}}, %{{.*}} table %{{.*}} : !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>, tensor<1xi32>, tensor<1xi32>) outs
func.func @latents(%c: tensor<3x32xf32>, %r: tensor<3x16xf32>, %m: !mla, %p: !mla_paged, %at: tensor<1xi32>,
                   %table: tensor<1xi32>) -> (tensor<3x32xf32>, tensor<3x16xf32>) {
  %0 = qattn.append_mla %c, %r into %m at %at : tensor<3x32xf32>, tensor<3x16xf32>, !mla, tensor<1xi32> -> !mla
  %1 = qattn.append_mla %c, %r into %p at %at table %table
      : tensor<3x32xf32>, tensor<3x16xf32>, !mla_paged, tensor<1xi32>, tensor<1xi32> -> !mla_paged
  %2:2 = qattn.fetch_mla ins(%0, %at : !mla, tensor<1xi32>)
      outs(%c, %r : tensor<3x32xf32>, tensor<3x16xf32>) -> tensor<3x32xf32>, tensor<3x16xf32>
  %3:2 = qattn.fetch_mla ins(%1, %at table %table : !mla_paged, tensor<1xi32>, tensor<1xi32>)
      outs(%c, %r : tensor<3x32xf32>, tensor<3x16xf32>) -> tensor<3x32xf32>, tensor<3x16xf32>
  return %2#0, %3#1 : tensor<3x32xf32>, tensor<3x16xf32>
}

// CHECK-LABEL: func @mla_decode
// CHECK: %{{.*}}:2 = qattn.mla_decode ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x32xf32>, tensor<4x16xf32>, !qattn.mla_cache<64x32+16, fp8_e4m3>, tensor<1xi32>) outs(%{{.*}}, %{{.*}} : tensor<4x32xf32>, tensor<4xf32>) {scale = 2.500000e-01 : f32} -> tensor<4x32xf32>, tensor<4xf32>
// CHECK: qattn.mla_decode ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} q_scale %{{.*}} : tensor<4x32xi8>, tensor<4x16xf32>, !qattn.mla_cache<64x32+16, fp8_e4m3>, tensor<1xi32>{{.*}}tensor<4xf32>) outs
// CHECK: qattn.mla_decode ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} table %{{.*}} : tensor<4x32xf32>, tensor<4x16xf32>, !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>, tensor<1xi32>{{.*}}tensor<1xi32>) outs
// CHECK: qattn.mla_decode ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} q_scale %{{.*}} table %{{.*}} : tensor<4x32xi8>, tensor<4x16xf32>, !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>, tensor<1xi32>{{.*}}tensor<4xf32>{{.*}}tensor<1xi32>) outs(%{{.*}}, %{{.*}} : tensor<2x4x32xf32>, tensor<2x4xf32>) {scale = 2.500000e-01 : f32, splits = 2 : i64} -> tensor<2x4x32xf32>, tensor<2x4xf32>
func.func @mla_decode(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %codes: tensor<4x32xi8>, %scale: tensor<4xf32>,
                      %m: !mla, %p: !mla_paged, %length: tensor<1xi32>, %table: tensor<1xi32>,
                      %os: tensor<2x4x32xf32>, %ls: tensor<2x4xf32>) {
  %0:2 = qattn.mla_decode ins(%q, %r, %m, %length : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%q, %scale : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  %1:2 = qattn.mla_decode
      ins(%codes, %r, %m, %length q_scale %scale : tensor<4x32xi8>, tensor<4x16xf32>, !mla, tensor<1xi32> q_scale tensor<4xf32>)
      outs(%q, %scale : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  %2:2 = qattn.mla_decode
      ins(%q, %r, %p, %length table %table : tensor<4x32xf32>, tensor<4x16xf32>, !mla_paged, tensor<1xi32> table tensor<1xi32>)
      outs(%q, %scale : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  %3:2 = qattn.mla_decode
      ins(%codes, %r, %p, %length q_scale %scale table %table
          : tensor<4x32xi8>, tensor<4x16xf32>, !mla_paged, tensor<1xi32> q_scale tensor<4xf32> table tensor<1xi32>)
      outs(%os, %ls : tensor<2x4x32xf32>, tensor<2x4xf32>) {scale = 0.25 : f32, splits = 2 : i64}
      -> tensor<2x4x32xf32>, tensor<2x4xf32>
  return
}

// CHECK-LABEL: func @mla_attention
// CHECK: qattn.mla_attention ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !qattn.mla_cache<64x32+16, fp8_e4m3>, tensor<1xi32>) outs(%{{.*}} : tensor<4x6xf32>) {scale = 2.500000e-01 : f32} -> tensor<4x6xf32>
// CHECK: qattn.mla_attention ins({{.*}} table %{{.*}} : {{.*}}, !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>, tensor<1xi32>, tensor<1xi32>) outs
func.func @mla_attention(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x6x32xf32>,
                         %m: !mla, %p: !mla_paged, %length: tensor<1xi32>, %table: tensor<1xi32>, %o: tensor<4x6xf32>)
    -> (tensor<4x6xf32>, tensor<4x6xf32>) {
  %0 = qattn.mla_attention
      ins(%q, %r, %wk, %wv, %m, %length
          : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  %1 = qattn.mla_attention
      ins(%q, %r, %wk, %wv, %p, %length table %table
          : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla_paged, tensor<1xi32>, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  return %0, %1 : tensor<4x6xf32>, tensor<4x6xf32>
}
