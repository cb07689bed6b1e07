// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

func.func @threshold(%x: tensor<64xf32>, %i: tensor<64xi32>, %c: tensor<1xi32>) {
  // expected-error@+1 {{expected a threshold that is finite and not negative, but got -1}}
  %0, %1 = qlinear.select_columns threshold = -1.0 ins(%x : tensor<64xf32>) outs(%i, %c : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  return
}

// -----

func.func @threshold_nan(%x: tensor<64xf32>, %i: tensor<64xi32>, %c: tensor<1xi32>) {
  // expected-error@+1 {{expected a threshold that is finite and not negative, but got NaN}}
  %0, %1 = qlinear.select_columns threshold = 0x7FC00000 ins(%x : tensor<64xf32>) outs(%i, %c : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  return
}

// -----

func.func @indices(%x: tensor<64xf32>, %i: tensor<32xi32>, %c: tensor<1xi32>) {
  // expected-error@+1 {{expected a size of indices of 64 (the size of x), but got 32}}
  %0, %1 = qlinear.select_columns threshold = 0.0 ins(%x : tensor<64xf32>) outs(%i, %c : tensor<32xi32>, tensor<1xi32>) -> tensor<32xi32>, tensor<1xi32>
  return
}

// -----

func.func @count(%x: tensor<64xf32>, %i: tensor<64xi32>, %c: tensor<2xi32>) {
  // expected-error@+1 {{expected a size of count of 1 (it is one number), but got 2}}
  %0, %1 = qlinear.select_columns threshold = 0.0 ins(%x : tensor<64xf32>) outs(%i, %c : tensor<64xi32>, tensor<2xi32>) -> tensor<64xi32>, tensor<2xi32>
  return
}

// -----

func.func @results(%x: tensor<64xf32>, %i: tensor<64xi32>, %c: tensor<1xi32>) {
  // expected-error@+1 {{expected 2 results for outs of 'tensor<64xi32>', but got 0}}
  qlinear.select_columns threshold = 0.0 ins(%x : tensor<64xf32>) outs(%i, %c : tensor<64xi32>, tensor<1xi32>)
  return
}

// -----

func.func @mixed(%x: memref<64xf32>, %i: tensor<64xi32>, %c: tensor<1xi32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'memref<64xf32>' and 'tensor<64xi32>'}}
  %0, %1 = qlinear.select_columns threshold = 0.0 ins(%x : memref<64xf32>) outs(%i, %c : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
func.func @sparse_x(%w: !w, %x: tensor<32xf32>, %i: tensor<64xi32>, %c: tensor<1xi32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected a size of x of 64 (the columns of the weight), but got 32}}
  %0 = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<32xf32>, tensor<64xi32>, tensor<1xi32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
func.func @sparse_outs(%w: !w, %x: tensor<64xf32>, %i: tensor<64xi32>, %c: tensor<1xi32>, %o: tensor<5xf32>) {
  // expected-error@+1 {{expected a size of outs of 4 (the rows of the weight), but got 5}}
  %0 = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<64xf32>, tensor<64xi32>, tensor<1xi32>) outs(%o : tensor<5xf32>) -> tensor<5xf32>
  return
}

// -----

