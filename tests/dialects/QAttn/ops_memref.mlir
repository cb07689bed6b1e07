// RUN: %headrace_opt %s | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,OPTIMIZED

// Every operation in its memref form: no result, and it stays where it writes.

!kv = !qattn.kv_cache<64x2x16, bf16>
!paged = !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = paged<16>>
!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
!mla_paged = !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>

// CHECK-LABEL: func @keys_and_values
// CHECK: %[[C:.*]] = qattn.cache_from_bytes %{{.*}} : memref<8192xi8> to !qattn.kv_cache<64x2x16, bf16>
// CHECK: %[[P:.*]] = qattn.cache_from_bytes %{{.*}} : memref<5120xi8> to !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = paged<16>>
// CHECK: qattn.append_kv %{{.*}}, %{{.*}} into %[[C]] at %{{.*}} : memref<3x2x16xf32>, memref<3x2x16xf32>, !qattn.kv_cache<64x2x16, bf16>, memref<1xi32>{{$}}
// CHECK: qattn.append_kv %{{.*}}, %{{.*}} into %[[P]] at %{{.*}} table %{{.*}} : {{.*}}, memref<1xi32>, memref<4xi32>{{$}}
// CHECK: qattn.fetch_kv ins(%[[C]], %{{.*}} : {{.*}}) outs(%{{.*}}, %{{.*}} : memref<3x2x16xf32>, memref<3x2x16xf32>){{$}}
// CHECK: qattn.fetch_kv ins(%[[P]], %{{.*}} table %{{.*}} : {{.*}}) outs(%{{.*}}, %{{.*}} : memref<3x2x16xf32>, memref<3x2x16xf32>){{$}}
// CHECK: qattn.decode ins(%{{.*}}, %[[C]], %{{.*}} : {{.*}}) outs(%{{.*}}, %{{.*}} : memref<4x16xf32>, memref<4xf32>) {scale = 2.500000e-01 : f32}{{$}}
// CHECK: qattn.decode ins(%{{.*}}, %[[P]], %{{.*}} table %{{.*}} : {{.*}}) outs(%{{.*}}, %{{.*}} : memref<2x4x16xf32>, memref<2x4xf32>) {scale = 2.500000e-01 : f32, splits = 2 : i64}{{$}}
// CHECK: qattn.merge_partials ins(%{{.*}}, %{{.*}} : memref<2x4x16xf32>, memref<2x4xf32>) outs(%{{.*}}, %{{.*}} : memref<4x16xf32>, memref<4xf32>){{$}}
func.func @keys_and_values(%bytes: memref<8192xi8>, %paged: memref<5120xi8>, %k: memref<3x2x16xf32>,
                           %v: memref<3x2x16xf32>, %n: memref<1xi32>, %table: memref<4xi32>, %q: memref<4x16xf32>,
                           %o: memref<4x16xf32>, %l: memref<4xf32>, %os: memref<2x4x16xf32>, %ls: memref<2x4xf32>) {
  %c = qattn.cache_from_bytes %bytes : memref<8192xi8> to !kv
  %p = qattn.cache_from_bytes %paged : memref<5120xi8> to !paged
  qattn.append_kv %k, %v into %c at %n : memref<3x2x16xf32>, memref<3x2x16xf32>, !kv, memref<1xi32>
  qattn.append_kv %k, %v into %p at %n table %table
      : memref<3x2x16xf32>, memref<3x2x16xf32>, !paged, memref<1xi32>, memref<4xi32>
  qattn.fetch_kv ins(%c, %n : !kv, memref<1xi32>) outs(%k, %v : memref<3x2x16xf32>, memref<3x2x16xf32>)
  qattn.fetch_kv ins(%p, %n table %table : !paged, memref<1xi32>, memref<4xi32>)
      outs(%k, %v : memref<3x2x16xf32>, memref<3x2x16xf32>)
  qattn.decode ins(%q, %c, %n : memref<4x16xf32>, !kv, memref<1xi32>)
      outs(%o, %l : memref<4x16xf32>, memref<4xf32>) {scale = 0.25 : f32}
  qattn.decode ins(%q, %p, %n table %table : memref<4x16xf32>, !paged, memref<1xi32>, memref<4xi32>)
      outs(%os, %ls : memref<2x4x16xf32>, memref<2x4xf32>) {scale = 0.25 : f32, splits = 2 : i64}
  qattn.merge_partials ins(%os, %ls : memref<2x4x16xf32>, memref<2x4xf32>)
      outs(%o, %l : memref<4x16xf32>, memref<4xf32>)
  return
}

