// RUN: %headrace_opt %s --canonicalize --cse | FileCheck %s

!kv = !qattn.kv_cache<4x1x8, f32>

// The bytes of a cache made from bytes are those bytes.
// CHECK-LABEL: func @same_bytes
// CHECK-SAME: %[[B:.*]]: tensor<256xi8>
// CHECK-NEXT: return %[[B]]
func.func @same_bytes(%b: tensor<256xi8>) -> tensor<256xi8> {
  %c = qattn.cache_from_bytes %b : tensor<256xi8> to !kv
  %r = qattn.cache_to_bytes %c : !kv to tensor<256xi8>
  return %r : tensor<256xi8>
}

// Bytes of a memref are not a tensor.
// CHECK-LABEL: func @view
// CHECK: qattn.cache_from_bytes
// CHECK: qattn.cache_to_bytes
func.func @view(%b: memref<256xi8>) -> tensor<256xi8> {
  %c = qattn.cache_from_bytes %b : memref<256xi8> to !kv
  %r = qattn.cache_to_bytes %c : !kv to tensor<256xi8>
  return %r : tensor<256xi8>
}

// On tensors there is no effect: what is not used goes, what is equal is computed once.
// CHECK-LABEL: func @pure
// CHECK: %[[R:.*]] = qattn.append_kv
// CHECK-NEXT: return %[[R]], %[[R]]
func.func @pure(%c: !kv, %k: tensor<1x1x8xf32>, %n: tensor<1xi32>) -> (!kv, !kv) {
  %0 = qattn.append_kv %k, %k into %c at %n : tensor<1x1x8xf32>, tensor<1x1x8xf32>, !kv, tensor<1xi32> -> !kv
  %1 = qattn.append_kv %k, %k into %c at %n : tensor<1x1x8xf32>, tensor<1x1x8xf32>, !kv, tensor<1xi32> -> !kv
  %2:2 = qattn.fetch_kv ins(%0, %n : !kv, tensor<1xi32>)
      outs(%k, %k : tensor<1x1x8xf32>, tensor<1x1x8xf32>) -> tensor<1x1x8xf32>, tensor<1x1x8xf32>
  return %0, %1 : !kv, !kv
}

// A cache made from the bytes of a cache is that cache.
// CHECK-LABEL: func @same_cache
// CHECK-SAME: %[[C:.*]]: !qattn.kv_cache<4x1x8, f32>
// CHECK-NEXT: return %[[C]]
func.func @same_cache(%c: !kv) -> !kv {
  %b = qattn.cache_to_bytes %c : !kv to tensor<256xi8>
  %r = qattn.cache_from_bytes %b : tensor<256xi8> to !kv
  return %r : !kv
}

// Not if the cache is used otherwise, as it may be appended to.
// CHECK-LABEL: func @copied_cache
// CHECK: qattn.cache_to_bytes
// CHECK: qattn.cache_from_bytes
func.func @copied_cache(%c: !kv, %k: tensor<1x1x8xf32>, %n: tensor<1xi32>) -> (!kv, !kv) {
  %b = qattn.cache_to_bytes %c : !kv to tensor<256xi8>
  %r = qattn.cache_from_bytes %b : tensor<256xi8> to !kv
  %0 = qattn.append_kv %k, %k into %c at %n : tensor<1x1x8xf32>, tensor<1x1x8xf32>, !kv, tensor<1xi32> -> !kv
  return %r, %0 : !kv, !kv
}

// Nor if it is of another type.
// CHECK-LABEL: func @other_cache
// CHECK: qattn.cache_to_bytes
// CHECK: qattn.cache_from_bytes
func.func @other_cache(%c: !kv) -> !qattn.kv_cache<2x2x8, f32> {
  %b = qattn.cache_to_bytes %c : !kv to tensor<256xi8>
  %r = qattn.cache_from_bytes %b : tensor<256xi8> to !qattn.kv_cache<2x2x8, f32>
  return %r : !qattn.kv_cache<2x2x8, f32>
}

