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