// CHECK-LABEL: func @queries
// CHECK: qattn.rope interleaved ins(%{{.*}}, %{{.*}}, %{{.*}} : memref<3x2x16xf32>, memref<3xi32>, memref<8xf32>) outs(%{{.*}} : memref<3x2x16xf32>){{$}}
// CHECK: qattn.prefill causal ins({{.*}}) outs(%{{.*}} : memref<3x2x16xf32>) {scale = 2.500000e-01 : f32}{{$}}
// CHECK: qattn.prefill bidirectional ins({{.*}} offset {{.*}}) outs(%{{.*}}, %{{.*}} : memref<3x2x16xf32>, memref<3x2xf32>) {scale = 2.500000e-01 : f32}{{$}}
func.func @queries(%x: memref<3x2x16xf32>, %k: memref<9x1x16xf32>, %positions: memref<3xi32>, %f: memref<8xf32>,
                   %n: memref<1xi32>, %o: memref<3x2x16xf32>, %l: memref<3x2xf32>) {
  qattn.rope interleaved ins(%x, %positions, %f : memref<3x2x16xf32>, memref<3xi32>, memref<8xf32>)
      outs(%x : memref<3x2x16xf32>)
  qattn.prefill causal ins(%x, %k, %k : memref<3x2x16xf32>, memref<9x1x16xf32>, memref<9x1x16xf32>)
      outs(%o : memref<3x2x16xf32>) {scale = 0.25 : f32}
  qattn.prefill bidirectional
      ins(%x, %k, %k offset %n : memref<3x2x16xf32>, memref<9x1x16xf32>, memref<9x1x16xf32>, memref<1xi32>)
      outs(%o, %l : memref<3x2x16xf32>, memref<3x2xf32>) {scale = 0.25 : f32}
  return
}

