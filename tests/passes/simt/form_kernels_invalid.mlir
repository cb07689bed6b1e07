// RUN: %headrace_opt %s --simt-form-kernels --split-input-file --verify-diagnostics

!w = !qlinear.packed<4x256, #qlinear.gguf<q2_k>>

func.func @format(%x: tensor<256xf32>, %w: !w) -> tensor<4xf32> {
  %o = tensor.empty() : tensor<4xf32>
  // expected-error@+1 {{'qlinear.matvec' op has no GPU kernel for #qlinear.gguf<q2_k>}}
  %y = qlinear.matvec ins(%w, %x : !w, tensor<256xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @operation(%x: tensor<32xf32>, %w: tensor<32xf32>) -> tensor<32xf32> {
  %o = tensor.empty() : tensor<32xf32>
  // expected-error@+1 {{'qlinear.layer_norm' op cannot be part of a GPU plan; allowed: qlinear and qattn operations with kernels}}
  %y = qlinear.layer_norm eps = 1.0e-6 ins(%x, %w, %w : tensor<32xf32>, tensor<32xf32>, tensor<32xf32>) outs(%o : tensor<32xf32>) -> tensor<32xf32>
  return %y : tensor<32xf32>
}

// -----

// expected-error@+1 {{simt-form-kernels: expected arguments of static tensors or packed types, but got 'tensor<?xf32>'}}
func.func @dynamic(%x: tensor<?xf32>) {
  return
}

// -----

!w = !qlinear.packed<128x32, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 96>, padded = 192x32>

func.func @narrow(%w: !w, %x: tensor<32xf32>, %i: tensor<32xi32>, %c: tensor<1xi32>) -> tensor<128xf32> {
  %o = tensor.empty() : tensor<128xf32>
  // expected-error@+1 {{has no GPU kernel for #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 96>}}
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<32xf32>, tensor<32xi32>, tensor<1xi32>)
      outs(%o : tensor<128xf32>) -> tensor<128xf32>
  return %y : tensor<128xf32>
}
