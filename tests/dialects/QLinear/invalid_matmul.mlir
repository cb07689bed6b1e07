// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @tokens(%w: !w, %x: tensor<2x64xf32>, %o: tensor<3x4xf32>) {
  // expected-error@+1 {{'qlinear.matmul' op expected dimension 0 of x of 3 (the number of tokens), but got 2}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<2x64xf32>) outs(%o : tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @columns(%w: !w, %x: tensor<3x96xbf16>, %o: tensor<3x4xf32>) {
  // expected-error@+1 {{expected dimension 1 of x of 64 (the columns of the weight), but got 96}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<3x96xbf16>) outs(%o : tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

// The weight is transposed: outs is tokens x rows.
!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @rows(%w: !w, %x: tensor<3x64xf32>, %o: tensor<3x64xf32>) {
  // expected-error@+1 {{expected dimension 1 of outs of 4 (the rows of the weight), but got 64}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<3x64xf32>) outs(%o : tensor<3x64xf32>) -> tensor<3x64xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @dynamic_tokens(%w: !w, %x: tensor<?x64xf32>, %o: tensor<?x4xf32>) {
  // expected-error@+1 {{expected a static number of tokens, but got 'tensor<?x4xf32>'; allowed: static shapes}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<?x64xf32>) outs(%o : tensor<?x4xf32>) -> tensor<?x4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @no_tokens(%w: !w, %x: tensor<0x64xf32>, %o: tensor<0x4xf32>) {
  // expected-error@+1 {{expected at least one token, but got 0}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<0x64xf32>) outs(%o : tensor<0x4xf32>) -> tensor<0x4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!x = !qlinear.packed<2x64, #qlinear.act_i8>

func.func @packed_tokens(%w: !w, %x: !x, %o: tensor<3x4xf32>) {
  // expected-error@+1 {{expected rows of x of 3 (the number of tokens), but got 2}}
  %y = qlinear.matmul ins(%w, %x : !w, !x) outs(%o : tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

!a = !qlinear.packed<4x64, #qlinear.act_i8>

func.func @activations_as_weight(%w: !a, %x: tensor<3x64xf32>, %o: tensor<3x4xf32>) {
  // expected-error@+1 {{expected a weight format, but got #qlinear.act_i8}}
  %y = qlinear.matmul ins(%w, %x : !a, tensor<3x64xf32>) outs(%o : tensor<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @mixed(%w: !w, %x: tensor<3x64xf32>, %o: memref<3x4xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'tensor<3x64xf32>' and 'memref<3x4xf32>'}}
  qlinear.matmul ins(%w, %x : !w, tensor<3x64xf32>) outs(%o : memref<3x4xf32>)
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @memref_result(%w: !w, %x: memref<3x64xf32>, %o: memref<3x4xf32>) {
  // expected-error@+1 {{expected no result for outs of 'memref<3x4xf32>', but got 1}}
  %y = qlinear.matmul ins(%w, %x : !w, memref<3x64xf32>) outs(%o : memref<3x4xf32>) -> tensor<3x4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @rank(%w: !w, %x: tensor<64xf32>, %o: tensor<1x4xf32>) {
  // expected-error@+1 {{operand #1 must be 2-D tensor or memref of f32 or bf16, or packed activations, but got 'tensor<64xf32>'}}
  %y = qlinear.matmul ins(%w, %x : !w, tensor<64xf32>) outs(%o : tensor<1x4xf32>) -> tensor<1x4xf32>
  return
}
