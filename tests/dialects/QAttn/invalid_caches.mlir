// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @from_bytes(%b: tensor<8191xi8>) {
  // expected-error@+1 {{expected 8192 bytes to store '!qattn.kv_cache<64x2x16, bf16>', but got 'tensor<8191xi8>'}}
  %0 = qattn.cache_from_bytes %b : tensor<8191xi8> to !kv
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @from_dynamic_bytes(%b: memref<?xi8>) {
  // expected-error@+1 {{expected 4352 bytes to store '!qattn.mla_cache<64x32+16, fp8_e4m3>', but got 'memref<?xi8>'}}
  %0 = qattn.cache_from_bytes %b : memref<?xi8> to !mla
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @to_bytes(%c: !kv) {
  // expected-error@+1 {{expected 8192 bytes to store '!qattn.kv_cache<64x2x16, bf16>', but got 'tensor<1xi8>'}}
  %0 = qattn.cache_to_bytes %c : !kv to tensor<1xi8>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @bytes_of_f32(%b: tensor<2048xf32>) {
  // expected-error@+1 {{must be 1-D tensor or memref of i8, but got 'tensor<2048xf32>'}}
  %0 = qattn.cache_from_bytes %b : tensor<2048xf32> to !kv
  return
}

// -----

func.func @not_a_cache(%b: tensor<8192xi8>) {
  // expected-error@+1 {{must be !qattn.kv_cache or !qattn.mla_cache, but got 'tensor<8192xi8>'}}
  %0 = qattn.cache_from_bytes %b : tensor<8192xi8> to tensor<8192xi8>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_mixed(%k: tensor<3x2x16xf32>, %v: memref<3x2x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected inputs all tensors or all memrefs, but got 'memref<3x2x16xf32>' and 'tensor<3x2x16xf32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<3x2x16xf32>, memref<3x2x16xf32>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_no_result(%k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected the result '!qattn.kv_cache<64x2x16, bf16>', but got none}}
  qattn.append_kv %k, %v into %c at %n : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !kv, tensor<1xi32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_other_result(%k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected the result '!qattn.kv_cache<64x2x16, bf16>', but got '!qattn.kv_cache<64x2x16, f16>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !kv, tensor<1xi32> -> !qattn.kv_cache<64x2x16, f16>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_result_of_memrefs(%k: memref<3x2x16xf32>, %c: !kv, %n: memref<1xi32>) {
  // expected-error@+1 {{expected no result for memrefs, but got '!qattn.kv_cache<64x2x16, bf16>'}}
  %0 = qattn.append_kv %k, %k into %c at %n : memref<3x2x16xf32>, memref<3x2x16xf32>, !kv, memref<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_dynamic(%k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected k of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x2x16xf32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<?x2x16xf32>, tensor<?x2x16xf32>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_nothing(%k: tensor<0x2x16xf32>, %v: tensor<0x2x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected k of static, positive sizes and less than 2^59 numbers, but got 'tensor<0x2x16xf32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<0x2x16xf32>, tensor<0x2x16xf32>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_too_much(%k: tensor<72057594037927936x2x16xf32>, %v: tensor<72057594037927936x2x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected k of static, positive sizes and less than 2^59 numbers, but got 'tensor<72057594037927936x2x16xf32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<72057594037927936x2x16xf32>, tensor<72057594037927936x2x16xf32>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_heads(%k: tensor<3x1x16xf32>, %v: tensor<3x1x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected k of the shape 3x2x16 (tokens, heads and dim of the cache), but got 'tensor<3x1x16xf32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<3x1x16xf32>, tensor<3x1x16xf32>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_dim(%k: tensor<3x2x8xf32>, %v: tensor<3x2x8xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected k of the shape 3x2x16 (tokens, heads and dim of the cache), but got 'tensor<3x2x8xf32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<3x2x8xf32>, tensor<3x2x8xf32>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_values(%k: tensor<3x2x16xf32>, %v: tensor<2x2x16xf32>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected v of the shape 3x2x16 (the shape of k), but got 'tensor<2x2x16xf32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<3x2x16xf32>, tensor<2x2x16xf32>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_positions(%k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %c: !kv, %n: tensor<3xi32>) {
  // expected-error@+1 {{expected position of the shape 1 (one number), but got 'tensor<3xi32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !kv, tensor<3xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_dynamic_position(%k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %c: !kv, %n: tensor<?xi32>) {
  // expected-error@+1 {{expected position of the shape 1 (one number), but got 'tensor<?xi32>'}}
  %0 = qattn.append_kv %k, %v into %c at %n : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !kv, tensor<?xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_bf16(%k: tensor<3x2x16xbf16>, %c: !kv, %n: tensor<1xi32>) {
  // expected-error@+1 {{must be 3-D tensor or memref of f32, but got 'tensor<3x2x16xbf16>'}}
  %0 = qattn.append_kv %k, %k into %c at %n : tensor<3x2x16xbf16>, tensor<3x2x16xbf16>, !kv, tensor<1xi32> -> !kv
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @append_index(%k: tensor<3x2x16xf32>, %c: !kv, %n: tensor<1xi64>) {
  // expected-error@+1 {{must be 1-D tensor or memref of i32, but got 'tensor<1xi64>'}}
  %0 = qattn.append_kv %k, %k into %c at %n : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !kv, tensor<1xi64> -> !kv
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_to_latents(%k: tensor<3x2x16xf32>, %c: !mla, %n: tensor<1xi32>) {
  // expected-error@+1 {{must be keys and values of past tokens, but got '!qattn.mla_cache<64x32+16, fp8_e4m3>'}}
  %0 = "qattn.append_kv"(%k, %k, %c, %n) : (tensor<3x2x16xf32>, tensor<3x2x16xf32>, !mla, tensor<1xi32>) -> !qattn.kv_cache<64x2x16, bf16>
  return
}

// -----

!paged = !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>
func.func @table_missing(%c: !paged, %n: tensor<1xi32>, %k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>) {
  // expected-error@+1 {{expected a table of pages for '!qattn.kv_cache<64x2x16, bf16, layout = paged<16>>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n : !paged, tensor<1xi32>)
      outs(%k, %v : tensor<3x2x16xf32>, tensor<3x2x16xf32>) -> tensor<3x2x16xf32>, tensor<3x2x16xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @table_of_contiguous(%c: !kv, %n: tensor<1xi32>, %k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %t: tensor<4xi32>) {
  // expected-error@+1 {{expected no table of pages for '!qattn.kv_cache<64x2x16, bf16>'; allowed: a cache with layout = paged<PAGE>}}
  %0:2 = qattn.fetch_kv ins(%c, %n table %t : !kv, tensor<1xi32>, tensor<4xi32>)
      outs(%k, %v : tensor<3x2x16xf32>, tensor<3x2x16xf32>) -> tensor<3x2x16xf32>, tensor<3x2x16xf32>
  return
}

// -----

!paged = !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>
func.func @table_dynamic(%c: !paged, %n: tensor<1xi32>, %k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %t: tensor<?xi32>) {
  // expected-error@+1 {{expected table of static, positive sizes and less than 2^59 numbers, but got 'tensor<?xi32>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n table %t : !paged, tensor<1xi32>, tensor<?xi32>)
      outs(%k, %v : tensor<3x2x16xf32>, tensor<3x2x16xf32>) -> tensor<3x2x16xf32>, tensor<3x2x16xf32>
  return
}

// -----

!paged = !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>
func.func @table_empty(%c: !paged, %n: tensor<1xi32>, %k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>, %t: tensor<0xi32>) {
  // expected-error@+1 {{expected table of static, positive sizes and less than 2^59 numbers, but got 'tensor<0xi32>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n table %t : !paged, tensor<1xi32>, tensor<0xi32>)
      outs(%k, %v : tensor<3x2x16xf32>, tensor<3x2x16xf32>) -> tensor<3x2x16xf32>, tensor<3x2x16xf32>
  return
}

// -----

!paged = !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>
func.func @append_table_missing(%k: tensor<3x2x16xf32>, %c: !paged, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected a table of pages for '!qattn.kv_cache<64x2x16, bf16, layout = paged<16>>'}}
  %0 = qattn.append_kv %k, %k into %c at %n : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !paged, tensor<1xi32> -> !paged
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @fetch_no_results(%c: !kv, %n: tensor<1xi32>, %k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>) {
  // expected-error@+1 {{expected 2 results for outs of 'tensor<3x2x16xf32>', but got 0}}
  qattn.fetch_kv ins(%c, %n : !kv, tensor<1xi32>)
      outs(%k, %v : tensor<3x2x16xf32>, tensor<3x2x16xf32>)
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @fetch_mixed(%c: !kv, %n: memref<1xi32>, %k: tensor<3x2x16xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'memref<1xi32>' and 'tensor<3x2x16xf32>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n : !kv, memref<1xi32>)
      outs(%k, %k : tensor<3x2x16xf32>, tensor<3x2x16xf32>) -> tensor<3x2x16xf32>, tensor<3x2x16xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @fetch_starts(%c: !kv, %n: tensor<2xi32>, %k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>) {
  // expected-error@+1 {{expected start of the shape 1 (one number), but got 'tensor<2xi32>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n : !kv, tensor<2xi32>)
      outs(%k, %v : tensor<3x2x16xf32>, tensor<3x2x16xf32>) -> tensor<3x2x16xf32>, tensor<3x2x16xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @fetch_dynamic(%c: !kv, %n: tensor<1xi32>, %k: tensor<?x2x16xf32>, %v: tensor<?x2x16xf32>) {
  // expected-error@+1 {{expected outs of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x2x16xf32>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n : !kv, tensor<1xi32>)
      outs(%k, %v : tensor<?x2x16xf32>, tensor<?x2x16xf32>) -> tensor<?x2x16xf32>, tensor<?x2x16xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @fetch_heads(%c: !kv, %n: tensor<1xi32>, %k: tensor<3x4x16xf32>, %v: tensor<3x4x16xf32>) {
  // expected-error@+1 {{expected outs of the shape 3x2x16 (tokens, heads and dim of the cache), but got 'tensor<3x4x16xf32>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n : !kv, tensor<1xi32>)
      outs(%k, %v : tensor<3x4x16xf32>, tensor<3x4x16xf32>) -> tensor<3x4x16xf32>, tensor<3x4x16xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @fetch_values(%c: !kv, %n: tensor<1xi32>, %k: tensor<3x2x16xf32>, %v: tensor<3x2x8xf32>) {
  // expected-error@+1 {{expected outs of the shape 3x2x16 (tokens, heads and dim of the cache), but got 'tensor<3x2x8xf32>'}}
  %0:2 = qattn.fetch_kv ins(%c, %n : !kv, tensor<1xi32>)
      outs(%k, %v : tensor<3x2x16xf32>, tensor<3x2x8xf32>) -> tensor<3x2x16xf32>, tensor<3x2x8xf32>
  return
}
