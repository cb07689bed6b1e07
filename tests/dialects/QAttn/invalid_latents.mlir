// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

func.func @quantize_dynamic(%c: tensor<?x32xf32>, %r: tensor<4x16xf32>, %o0: tensor<4x32xi8>, %o1: tensor<4xf32>, %o2: tensor<4x16xf32>) {
  // expected-error@+1 {{expected content of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x32xf32>'}}
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<?x32xf32>, tensor<4x16xf32>)
      outs(%o0, %o1, %o2 : tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>)
      -> tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>
  return
}

// -----

func.func @quantize_dynamic_rope(%c: tensor<4x32xf32>, %r: tensor<?x16xf32>, %o0: tensor<4x32xi8>, %o1: tensor<4xf32>, %o2: tensor<4x16xf32>) {
  // expected-error@+1 {{expected rope of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x16xf32>'}}
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<?x16xf32>)
      outs(%o0, %o1, %o2 : tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>)
      -> tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>
  return
}

// -----

func.func @quantize_rows(%c: tensor<4x32xf32>, %r: tensor<3x16xf32>, %o0: tensor<4x32xi8>, %o1: tensor<4xf32>, %o2: tensor<4x16xf32>) {
  // expected-error@+1 {{expected dimension 0 of rope of 4 (the rows of content), but got 3}}
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<3x16xf32>)
      outs(%o0, %o1, %o2 : tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>)
      -> tensor<4x32xi8>, tensor<4xf32>, tensor<4x16xf32>
  return
}

// -----

func.func @quantize_codes(%c: tensor<4x32xf32>, %r: tensor<4x16xf32>, %o0: tensor<4x16xi8>, %o1: tensor<4xf32>, %o2: tensor<4x16xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 4x32 (the shape of content), but got 'tensor<4x16xi8>'}}
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<4x16xf32>)
      outs(%o0, %o1, %o2 : tensor<4x16xi8>, tensor<4xf32>, tensor<4x16xf32>)
      -> tensor<4x16xi8>, tensor<4xf32>, tensor<4x16xf32>
  return
}

// -----

func.func @quantize_scale(%c: tensor<4x32xf32>, %r: tensor<4x16xf32>, %o0: tensor<4x32xi8>, %o1: tensor<1xf32>, %o2: tensor<4x16xf32>) {
  // expected-error@+1 {{expected the second of outs of the shape 4 (the rows of content), but got 'tensor<1xf32>'}}
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<4x16xf32>)
      outs(%o0, %o1, %o2 : tensor<4x32xi8>, tensor<1xf32>, tensor<4x16xf32>)
      -> tensor<4x32xi8>, tensor<1xf32>, tensor<4x16xf32>
  return
}

// -----

func.func @quantize_rope(%c: tensor<4x32xf32>, %r: tensor<4x16xf32>, %o0: tensor<4x32xi8>, %o1: tensor<4xf32>, %o2: tensor<4x32xf32>) {
  // expected-error@+1 {{expected the third of outs of the shape 4x16 (the shape of rope), but got 'tensor<4x32xf32>'}}
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<4x16xf32>)
      outs(%o0, %o1, %o2 : tensor<4x32xi8>, tensor<4xf32>, tensor<4x32xf32>)
      -> tensor<4x32xi8>, tensor<4xf32>, tensor<4x32xf32>
  return
}

// -----

func.func @quantize_f32(%c: tensor<4x32xf32>, %r: tensor<4x16xf32>, %o0: tensor<4x32xf32>, %o1: tensor<4xf32>, %o2: tensor<4x16xf32>) {
  // expected-error@+1 {{must be 2-D tensor or memref of i8, but got 'tensor<4x32xf32>'}}
  %0:3 = qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<4x16xf32>)
      outs(%o0, %o1, %o2 : tensor<4x32xf32>, tensor<4xf32>, tensor<4x16xf32>)
      -> tensor<4x32xf32>, tensor<4xf32>, tensor<4x16xf32>
  return
}

// -----

func.func @quantize_mixed(%c: tensor<4x32xf32>, %r: tensor<4x16xf32>, %o: memref<4x32xi8>, %s: memref<4xf32>, %p: memref<4x16xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'tensor<4x32xf32>' and 'memref<4x32xi8>'}}
  qattn.quantize_kv ins(%c, %r : tensor<4x32xf32>, tensor<4x16xf32>)
      outs(%o, %s, %p : memref<4x32xi8>, memref<4xf32>, memref<4x16xf32>)
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_dynamic(%x: tensor<?x32xf32>, %r: tensor<3x16xf32>, %c: !mla, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected content of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x32xf32>'}}
  %0 = qattn.append_mla %x, %r into %c at %n : tensor<?x32xf32>, tensor<3x16xf32>, !mla, tensor<1xi32> -> !mla
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_content(%x: tensor<3x16xf32>, %r: tensor<3x16xf32>, %c: !mla, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected content of the shape 3x32 (tokens and content of the cache), but got 'tensor<3x16xf32>'}}
  %0 = qattn.append_mla %x, %r into %c at %n : tensor<3x16xf32>, tensor<3x16xf32>, !mla, tensor<1xi32> -> !mla
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_rope(%x: tensor<3x32xf32>, %r: tensor<3x8xf32>, %c: !mla, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected rope of the shape 3x16 (tokens and rope of the cache), but got 'tensor<3x8xf32>'}}
  %0 = qattn.append_mla %x, %r into %c at %n : tensor<3x32xf32>, tensor<3x8xf32>, !mla, tensor<1xi32> -> !mla
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_tokens(%x: tensor<3x32xf32>, %r: tensor<2x16xf32>, %c: !mla, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected rope of the shape 3x16 (tokens and rope of the cache), but got 'tensor<2x16xf32>'}}
  %0 = qattn.append_mla %x, %r into %c at %n : tensor<3x32xf32>, tensor<2x16xf32>, !mla, tensor<1xi32> -> !mla
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_position(%x: tensor<3x32xf32>, %r: tensor<3x16xf32>, %c: !mla, %n: tensor<3xi32>) {
  // expected-error@+1 {{expected position of the shape 1 (one number), but got 'tensor<3xi32>'}}
  %0 = qattn.append_mla %x, %r into %c at %n : tensor<3x32xf32>, tensor<3x16xf32>, !mla, tensor<3xi32> -> !mla
  return
}