!w = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
func.func @dynamic_indices(%w: !w, %x: tensor<64xf32>, %i: tensor<?xi32>, %c: tensor<1xi32>, %o: tensor<4xf32>) {
  // expected-error@+1 {{expected indices of a static shape, but got 'tensor<?xi32>'}}
  %0 = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<64xf32>, tensor<?xi32>, tensor<1xi32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

!w = !qlinear.packed<8x6, #qlinear.codebook<dim = 2, entries = 16, group = 8>>
func.func @no_tables(%w: !w, %x: tensor<6xf32>, %i: tensor<3xi32>) {
  // expected-error@+1 {{expected a weight with product tables, but got #qlinear.codebook<dim = 2, entries = 16, group = 8>; allowed: #qlinear.codebook with table = i8 or i4}}
  %0 = qlinear.assign_centroids ins(%w, %x : !w, tensor<6xf32>) outs(%i : tensor<3xi32>) -> tensor<3xi32>
  return
}

// -----

!w = !qlinear.packed<8x6, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4>>
func.func @pieces(%w: !w, %x: tensor<6xf32>, %i: tensor<6xi32>) {
  // expected-error@+1 {{expected pieces in outs of 3 (the padded columns by dim), but got 6}}
  %0 = qlinear.assign_centroids ins(%w, %x : !w, tensor<6xf32>) outs(%i : tensor<6xi32>) -> tensor<6xi32>
  return
}

// -----

!w = !qlinear.packed<8x6, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4>>
func.func @tokens(%w: !w, %a: tensor<5x3xi32>, %o: tensor<4x8xf32>) {
  // expected-error@+1 {{expected dimension 0 of outs of 5 (the rows of the assignment), but got 4}}
  %0 = qlinear.lut_matvec ins(%w, %a : !w, tensor<5x3xi32>) outs(%o : tensor<4x8xf32>) -> tensor<4x8xf32>
  return
}

// -----

!w = !qlinear.packed<8x6, #qlinear.codebook<dim = 2, entries = 16, group = 8, table = i8, activation_entries = 4>>
func.func @ranks(%w: !w, %a: tensor<5x3xi32>, %o: tensor<8xf32>) {
  // expected-error@+1 {{expected outs of the rank of the assignment, 'tensor<5x3xi32>', but got 'tensor<8xf32>'}}
  %0 = qlinear.lut_matvec ins(%w, %a : !w, tensor<5x3xi32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return
}

// -----

func.func @norm_shape(%x: tensor<4x64xf32>, %w: tensor<64xf32>, %o: tensor<5x64xf32>) {
  // expected-error@+1 {{expected outs of the shape of x, 'tensor<4x64xf32>', but got 'tensor<5x64xf32>'}}
  %0 = qlinear.rms_norm eps = 0.0 ins(%x, %w : tensor<4x64xf32>, tensor<64xf32>) outs(%o : tensor<5x64xf32>) -> tensor<5x64xf32>
  return
}

// -----

func.func @norm_weight(%x: tensor<4x64xf32>, %w: tensor<32xf32>, %o: tensor<4x64xf32>) {
  // expected-error@+1 {{expected a size of weight of 64 (the columns of x), but got 32}}
  %0 = qlinear.rms_norm eps = 0.0 ins(%x, %w : tensor<4x64xf32>, tensor<32xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  return
}

// -----

func.func @norm_eps(%x: tensor<64xf32>, %w: tensor<64xf32>, %o: tensor<64xf32>) {
  // expected-error@+1 {{expected eps to be finite and not negative, but got -1}}
  %0 = qlinear.layer_norm eps = -1.0 ins(%x, %w, %w : tensor<64xf32>, tensor<64xf32>, tensor<64xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return
}

// -----

func.func @norm_bias(%x: tensor<64xf32>, %w: tensor<64xf32>, %b: tensor<32xf32>, %o: tensor<64xf32>) {
  // expected-error@+1 {{expected a size of bias of 64 (the columns of x), but got 32}}
  %0 = qlinear.layer_norm eps = 0.0 ins(%x, %w, %b : tensor<64xf32>, tensor<64xf32>, tensor<32xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return
}

// -----

func.func @gated(%g: tensor<64xf32>, %u: tensor<32xf32>, %o: tensor<64xf32>) {
  // expected-error@+1 {{expected up of the shape of gate, 'tensor<64xf32>', but got 'tensor<32xf32>'}}
  %0 = qlinear.gated_activation silu ins(%g, %u : tensor<64xf32>, tensor<32xf32>) outs(%o : tensor<64xf32>) -> tensor<64xf32>
  return
}

// -----

func.func @dynamic(%x: tensor<?xf32>, %w: tensor<64xf32>, %o: tensor<?xf32>) {
  // expected-error@+1 {{expected x of a static shape, but got 'tensor<?xf32>'}}
  %0 = qlinear.rms_norm eps = 0.0 ins(%x, %w : tensor<?xf32>, tensor<64xf32>) outs(%o : tensor<?xf32>) -> tensor<?xf32>
  return
}
