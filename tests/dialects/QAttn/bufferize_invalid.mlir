// RUN: %headrace_opt %s --one-shot-bufferize="bufferize-function-boundaries=true" -verify-diagnostics -split-input-file

!kv = !qattn.kv_cache<64x2x8, bf16>

func.func @read_after(%c: !kv, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>, %e: tensor<1x2x8xf32>, %e1: tensor<1x2x8xf32>) -> (tensor<1x2x8xf32>, !kv) {
  // expected-note@+1 {{'qattn.append_kv' appends here; use its result, or fetch before}}
  %new = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  // expected-error@+1 {{'qattn.fetch_kv' expected the cache not to be used after it was appended to}}
  %0:2 = qattn.fetch_kv ins(%c, %p : !kv, tensor<1xi32>) outs(%e, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return %0#0, %new : tensor<1x2x8xf32>, !kv
}

// -----

!kv = !qattn.kv_cache<64x2x8, bf16>

// Two caches cannot come from one without a copy.
func.func @appended_twice(%c: !kv, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>) -> (!kv, !kv) {
  // expected-note@+1 {{'qattn.append_kv' appends here}}
  %a = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  // expected-error@+1 {{'qattn.append_kv' expected the cache not to be used after it was appended to}}
  %b = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  return %a, %b : !kv, !kv
}

// -----

!mla = !qattn.mla_cache<64x16+8, bf16>

// Each iteration would see what those before it appended.
func.func @in_a_loop(%c: !mla, %x: tensor<1x16xf32>, %r: tensor<1x8xf32>, %p: tensor<1xi32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %i = %c0 to %n step %c1 {
    // expected-note@+2 {{'qattn.append_mla' appends here}}
    // expected-error@+1 {{'qattn.append_mla' expected the cache not to be used after it was appended to by an earlier iteration}}
    %new = qattn.append_mla %x, %r into %c at %p : tensor<1x16xf32>, tensor<1x8xf32>, !mla, tensor<1xi32> -> !mla
  }
  return
}

// -----

!kv = !qattn.kv_cache<64x2x8, bf16>

// A loop that appends.
func.func @after_a_loop(%c: !kv, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>, %n: index, %e: tensor<1x2x8xf32>, %e1: tensor<1x2x8xf32>) -> (tensor<1x2x8xf32>, !kv) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  // expected-note@+1 {{'scf.for' appends here}}
  %last = scf.for %i = %c0 to %n step %c1 iter_args(%old = %c) -> (!kv) {
    %new = qattn.append_kv %k, %k into %old at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
    scf.yield %new : !kv
  }
  // expected-error@+1 {{'qattn.fetch_kv' expected the cache not to be used after it was appended to}}
  %0:2 = qattn.fetch_kv ins(%c, %p : !kv, tensor<1xi32>) outs(%e, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return %0#0, %last : tensor<1x2x8xf32>, !kv
}

// -----

!kv = !qattn.kv_cache<64x2x8, bf16>

func.func private @append(%c: !kv, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>) -> !kv {
  %new = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  return %new : !kv
}

func.func private @fetch(%c: !kv, %p: tensor<1xi32>, %e: tensor<1x2x8xf32>, %e1: tensor<1x2x8xf32>) -> tensor<1x2x8xf32> {
  %0:2 = qattn.fetch_kv ins(%c, %p : !kv, tensor<1xi32>) outs(%e, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return %0#0 : tensor<1x2x8xf32>
}

// Callees are looked into: the first only reads.
func.func @calls(%c: !kv, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>, %e: tensor<1x2x8xf32>, %e1: tensor<1x2x8xf32>) -> (tensor<1x2x8xf32>, tensor<1x2x8xf32>) {
  %first = func.call @fetch(%c, %p, %e, %e1) : (!kv, tensor<1xi32>, tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>
  // expected-note@+1 {{'func.call' appends here}}
  %new = func.call @append(%c, %k, %p) : (!kv, tensor<1x2x8xf32>, tensor<1xi32>) -> !kv
  // expected-error@+1 {{'qattn.fetch_kv' expected the cache not to be used after it was appended to}}
  %0:2 = qattn.fetch_kv ins(%c, %p : !kv, tensor<1xi32>) outs(%e, %e1 : tensor<1x2x8xf32>, tensor<1x2x8xf32>) -> tensor<1x2x8xf32>, tensor<1x2x8xf32>
  return %first, %0#0 : tensor<1x2x8xf32>, tensor<1x2x8xf32>
}

// -----

!kv = !qattn.kv_cache<64x2x8, bf16>

// The copy that the bytes need would be gone.
func.func @copy_is_returned(%bytes: tensor<4096xi8>, %k: tensor<1x2x8xf32>, %p: tensor<1xi32>) -> (!kv, tensor<4096xi8>) {
  // expected-error@+1 {{'qattn.cache_from_bytes' op expected the view to end with the block that has its buffer, but it is passed on; allowed: to pass on its bytes}}
  %c = qattn.cache_from_bytes %bytes : tensor<4096xi8> to !kv
  %new = qattn.append_kv %k, %k into %c at %p : tensor<1x2x8xf32>, tensor<1x2x8xf32>, !kv, tensor<1xi32> -> !kv
  // expected-note@+1 {{passed on here}}
  return %new, %bytes : !kv, tensor<4096xi8>
}