// -----

!mla_paged = !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>
func.func @append_table(%x: tensor<3x32xf32>, %r: tensor<3x16xf32>, %c: !mla_paged, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected a table of pages for '!qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>'}}
  %0 = qattn.append_mla %x, %r into %c at %n : tensor<3x32xf32>, tensor<3x16xf32>, !mla_paged, tensor<1xi32> -> !mla_paged
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_no_table(%x: tensor<3x32xf32>, %r: tensor<3x16xf32>, %c: !mla, %n: tensor<1xi32>, %t: tensor<4xi32>) {
  // expected-error@+1 {{expected no table of pages for '!qattn.mla_cache<64x32+16, fp8_e4m3>'; allowed: a cache with layout = paged<PAGE>}}
  %0 = qattn.append_mla %x, %r into %c at %n table %t : tensor<3x32xf32>, tensor<3x16xf32>, !mla, tensor<1xi32>, tensor<4xi32> -> !mla
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @append_other(%x: tensor<3x32xf32>, %r: tensor<3x16xf32>, %c: !mla, %n: tensor<1xi32>) {
  // expected-error@+1 {{expected the result '!qattn.mla_cache<64x32+16, fp8_e4m3>', but got '!qattn.mla_cache<64x32+16, bf16>'}}
  %0 = qattn.append_mla %x, %r into %c at %n : tensor<3x32xf32>, tensor<3x16xf32>, !mla, tensor<1xi32> -> !qattn.mla_cache<64x32+16, bf16>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @fetch_dynamic(%c: !mla, %n: tensor<1xi32>, %x: tensor<?x32xf32>, %r: tensor<3x16xf32>) {
  // expected-error@+1 {{expected outs of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x32xf32>'}}
  %0:2 = qattn.fetch_mla ins(%c, %n : !mla, tensor<1xi32>)
      outs(%x, %r : tensor<?x32xf32>, tensor<3x16xf32>) -> tensor<?x32xf32>, tensor<3x16xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @fetch_content(%c: !mla, %n: tensor<1xi32>, %x: tensor<3x16xf32>, %r: tensor<3x16xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 3x32 (tokens and content of the cache), but got 'tensor<3x16xf32>'}}
  %0:2 = qattn.fetch_mla ins(%c, %n : !mla, tensor<1xi32>)
      outs(%x, %r : tensor<3x16xf32>, tensor<3x16xf32>) -> tensor<3x16xf32>, tensor<3x16xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @fetch_rope(%c: !mla, %n: tensor<1xi32>, %x: tensor<3x32xf32>, %r: tensor<3x32xf32>) {
  // expected-error@+1 {{expected the second of outs of the shape 3x16 (tokens and rope of the cache), but got 'tensor<3x32xf32>'}}
  %0:2 = qattn.fetch_mla ins(%c, %n : !mla, tensor<1xi32>)
      outs(%x, %r : tensor<3x32xf32>, tensor<3x32xf32>) -> tensor<3x32xf32>, tensor<3x32xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @fetch_start(%c: !mla, %n: tensor<0xi32>, %x: tensor<3x32xf32>, %r: tensor<3x16xf32>) {
  // expected-error@+1 {{expected start of the shape 1 (one number), but got 'tensor<0xi32>'}}
  %0:2 = qattn.fetch_mla ins(%c, %n : !mla, tensor<0xi32>)
      outs(%x, %r : tensor<3x32xf32>, tensor<3x16xf32>) -> tensor<3x32xf32>, tensor<3x16xf32>
  return
}

// -----

!mla_paged = !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>
func.func @fetch_table(%c: !mla_paged, %n: tensor<1xi32>, %x: tensor<3x32xf32>, %r: tensor<3x16xf32>) {
  // expected-error@+1 {{expected a table of pages for '!qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>'}}
  %0:2 = qattn.fetch_mla ins(%c, %n : !mla_paged, tensor<1xi32>)
      outs(%x, %r : tensor<3x32xf32>, tensor<3x16xf32>) -> tensor<3x32xf32>, tensor<3x16xf32>
  return
}
