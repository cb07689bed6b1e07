// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

func.func @outs(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>, %o1: tensor<7x4xf32>, %o2: tensor<7x4xf32>) {
  // expected-error@+1 {{expected one or two outs (the result, and the logarithm of the sum of exponentials), but got 3}}
  %0:3 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0, %o1, %o2 : tensor<7x4x16xf32>, tensor<7x4xf32>, tensor<7x4xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>, tensor<7x4xf32>, tensor<7x4xf32>
  return
}

// -----

func.func @no_outs(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>) {
  // expected-error@+1 {{expected one or two outs (the result, and the logarithm of the sum of exponentials), but got 0}}
  "qattn.prefill"(%q, %k, %k) <{mask = #qattn<mask causal>, operandSegmentSizes = array<i32: 1, 1, 1, 0, 0>, scale = 1.0 : f32}>
      : (tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>) -> ()
  return
}

// -----

func.func @mixed(%q: tensor<7x4x16xf32>, %k: memref<9x2x16xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'memref<9x2x16xf32>' and 'tensor<7x4x16xf32>'}}
  %0 = qattn.prefill causal ins(%q, %k, %k : tensor<7x4x16xf32>, memref<9x2x16xf32>, memref<9x2x16xf32>)
      outs(%q : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @result_of_memrefs(%q: memref<7x4x16xf32>, %k: memref<9x2x16xf32>) {
  // expected-error@+1 {{expected no result for outs of 'memref<7x4x16xf32>', but got 1}}
  %0 = qattn.prefill causal ins(%q, %k, %k : memref<7x4x16xf32>, memref<9x2x16xf32>, memref<9x2x16xf32>)
      outs(%q : memref<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @dynamic_q(%q: tensor<?x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected q of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x4x16xf32>'}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<?x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @empty_k(%q: tensor<7x4x16xf32>, %k: tensor<0x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected k of static, positive sizes and less than 2^59 numbers, but got 'tensor<0x2x16xf32>'}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<0x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @dynamic_v(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x?xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected v of static, positive sizes and less than 2^59 numbers, but got 'tensor<9x2x?xf32>'}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x?xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @too_large(%q: tensor<4294967296x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x268435456xf32>, %o0: tensor<4294967296x4x268435456xf32>) {
  // expected-error@+1 {{expected the first of outs of static, positive sizes and less than 2^59 numbers, but got 'tensor<4294967296x4x268435456xf32>'}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<4294967296x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x268435456xf32>)
      outs(%o0 : tensor<4294967296x4x268435456xf32>) {scale = 0.25 : f32} -> tensor<4294967296x4x268435456xf32>
  return
}

// -----

func.func @infinite_scale(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected a finite scale, but got +Inf}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0x7F800000 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @scale_nan(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected a finite scale, but got NaN}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0x7FC00000 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @no_scale(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{requires attribute 'scale'}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {window = 4 : i64} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @window_zero(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected window of at least 1, but got 0}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32, window = 0 : i64} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @window_negative(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected window of at least 1, but got -1}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32, window = -1 : i64} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @softcap_nan(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected a finite softcap, but got NaN}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32, softcap = 0x7FC00000 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @softcap_zero(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected a positive softcap, but got 0}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32, softcap = 0.0 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @softcap_negative(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected a positive softcap, but got -50}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32, softcap = -50.0 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @offsets(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %off: tensor<7xi32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected offset of the shape 1 (one number), but got 'tensor<7xi32>'}}
  %0 = qattn.prefill causal ins(%q, %k, %v offset %off : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>, tensor<7xi32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @head_dim(%q: tensor<7x4x16xf32>, %k: tensor<9x2x8xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected dimension 2 of k of 16 (the dimension of a head of q), but got 8}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x8xf32>, tensor<9x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @groups(%q: tensor<7x4x16xf32>, %k: tensor<9x3x16xf32>, %v: tensor<9x3x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected heads of q in a multiple of the 3 heads of the keys, but got 4}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x3x16xf32>, tensor<9x3x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @fewer_heads(%q: tensor<7x4x16xf32>, %k: tensor<9x8x16xf32>, %v: tensor<9x8x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected heads of q in a multiple of the 8 heads of the keys, but got 4}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x8x16xf32>, tensor<9x8x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @value_tokens(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<8x2x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected dimension 0 of v of 9 (the tokens of k), but got 8}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<8x2x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @value_heads(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x4x16xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected dimension 1 of v of 2 (the heads of k), but got 4}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x4x16xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @result(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x8xf32>, %o0: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected the first of outs of the shape 7x4x8 (tokens and heads of q, dimension of v), but got 'tensor<7x4x16xf32>'}}
  %0 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x8xf32>)
      outs(%o0 : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @logarithms(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>, %v: tensor<9x2x16xf32>, %o0: tensor<7x4x16xf32>, %o1: tensor<4x7xf32>) {
  // expected-error@+1 {{expected the second of outs of the shape 7x4 (tokens and heads of q), but got 'tensor<4x7xf32>'}}
  %0:2 = qattn.prefill causal ins(%q, %k, %v : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%o0, %o1 : tensor<7x4x16xf32>, tensor<4x7xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>, tensor<4x7xf32>
  return
}

// -----

func.func @precision(%q: tensor<7x4x16xf32>, %k: tensor<9x2x16xf32>) {
  // expected-error@+2 {{expected ::headrace::qattn::Precision to be one of: bf16, i8}}
  // expected-error@+1 {{failed to parse QAttn_PrecisionAttr parameter 'value'}}
  %0 = qattn.prefill causal precision = f16 ins(%q, %k, %k : tensor<7x4x16xf32>, tensor<9x2x16xf32>, tensor<9x2x16xf32>)
      outs(%q : tensor<7x4x16xf32>) {scale = 0.25 : f32} -> tensor<7x4x16xf32>
  return
}