// CHECK-LABEL: func @latents
// CHECK: %[[M:.*]] = qattn.cache_from_bytes %{{.*}} : memref<4352xi8> to !qattn.mla_cache<64x32+16, fp8_e4m3>
// CHECK: %[[P:.*]] = qattn.cache_from_bytes %{{.*}} : memref<4352xi8> to !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<64>>
// CHECK: qattn.append_mla %{{.*}}, %{{.*}} into %[[M]] at %{{.*}} : {{.*}}, memref<1xi32>{{$}}
// CHECK: qattn.append_mla %{{.*}}, %{{.*}} into %[[P]] at %{{.*}} table %{{.*}} : {{.*}}, memref<1xi32>, memref<1xi32>{{$}}
// CHECK: qattn.fetch_mla ins(%[[M]], %{{.*}} : {{.*}}) outs(%{{.*}}, %{{.*}} : memref<4x32xf32>, memref<4x16xf32>){{$}}
// CHECK: qattn.quantize_kv ins({{.*}}) outs(%{{.*}}, %{{.*}}, %{{.*}} : memref<4x32xi8>, memref<4xf32>, memref<4x16xf32>){{$}}
// CHECK: qattn.mla_decode ins(%{{.*}}, %{{.*}}, %[[P]], %{{.*}} q_scale %{{.*}} table %{{.*}} : {{.*}}) outs(%{{.*}}, %{{.*}} : memref<4x32xf32>, memref<4xf32>) {scale = 2.500000e-01 : f32}{{$}}
// CHECK: qattn.mla_decode ins(%{{.*}}, %{{.*}}, %[[M]], %{{.*}} : {{.*}}) outs
// CHECK: qattn.mla_attention ins({{.*}}) outs(%{{.*}} : memref<4x32xf32>) {scale = 2.500000e-01 : f32}{{$}}
func.func @latents(%bytes: memref<4352xi8>, %c: memref<4x32xf32>, %r: memref<4x16xf32>, %n: memref<1xi32>,
                   %table: memref<1xi32>, %codes: memref<4x32xi8>, %scale: memref<4xf32>, %o: memref<4x32xf32>,
                   %l: memref<4xf32>, %w: memref<4x32x32xf32>) {
  %m = qattn.cache_from_bytes %bytes : memref<4352xi8> to !mla
  %p = qattn.cache_from_bytes %bytes : memref<4352xi8> to !mla_paged
  qattn.append_mla %c, %r into %m at %n : memref<4x32xf32>, memref<4x16xf32>, !mla, memref<1xi32>
  qattn.append_mla %c, %r into %p at %n table %table
      : memref<4x32xf32>, memref<4x16xf32>, !mla_paged, memref<1xi32>, memref<1xi32>
  qattn.fetch_mla ins(%m, %n : !mla, memref<1xi32>) outs(%c, %r : memref<4x32xf32>, memref<4x16xf32>)
  qattn.quantize_kv ins(%c, %r : memref<4x32xf32>, memref<4x16xf32>)
      outs(%codes, %scale, %r : memref<4x32xi8>, memref<4xf32>, memref<4x16xf32>)
  qattn.mla_decode
      ins(%codes, %r, %p, %n q_scale %scale table %table
          : memref<4x32xi8>, memref<4x16xf32>, !mla_paged, memref<1xi32> q_scale memref<4xf32> table memref<1xi32>)
      outs(%o, %l : memref<4x32xf32>, memref<4xf32>) {scale = 0.25 : f32}
  qattn.mla_decode ins(%c, %r, %m, %n : memref<4x32xf32>, memref<4x16xf32>, !mla, memref<1xi32>)
      outs(%o, %l : memref<4x32xf32>, memref<4xf32>) {scale = 0.25 : f32}
  qattn.mla_attention
      ins(%c, %r, %w, %w, %m, %n
          : memref<4x32xf32>, memref<4x16xf32>, memref<4x32x32xf32>, memref<4x32x32xf32>, !mla, memref<1xi32>)
      outs(%o : memref<4x32xf32>) {scale = 0.25 : f32}
  return
}

// A second append at the same place is a second write; both stay.
// CHECK-LABEL: func @written_twice
// OPTIMIZED-COUNT-2: qattn.append_kv
func.func @written_twice(%bytes: memref<8192xi8>, %k: memref<3x2x16xf32>, %n: memref<1xi32>) {
  %c = qattn.cache_from_bytes %bytes : memref<8192xi8> to !kv
  qattn.append_kv %k, %k into %c at %n : memref<3x2x16xf32>, memref<3x2x16xf32>, !kv, memref<1xi32>
  qattn.append_kv %k, %k into %c at %n : memref<3x2x16xf32>, memref<3x2x16xf32>, !kv, memref<1xi32>
  return
}

// What is read again after a write is not the same.
// CHECK-LABEL: func @read_again
// OPTIMIZED: qattn.fetch_kv
// OPTIMIZED: qattn.append_kv
// OPTIMIZED: qattn.fetch_kv
func.func @read_again(%bytes: memref<8192xi8>, %k: memref<3x2x16xf32>, %v: memref<3x2x16xf32>, %n: memref<1xi32>) {
  %c = qattn.cache_from_bytes %bytes : memref<8192xi8> to !kv
  qattn.fetch_kv ins(%c, %n : !kv, memref<1xi32>) outs(%k, %v : memref<3x2x16xf32>, memref<3x2x16xf32>)
  qattn.append_kv %k, %v into %c at %n : memref<3x2x16xf32>, memref<3x2x16xf32>, !kv, memref<1xi32>
  qattn.fetch_kv ins(%c, %n : !kv, memref<1xi32>) outs(%k, %v : memref<3x2x16xf32>, memref<3x2x16xf32>)
  return
}
