// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @rows(%w: !w, %o: tensor<3x64xf32>) {
  // expected-error@+1 {{'qlinear.dequantize' op expected dimension 0 of outs of 4 (the rows of the matrix), but got 3}}
  %d = qlinear.dequantize ins(%w : !w) outs(%o : tensor<3x64xf32>) -> tensor<3x64xf32>
  return
}

// -----

// The values of a padded matrix are those of its shape.
!w = !qlinear.packed<4x64, #qlinear.q4nx, padded = 32x256>

func.func @columns(%w: !w, %o: tensor<4x256xf32>) {
  // expected-error@+1 {{expected dimension 1 of outs of 64 (the columns of the matrix), but got 256}}
  %d = qlinear.dequantize ins(%w : !w) outs(%o : tensor<4x256xf32>) -> tensor<4x256xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @dynamic(%w: !w, %o: tensor<?x64xf32>) {
  // expected-error@+1 {{expected dimension 0 of outs of 4 (the rows of the matrix), but got a dynamic size; allowed: static shapes}}
  %d = qlinear.dequantize ins(%w : !w) outs(%o : tensor<?x64xf32>) -> tensor<?x64xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @no_result(%w: !w, %o: tensor<4x64xf32>) {
  // expected-error@+1 {{expected one result for outs of 'tensor<4x64xf32>', but got 0}}
  qlinear.dequantize ins(%w : !w) outs(%o : tensor<4x64xf32>)
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @memref_result(%w: !w, %o: memref<4x64xf32>) {
  // expected-error@+1 {{expected no result for outs of 'memref<4x64xf32>', but got 1}}
  %d = qlinear.dequantize ins(%w : !w) outs(%o : memref<4x64xf32>) -> tensor<4x64xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @element_type(%w: !w, %o: tensor<4x64xf16>) {
  // expected-error@+1 {{operand #1 must be 2-D tensor or memref of f32, but got 'tensor<4x64xf16>'}}
  %d = qlinear.dequantize ins(%w : !w) outs(%o : tensor<4x64xf16>) -> tensor<4x64xf16>
  return
}

// -----

// The result is the destination's next value.
!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @result_type(%w: !w, %o: tensor<4x64xf32>) {
  // expected-error@+1 {{expected type of operand #1 ('tensor<4x64xf32>') to match type of corresponding result ('tensor<5x64xf32>')}}
  %d = qlinear.dequantize ins(%w : !w) outs(%o : tensor<4x64xf32>) -> tensor<5x64xf32>
  return
}
