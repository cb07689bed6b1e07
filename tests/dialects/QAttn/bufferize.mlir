// RUN: %headrace_opt %s --one-shot-bufferize="bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map" | FileCheck %s

!kv = !qattn.kv_cache<64x2x8, bf16>
!mla = !qattn.mla_cache<64x16+8, bf16>

// A step of decoding writes through the view of the cache's bytes, which are
// given back; nothing of the cache is copied.
// CHECK-LABEL: func @step
// CHECK-SAME: %[[BYTES:.*]]: memref<4096xi8>, %[[K:.*]]: memref<1x2x8xf32>, %[[V:.*]]: memref<1x2x8xf32>, %[[Q:.*]]: memref<4x8xf32>, %[[P:.*]]: memref<1xi32>, %[[N:.*]]: memref<1xi32>)
// CHECK-NEXT: %[[C:.*]] = qattn.cache_from_bytes %[[BYTES]] : memref<4096xi8> to !qattn.kv_cache<64x2x8, bf16>
// CHECK-NEXT: qattn.append_kv %[[K]], %[[V]] into %[[C]] at %[[P]] : memref<1x2x8xf32>, memref<1x2x8xf32>, !qattn.kv_cache<64x2x8, bf16>, memref<1xi32>{{$}}
// CHECK-NEXT: %[[O:.*]] = memref.alloc() {{.*}} : memref<4x8xf32>
// CHECK-NEXT: %[[L:.*]] = memref.alloc() {{.*}} : memref<4xf32>
// CHECK-NEXT: qattn.decode ins(%[[Q]], %[[C]], %[[N]] : {{.*}}) outs(%[[O]], %[[L]] : memref<4x8xf32>, memref<4xf32>) {{{.*}}}{{$}}
// CHECK-NEXT: return %[[O]], %[[BYTES]]
func.func @step(%bytes: tensor<4096xi8>, %k: tensor<1x2x8xf32>, %v: tensor<1x2x8xf32>, %q: tensor<4x8xf32>, %p: tensor<1xi32>, %n: tensor<1xi32>) -> (tensor<4x8xf32>, tensor<4096xi8>) {
  %c = qattn.cache_from_bytes %bytes : tensor<4096xi8> to !kv
  %new = qattn.append_kv %k, %v into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  %oi = tensor.empty() : tensor<4x8xf32>
  %li = tensor.empty() : tensor<4xf32>
  %o, %l = qattn.decode ins(%q, %new, %n : tensor<4x8xf32>, !kv, tensor<1xi32>) outs(%oi, %li : tensor<4x8xf32>, tensor<4xf32>) {scale = 1.0 : f32} -> tensor<4x8xf32>, tensor<4xf32>
  %b = qattn.cache_to_bytes %new : !kv to tensor<4096xi8>
  return %o, %b : tensor<4x8xf32>, tensor<4096xi8>
}

// The same through a call: the caller's buffer is the callee's.
// CHECK-LABEL: func @two_steps
// CHECK-SAME: %[[BYTES:[^:]*]]: memref<4096xi8>
// CHECK-NOT: memref.copy
// CHECK: %[[R:.*]]:2 = call @step(%[[BYTES]],
// CHECK-NOT: memref.copy
// CHECK: call @step(%[[R]]#1,
// CHECK-NOT: memref.copy
// CHECK: return
func.func @two_steps(%bytes: tensor<4096xi8>, %k: tensor<1x2x8xf32>, %q: tensor<4x8xf32>, %p: tensor<1xi32>, %n: tensor<1xi32>) -> (tensor<4x8xf32>, tensor<4096xi8>) {
  %0:2 = call @step(%bytes, %k, %k, %q, %p, %n) : (tensor<4096xi8>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<4x8xf32>, tensor<1xi32>, tensor<1xi32>) -> (tensor<4x8xf32>, tensor<4096xi8>)
  %1:2 = call @step(%0#1, %k, %k, %q, %n, %n) : (tensor<4096xi8>, tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<4x8xf32>, tensor<1xi32>, tensor<1xi32>) -> (tensor<4x8xf32>, tensor<4096xi8>)
  return %1#0, %1#1 : tensor<4x8xf32>, tensor<4096xi8>
}

// Latents, and a loop that hands the cache on.
// CHECK-LABEL: func @latents
// CHECK-NOT: memref.copy
// CHECK: %[[C:.*]] = qattn.cache_from_bytes %{{.*}} : memref<3072xi8>
// CHECK: scf.for {{.*}} iter_args(%[[I:.*]] = %[[C]]) -> (!qattn.mla_cache<64x16+8, bf16>)
// CHECK: qattn.append_mla %{{.*}}, %{{.*}} into %[[I]] at %{{.*}} : memref<1x16xf32>, memref<1x8xf32>, !qattn.mla_cache<64x16+8, bf16>, memref<1xi32>{{$}}
// CHECK: scf.yield %[[I]]
// CHECK-NOT: memref.copy
// CHECK: return
func.func @latents(%bytes: tensor<3072xi8>, %c: tensor<1x16xf32>, %r: tensor<1x8xf32>, %p: tensor<1xi32>, %n: index) -> tensor<3072xi8> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %cache = qattn.cache_from_bytes %bytes : tensor<3072xi8> to !mla
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%old = %cache) -> (!mla) {
    %new = qattn.append_mla %c, %r into %old at %p : tensor<1x16xf32>, tensor<1x8xf32>, !mla, tensor<1xi32> -> !mla
    scf.yield %new : !mla
  }
  %b = qattn.cache_to_bytes %last : !mla to tensor<3072xi8>
  return %b : tensor<3072xi8>
}

