// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @dynamic_q(%q: tensor<?x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x32xf32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<?x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @codes_without_scale(%q: tensor<4x32xi8>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q of f32 without q_scale, but got 'tensor<4x32xi8>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xi8>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @scale_without_codes(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %s: tensor<4xf32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q of i8 codes with q_scale, but got 'tensor<4x32xf32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n q_scale %s : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32> q_scale tensor<4xf32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla16 = !qattn.mla_cache<64x32+16, bf16>
func.func @codes_on_bf16(%q: tensor<4x32xi8>, %r: tensor<4x16xf32>, %c: !mla16, %n: tensor<1xi32>, %s: tensor<4xf32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected an fp8_e4m3 cache for a quantized q, but got '!qattn.mla_cache<64x32+16, bf16>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n q_scale %s : tensor<4x32xi8>, tensor<4x16xf32>, !mla16, tensor<1xi32> q_scale tensor<4xf32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @length(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<4xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected length of the shape 1 (one number), but got 'tensor<4xi32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<4xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla_paged = !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>
func.func @table(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla_paged, %n: tensor<1xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected a table of pages for '!qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xf32>, tensor<4x16xf32>, !mla_paged, tensor<1xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @no_table(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %t: tensor<4xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected no table of pages for '!qattn.mla_cache<64x32+16, fp8_e4m3>'; allowed: a cache with layout = paged<PAGE>}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n table %t : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32> table tensor<4xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @scale(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected a finite scale, but got NaN}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0x7FC00000 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @q_rope(%q: tensor<4x32xf32>, %r: tensor<4x8xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q_rope of the shape 4x16 (heads of q, rope of the cache), but got 'tensor<4x8xf32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xf32>, tensor<4x8xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @q(%q: tensor<4x16xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q of the shape 4x32 (heads, content of the cache), but got 'tensor<4x16xf32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x16xf32>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @q_scale(%q: tensor<4x32xi8>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %s: tensor<1xf32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q_scale of the shape 4 (the heads of q), but got 'tensor<1xf32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n q_scale %s : tensor<4x32xi8>, tensor<4x16xf32>, !mla, tensor<1xi32> q_scale tensor<1xf32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @splits(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected splits of at least 1, but got -2}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32, splits = -2 : i64} -> tensor<4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @result(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 4x32 (heads, values), but got 'tensor<4x16xf32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @logarithms(%q: tensor<4x32xf32>, %r: tensor<4x16xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<2x4x32xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected the second of outs of the shape 2x4 (splits, heads), but got 'tensor<4xf32>'}}
  %0:2 = qattn.mla_decode ins(%q, %r, %c, %n : tensor<4x32xf32>, tensor<4x16xf32>, !mla, tensor<1xi32>)
      outs(%o, %l : tensor<2x4x32xf32>, tensor<4xf32>) {scale = 0.25 : f32, splits = 2 : i64} -> tensor<2x4x32xf32>, tensor<4xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_q(%q: tensor<?x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x6x32xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x6xf32>) {
  // expected-error@+1 {{expected q of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x8xf32>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<?x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_values(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x0x32xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x0xf32>) {
  // expected-error@+1 {{expected w_v of static, positive sizes and less than 2^59 numbers, but got 'tensor<4x0x32xf32>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x0x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x0xf32>) {scale = 0.25 : f32} -> tensor<4x0xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_rope(%q: tensor<4x8xf32>, %r: tensor<2x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x6x32xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x6xf32>) {
  // expected-error@+1 {{expected q_rope of the shape 4x16 (heads of q, rope of the cache), but got 'tensor<2x16xf32>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<2x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_w_k(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x32x8xf32>, %wv: tensor<4x6x32xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x6xf32>) {
  // expected-error@+1 {{expected w_k of the shape 4x8x32 (heads and dimension of q, content of the cache), but got 'tensor<4x32x8xf32>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x32x8xf32>, tensor<4x6x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_w_v(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<2x6x32xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x6xf32>) {
  // expected-error@+1 {{expected w_v of the shape 4x6x32 (heads of q, values, content of the cache), but got 'tensor<2x6x32xf32>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<2x6x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_result(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x6x32xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x8xf32>) {
  // expected-error@+1 {{expected outs of the shape 4x6 (heads of q, values of w_v), but got 'tensor<4x8xf32>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x8xf32>) {scale = 0.25 : f32} -> tensor<4x8xf32>
  return
}

// -----

!mla_paged = !qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>
func.func @attention_table(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x6x32xf32>, %c: !mla_paged, %n: tensor<1xi32>, %o: tensor<4x6xf32>) {
  // expected-error@+1 {{expected a table of pages for '!qattn.mla_cache<64x32+16, fp8_e4m3, layout = paged<16>>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla_paged, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_length(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x6x32xf32>, %c: !mla, %n: tensor<?xi32>, %o: tensor<4x6xf32>) {
  // expected-error@+1 {{expected length of the shape 1 (one number), but got 'tensor<?xi32>'}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla, tensor<?xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0.25 : f32} -> tensor<4x6xf32>
  return
}

// -----

!mla = !qattn.mla_cache<64x32+16, fp8_e4m3>
func.func @attention_scale(%q: tensor<4x8xf32>, %r: tensor<4x16xf32>, %wk: tensor<4x8x32xf32>, %wv: tensor<4x6x32xf32>, %c: !mla, %n: tensor<1xi32>, %o: tensor<4x6xf32>) {
  // expected-error@+1 {{expected a finite scale, but got +Inf}}
  %0 = qattn.mla_attention ins(%q, %r, %wk, %wv, %c, %n
        : tensor<4x8xf32>, tensor<4x16xf32>, tensor<4x8x32xf32>, tensor<4x6x32xf32>, !mla, tensor<1xi32>)
      outs(%o : tensor<4x6xf32>) {scale = 0x7F800000 : f32} -> tensor<4x6xf32>
  return
}
