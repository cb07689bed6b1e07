// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @mixed(%q: tensor<4x16xf32>, %c: !kv, %n: memref<1xi32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'memref<1xi32>' and 'tensor<4x16xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, memref<1xi32>)
      outs(%q, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @one_result(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected 2 results for outs of 'tensor<4x16xf32>', but got 1}}
  %0 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%q, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @other_result(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected type of operand #4 ('tensor<4xf32>') to match type of corresponding result ('tensor<5xf32>')}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%q, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<5xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @dynamic_q(%q: tensor<?x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x16xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<?x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @no_heads(%q: tensor<0x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected q of static, positive sizes and less than 2^59 numbers, but got 'tensor<0x16xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<0x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @lengths(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<2xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected length of the shape 1 (one number), but got 'tensor<2xi32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<2xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!paged = !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>
func.func @table_missing(%q: tensor<4x16xf32>, %c: !paged, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected a table of pages for '!qattn.kv_cache<64x2x16, bf16, layout = paged<16>>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !paged, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @table_of_contiguous(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %t: tensor<4xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected no table of pages for '!qattn.kv_cache<64x2x16, bf16>'; allowed: a cache with layout = paged<PAGE>}}
  %0:2 = qattn.decode ins(%q, %c, %n table %t : tensor<4x16xf32>, !kv, tensor<1xi32>, tensor<4xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @infinite_scale(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected a finite scale, but got -Inf}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0xFF800000 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @window(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected window of at least 1, but got 0}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32, window = 0 : i64} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @softcap(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected a positive softcap, but got -1}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32, softcap = -1.0 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @head_dim(%q: tensor<4x32xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected dimension 1 of q of 16 (the dimension of a head of the cache), but got 32}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x32xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @groups(%q: tensor<3x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected heads of q in a multiple of the 2 heads of the keys, but got 3}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<3x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @splits(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected splits of at least 1, but got 0}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32, splits = 0 : i64} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @splits_negative(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected splits of at least 1, but got -9223372036854775808}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32, splits = -9223372036854775808 : i64} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @result(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<8x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 4x16 (heads, values), but got 'tensor<8x16xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<8x16xf32>, tensor<4xf32>) {scale = 0.25 : f32} -> tensor<8x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @logarithms(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<8xf32>) {
  // expected-error@+1 {{expected the second of outs of the shape 4 (heads), but got 'tensor<8xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<8xf32>) {scale = 0.25 : f32} -> tensor<4x16xf32>, tensor<8xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @parts(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 3x4x16 (splits, heads, values), but got 'tensor<4x16xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32, splits = 3 : i64} -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @logarithms_of_parts(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<3x4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected the second of outs of the shape 3x4 (splits, heads), but got 'tensor<4xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<3x4x16xf32>, tensor<4xf32>) {scale = 0.25 : f32, splits = 3 : i64} -> tensor<3x4x16xf32>, tensor<4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @parts_without_splits(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<3x4x16xf32>, %l: tensor<3x4xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 4x16 (heads, values), but got 'tensor<3x4x16xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<3x4x16xf32>, tensor<3x4xf32>) {scale = 0.25 : f32} -> tensor<3x4x16xf32>, tensor<3x4xf32>
  return
}

// -----

!kv = !qattn.kv_cache<64x2x16, bf16>
func.func @too_many_parts(%q: tensor<4x16xf32>, %c: !kv, %n: tensor<1xi32>, %o: tensor<4611686018427387904x4x16xf32>, %l: tensor<4611686018427387904x4xf32>) {
  // expected-error@+1 {{expected the first of outs of static, positive sizes and less than 2^59 numbers, but got 'tensor<4611686018427387904x4x16xf32>'}}
  %0:2 = qattn.decode ins(%q, %c, %n : tensor<4x16xf32>, !kv, tensor<1xi32>)
      outs(%o, %l : tensor<4611686018427387904x4x16xf32>, tensor<4611686018427387904x4xf32>) {scale = 0.25 : f32, splits = 4611686018427387904 : i64} -> tensor<4611686018427387904x4x16xf32>, tensor<4611686018427387904x4xf32>
  return
}

// -----

func.func @merge_dynamic(%p: tensor<?x4x16xf32>, %s: tensor<3x4xf32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected partials of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x4x16xf32>'}}
  %0:2 = qattn.merge_partials ins(%p, %s : tensor<?x4x16xf32>, tensor<3x4xf32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

func.func @merge_nothing(%p: tensor<0x4x16xf32>, %s: tensor<0x4xf32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected partials of static, positive sizes and less than 2^59 numbers, but got 'tensor<0x4x16xf32>'}}
  %0:2 = qattn.merge_partials ins(%p, %s : tensor<0x4x16xf32>, tensor<0x4xf32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

func.func @merge_logarithms(%p: tensor<3x4x16xf32>, %s: tensor<4x3xf32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected lses of the shape 3x4 (parts and heads of partials), but got 'tensor<4x3xf32>'}}
  %0:2 = qattn.merge_partials ins(%p, %s : tensor<3x4x16xf32>, tensor<4x3xf32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) -> tensor<4x16xf32>, tensor<4xf32>
  return
}

// -----

func.func @merge_result(%p: tensor<3x4x16xf32>, %s: tensor<3x4xf32>, %o: tensor<3x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 4x16 (partials without the parts), but got 'tensor<3x16xf32>'}}
  %0:2 = qattn.merge_partials ins(%p, %s : tensor<3x4x16xf32>, tensor<3x4xf32>)
      outs(%o, %l : tensor<3x16xf32>, tensor<4xf32>) -> tensor<3x16xf32>, tensor<4xf32>
  return
}

// -----

func.func @merge_result_logarithms(%p: tensor<3x4x16xf32>, %s: tensor<3x4xf32>, %o: tensor<4x16xf32>, %l: tensor<3xf32>) {
  // expected-error@+1 {{expected the second of outs of the shape 4 (the heads of partials), but got 'tensor<3xf32>'}}
  %0:2 = qattn.merge_partials ins(%p, %s : tensor<3x4x16xf32>, tensor<3x4xf32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<3xf32>) -> tensor<4x16xf32>, tensor<3xf32>
  return
}

// -----

func.func @merge_mixed(%p: memref<3x4x16xf32>, %s: memref<3x4xf32>, %o: tensor<4x16xf32>, %l: tensor<4xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'memref<3x4x16xf32>' and 'tensor<4x16xf32>'}}
  %0:2 = qattn.merge_partials ins(%p, %s : memref<3x4x16xf32>, memref<3x4xf32>)
      outs(%o, %l : tensor<4x16xf32>, tensor<4xf32>) -> tensor<4x16xf32>, tensor<4xf32>
  return
}
