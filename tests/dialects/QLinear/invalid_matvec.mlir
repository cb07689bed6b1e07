// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @columns(%w: !w, %x: tensor<32xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{'qlinear.matvec' op expected a size of x of 64 (the columns of the weight), but got 32}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @rows(%w: !w, %x: tensor<64xf32>, %o: tensor<5xf32>) {
  // expected-error@+1 {{expected a size of outs of 4 (the rows of the weight), but got 5}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<64xf32>) outs(%o : tensor<5xf32>) -> tensor<5xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @dynamic(%w: !w, %x: tensor<?xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected a size of x of 64 (the columns of the weight), but got a dynamic size; allowed: static shapes}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<?xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!a = !qlinear.packed<4x64, #qlinear.act_i8>

func.func @activations_as_weight(%w: !a, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected a weight format, but got #qlinear.act_i8, which holds activations; allowed: for example #qlinear.gguf<q4_k>, #qlinear.q4nx}}
  %y = qlinear.matvec ins(%w, %x : !a, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!x = !qlinear.packed<1x64, #qlinear.gguf<q8_0>>

func.func @weight_as_activations(%w: !w, %x: !x, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected x in an activation format, but got #qlinear.gguf<q8_0>; allowed: #qlinear.act_i8, f32 or bf16}}
  %y = qlinear.matvec ins(%w, %x : !w, !x) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!x = !qlinear.packed<2x64, #qlinear.act_i8>

func.func @packed_rows(%w: !w, %x: !x, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected rows of x of 1 (the number of tokens), but got 2}}
  %y = qlinear.matvec ins(%w, %x : !w, !x) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!x = !qlinear.packed<1x32, #qlinear.act_i8>

func.func @packed_columns(%w: !w, %x: !x, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected columns of x of 64 (the columns of the weight), but got 32}}
  %y = qlinear.matvec ins(%w, %x : !w, !x) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @mixed(%w: !w, %x: memref<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'memref<64xf32>' and 'tensor<4xf32>'}}
  %y = qlinear.matvec ins(%w, %x : !w, memref<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @no_result(%w: !w, %x: tensor<64xf32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected one result for outs of 'tensor<4xf32>', but got 0}}
  qlinear.matvec ins(%w, %x : !w, tensor<64xf32>) outs(%o : tensor<4xf32>)
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>

func.func @precision(%w: !w, %x: tensor<64xf16>, %o: tensor<4xf32>) {
  // expected-error@+1 {{operand #1 must be 1-D tensor or memref of f32 or bf16, or packed activations, but got 'tensor<64xf16>'}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<64xf16>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}