// The old cache may be read before, and in a branch that does not append.
// CHECK-LABEL: func @before
// CHECK: qattn.fetch_kv ins(%[[C:[a-z0-9]+]], %{{.*}} :
// CHECK: scf.if
// CHECK: qattn.append_kv {{.*}} into %[[C]] at
// CHECK: else
// CHECK: qattn.fetch_kv ins(%[[C]],
func.func @before(%c: !kv, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>, %cond: i1) -> (tensor<1x2x8xf32>, tensor<1x2x8xf32>) {
  %e0 = tensor.empty() : tensor<1x2x8xf32>
  %e1 = tensor.empty() : tensor<1x2x8xf32>
  %old:2 = qattn.fetch_kv ins(%c, %p : !kv, tensor<1xi32>) outs(%e0, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
  %r = scf.if %cond -> tensor<1x2x8xf32> {
    %new = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
    %e2 = tensor.empty() : tensor<1x2x8xf32>
    %0:2 = qattn.fetch_kv ins(%new, %p : !kv, tensor<1xi32>) outs(%e2, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
    scf.yield %0#0 : tensor<1x2x8xf32>
  } else {
    %e2 = tensor.empty() : tensor<1x2x8xf32>
    %0:2 = qattn.fetch_kv ins(%c, %p : !kv, tensor<1xi32>) outs(%e2, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
    scf.yield %0#0 : tensor<1x2x8xf32>
  }
  return %old#0, %r : tensor<1x2x8xf32>, tensor<1x2x8xf32>
}

// The old bytes are read after appending: the cache is a copy of them.
// CHECK-LABEL: func @old_bytes
// CHECK-SAME: %[[BYTES:.*]]: memref<4096xi8>,
// CHECK: %[[COPY:.*]] = memref.alloc() {{.*}} : memref<4096xi8>
// CHECK: memref.copy %[[BYTES]], %[[COPY]]
// CHECK: qattn.cache_from_bytes %[[COPY]]
// CHECK: return %[[BYTES]], %[[COPY]]
func.func @old_bytes(%bytes: tensor<4096xi8>, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>) -> (tensor<4096xi8>, tensor<4096xi8>) {
  %c = qattn.cache_from_bytes %bytes : tensor<4096xi8> to !kv
  %new = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  %b = qattn.cache_to_bytes %new : !kv to tensor<4096xi8>
  return %bytes, %b : tensor<4096xi8>, tensor<4096xi8>
}

// A constant cannot be written to.
// CHECK-LABEL: func @constant
// CHECK: %[[G:.*]] = memref.get_global
// CHECK: memref.copy %[[G]], %[[COPY:.*]] :
// CHECK: qattn.cache_from_bytes %[[COPY]]
func.func @constant(%k: tensor<1x2x8xf32>, %p: tensor<1xi32>) -> tensor<4096xi8> {
  %bytes = arith.constant dense<0> : tensor<4096xi8>
  %c = qattn.cache_from_bytes %bytes : tensor<4096xi8> to !kv
  %new = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  %b = qattn.cache_to_bytes %new : !kv to tensor<4096xi8>
  return %b : tensor<4096xi8>
}

// A cache that is only read needs no copy, even if its bytes are read later.
// CHECK-LABEL: func @only_read
// CHECK-NOT: memref.copy
// CHECK: return
func.func @only_read(%bytes: tensor<4096xi8>, %p: tensor<1xi32>, %e: tensor<1x2x8xf32>, %e1: tensor<1x2x8xf32>, %i: index) -> (tensor<1x2x8xf32>, i8) {
  %c = qattn.cache_from_bytes %bytes : tensor<4096xi8> to !kv
  %0:2 = qattn.fetch_kv ins(%c, %p : !kv, tensor<1xi32>) outs(%e, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
  %b = tensor.extract %bytes[%i] : tensor<4096xi8>
  return %0#0, %b : tensor<1x2x8xf32>, i8
}

// The bytes of a cache before something is appended to it: a copy, as they
// would change.
// CHECK-LABEL: func @snapshot
// CHECK-SAME: %[[C:.*]]: !qattn.kv_cache<64x2x8, bf16>,
// CHECK: %[[B:.*]] = qattn.cache_to_bytes %[[C]] : {{.*}} to memref<4096xi8
// CHECK: memref.copy %[[B]], %[[COPY:.*]] :
// CHECK: qattn.append_kv
// CHECK: return %[[COPY]]
func.func @snapshot(%c: !kv, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>) -> (tensor<4096xi8>, !kv) {
  %b = qattn.cache_to_bytes %c : !kv to tensor<4096xi8>
  %new = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  return %b, %new : tensor<4096xi8>, !kv
}

// CHECK-LABEL: func @attention
// CHECK: qattn.rope ins({{.*}}) outs(%{{.*}} : memref<3x2x8xf32>){{$}}
// CHECK: qattn.prefill causal ins({{.*}} offset %{{.*}} : {{.*}}) outs(%{{.*}}, %{{.*}} : memref<3x2x8xf32>, memref<3x2xf32>) {{{.*}}}{{$}}
// CHECK: qattn.quantize_kv ins({{.*}}) outs(%{{.*}}, %{{.*}}, %{{.*}} : memref<2x16xi8>, memref<2xf32>, memref<2x8xf32>){{$}}
// CHECK: qattn.mla_decode ins({{.*}} q_scale {{.*}}) outs(%{{.*}}, %{{.*}} : memref<2x2x16xf32>, memref<2x2xf32>)
// CHECK: qattn.merge_partials ins({{.*}}) outs(%{{.*}}, %{{.*}} : memref<2x16xf32>, memref<2xf32>){{$}}
func.func @attention(%x: tensor<3x2x8xf32>, %p: tensor<3xi32>, %f: tensor<4xf32>, %n: tensor<1xi32>, %c: tensor<2x16xf32>, %r: tensor<2x8xf32>,
    %cache: !qattn.mla_cache<64x16+8, fp8_e4m3>) -> (tensor<3x2x8xf32>, tensor<3x2xf32>, tensor<2x16xf32>, tensor<2xf32>) {
  %xi = tensor.empty() : tensor<3x2x8xf32>
  %y = qattn.rope ins(%x, %p, %f : tensor<3x2x8xf32>, tensor<3xi32>, tensor<4xf32>) outs(%xi : tensor<3x2x8xf32>) -> tensor<3x2x8xf32>
  %oi = tensor.empty() : tensor<3x2x8xf32>
  %li = tensor.empty() : tensor<3x2xf32>
  %o:2 = qattn.prefill causal ins(%y, %x, %x offset %n : tensor<3x2x8xf32>, tensor<3x2x8xf32>, tensor<3x2x8xf32>, tensor<1xi32>)
    outs(%oi, %li : tensor<3x2x8xf32>, tensor<3x2xf32>) {scale = 1.0 : f32} -> tensor<3x2x8xf32>, tensor<3x2xf32>
  %ci = tensor.empty() : tensor<2x16xi8>
  %si = tensor.empty() : tensor<2xf32>
  %ri = tensor.empty() : tensor<2x8xf32>
  %q:3 = qattn.quantize_kv ins(%c, %r : tensor<2x16xf32>, tensor<2x8xf32>) outs(%ci, %si, %ri : tensor<2x16xi8>, tensor<2xf32>, tensor<2x8xf32>)
    -> tensor<2x16xi8>, tensor<2xf32>, tensor<2x8xf32>
  %ai = tensor.empty() : tensor<2x2x16xf32>
  %bi = tensor.empty() : tensor<2x2xf32>
  %a:2 = qattn.mla_decode ins(%q#0, %q#2, %cache, %n q_scale %q#1 : tensor<2x16xi8>, tensor<2x8xf32>, !qattn.mla_cache<64x16+8, fp8_e4m3>, tensor<1xi32> q_scale tensor<2xf32>)
    outs(%ai, %bi : tensor<2x2x16xf32>, tensor<2x2xf32>) {scale = 1.0 : f32, splits = 2 : i64} -> tensor<2x2x16xf32>, tensor<2x2xf32>
  %mi = tensor.empty() : tensor<2x16xf32>
  %ni = tensor.empty() : tensor<2xf32>
  %m:2 = qattn.merge_partials ins(%a#0, %a#1 : tensor<2x2x16xf32>, tensor<2x2xf32>) outs(%mi, %ni : tensor<2x16xf32>, tensor<2xf32>) -> tensor<2x16xf32>, tensor<2xf32>
  return %o#0, %o#1, %m#0, %m#1 : tensor<3x2x8xf32>, tensor<3x2xf32>, tensor<2x16xf32>, tensor<2xf32>
}