// One part of a decode is the whole decode.
// CHECK-LABEL: func @merge_of_one_part
// CHECK-SAME: %[[O:[^:]*]]: tensor<2x8xf32>, %[[L:[^:]*]]: tensor<2xf32>)
// CHECK-NEXT: %[[R:.*]]:2 = qattn.decode ins({{.*}}) outs(%[[O]], %[[L]] : tensor<2x8xf32>, tensor<2xf32>) {scale = 1.000000e+00 : f32, window = 3 : i64} -> tensor<2x8xf32>, tensor<2xf32>
// CHECK-NEXT: return %[[R]]#0, %[[R]]#1
func.func @merge_of_one_part(%q: tensor<2x8xf32>, %c: !kv, %n: tensor<1xi32>, %po: tensor<1x2x8xf32>, %pl: tensor<1x2xf32>,
    %o: tensor<2x8xf32>, %l: tensor<2xf32>) -> (tensor<2x8xf32>, tensor<2xf32>) {
  %p:2 = qattn.decode ins(%q, %c, %n : tensor<2x8xf32>, !kv, tensor<1xi32>) outs(%po, %pl : tensor<1x2x8xf32>, tensor<1x2xf32>)
    {scale = 1.0 : f32, splits = 1, window = 3} -> tensor<1x2x8xf32>, tensor<1x2xf32>
  %r:2 = qattn.merge_partials ins(%p#0, %p#1 : tensor<1x2x8xf32>, tensor<1x2xf32>) outs(%o, %l : tensor<2x8xf32>, tensor<2xf32>)
    -> tensor<2x8xf32>, tensor<2xf32>
  return %r#0, %r#1 : tensor<2x8xf32>, tensor<2xf32>
}

// CHECK-LABEL: func @merge_of_one_latent_part
// CHECK-NOT: merge_partials
// CHECK: qattn.mla_decode ins({{.*}}) outs({{.*}} : tensor<2x16xf32>, tensor<2xf32>) {scale = 1.000000e+00 : f32}
// CHECK-NOT: merge_partials
// CHECK: return
func.func @merge_of_one_latent_part(%q: tensor<2x16xf32>, %qr: tensor<2x8xf32>, %c: !qattn.mla_cache<4x16+8, f32>, %n: tensor<1xi32>,
    %po: tensor<1x2x16xf32>, %pl: tensor<1x2xf32>, %o: tensor<2x16xf32>, %l: tensor<2xf32>) -> (tensor<2x16xf32>, tensor<2xf32>) {
  %p:2 = qattn.mla_decode ins(%q, %qr, %c, %n : tensor<2x16xf32>, tensor<2x8xf32>, !qattn.mla_cache<4x16+8, f32>, tensor<1xi32>)
    outs(%po, %pl : tensor<1x2x16xf32>, tensor<1x2xf32>) {scale = 1.0 : f32, splits = 1} -> tensor<1x2x16xf32>, tensor<1x2xf32>
  %r:2 = qattn.merge_partials ins(%p#0, %p#1 : tensor<1x2x16xf32>, tensor<1x2xf32>) outs(%o, %l : tensor<2x16xf32>, tensor<2xf32>)
    -> tensor<2x16xf32>, tensor<2xf32>
  return %r#0, %r#1 : tensor<2x16xf32>, tensor<2xf32>
}

// Two parts stay, and so does one from elsewhere: it may hold anything where
// it saw nothing.
// CHECK-LABEL: func @merge_stays
// CHECK: qattn.decode {{.*}}splits = 2
// CHECK: qattn.merge_partials
// CHECK: qattn.merge_partials
func.func @merge_stays(%q: tensor<2x8xf32>, %c: !kv, %n: tensor<1xi32>, %po: tensor<2x2x8xf32>, %pl: tensor<2x2xf32>,
    %one: tensor<1x2x8xf32>, %lse: tensor<1x2xf32>, %o: tensor<2x8xf32>, %l: tensor<2xf32>) -> (tensor<2x8xf32>, tensor<2x8xf32>) {
  %p:2 = qattn.decode ins(%q, %c, %n : tensor<2x8xf32>, !kv, tensor<1xi32>) outs(%po, %pl : tensor<2x2x8xf32>, tensor<2x2xf32>)
    {scale = 1.0 : f32, splits = 2} -> tensor<2x2x8xf32>, tensor<2x2xf32>
  %r:2 = qattn.merge_partials ins(%p#0, %p#1 : tensor<2x2x8xf32>, tensor<2x2xf32>) outs(%o, %l : tensor<2x8xf32>, tensor<2xf32>)
    -> tensor<2x8xf32>, tensor<2xf32>
  %s:2 = qattn.merge_partials ins(%one, %lse : tensor<1x2x8xf32>, tensor<1x2xf32>) outs(%o, %l : tensor<2x8xf32>, tensor<2xf32>)
    -> tensor<2x8xf32>, tensor<2xf32>
  return %r#0, %s#0 : tensor<2x8xf32>, tensor<2x8xf32>
}

// CHECK-LABEL: func @zero_offset
// CHECK: qattn.prefill causal ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<3x2x8xf32>, tensor<3x2x8xf32>, tensor<3x2x8xf32>)
// CHECK: qattn.prefill causal ins(%{{.*}}, %{{.*}}, %{{.*}} offset %{{.*}} :
func.func @zero_offset(%q: tensor<3x2x8xf32>, %o: tensor<3x2x8xf32>) -> (tensor<3x2x8xf32>, tensor<3x2x8xf32>) {
  %zero = arith.constant dense<0> : tensor<1xi32>
  %one = arith.constant dense<1> : tensor<1xi32>
  %0 = qattn.prefill causal ins(%q, %q, %q offset %zero : tensor<3x2x8xf32>, tensor<3x2x8xf32>, tensor<3x2x8xf32>, tensor<1xi32>)
    outs(%o : tensor<3x2x8xf32>) {scale = 1.0 : f32} -> tensor<3x2x8xf32>
  %1 = qattn.prefill causal ins(%q, %q, %q offset %one : tensor<3x2x8xf32>, tensor<3x2x8xf32>, tensor<3x2x8xf32>, tensor<1xi32>)
    outs(%o : tensor<3x2x8xf32>) {scale = 1.0 : f32} -> tensor<3x2x8xf32>
  return %0, %1 : tensor<3x2x8xf32>, tensor<3x2x8xf32>
}
