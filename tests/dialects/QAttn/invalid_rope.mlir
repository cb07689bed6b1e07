// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

func.func @mixed(%x: tensor<7x4x16xf32>, %n: tensor<7xi32>, %f: memref<8xf32>) {
  // expected-error@+1 {{expected inputs and outs all tensors or all memrefs, but got 'memref<8xf32>' and 'tensor<7x4x16xf32>'}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<7x4x16xf32>, tensor<7xi32>, memref<8xf32>)
      outs(%x : tensor<7x4x16xf32>) -> tensor<7x4x16xf32>
  return
}

// -----

func.func @dynamic(%x: tensor<?x4x16xf32>, %n: tensor<7xi32>, %f: tensor<8xf32>, %o: tensor<?x4x16xf32>) {
  // expected-error@+1 {{expected x of static, positive sizes and less than 2^59 numbers, but got 'tensor<?x4x16xf32>'}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<?x4x16xf32>, tensor<7xi32>, tensor<8xf32>)
      outs(%o : tensor<?x4x16xf32>) -> tensor<?x4x16xf32>
  return
}

// -----

func.func @no_frequencies(%x: tensor<7x4x16xf32>, %n: tensor<7xi32>, %f: tensor<0xf32>, %o: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected frequencies of static, positive sizes and less than 2^59 numbers, but got 'tensor<0xf32>'}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<7x4x16xf32>, tensor<7xi32>, tensor<0xf32>)
      outs(%o : tensor<7x4x16xf32>) -> tensor<7x4x16xf32>
  return
}

// -----

func.func @positions(%x: tensor<7x4x16xf32>, %n: tensor<1xi32>, %f: tensor<8xf32>, %o: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected positions of the shape 7 (the tokens of x), but got 'tensor<1xi32>'}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<7x4x16xf32>, tensor<1xi32>, tensor<8xf32>)
      outs(%o : tensor<7x4x16xf32>) -> tensor<7x4x16xf32>
  return
}

// -----

func.func @frequencies(%x: tensor<7x4x16xf32>, %n: tensor<7xi32>, %f: tensor<9xf32>, %o: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected at most 8 frequencies, one for each pair of the 16 values of a head, but got 9}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<7x4x16xf32>, tensor<7xi32>, tensor<9xf32>)
      outs(%o : tensor<7x4x16xf32>) -> tensor<7x4x16xf32>
  return
}

// -----

func.func @odd(%x: tensor<7x4x15xf32>, %n: tensor<7xi32>, %f: tensor<8xf32>, %o: tensor<7x4x15xf32>) {
  // expected-error@+1 {{expected at most 7 frequencies, one for each pair of the 15 values of a head, but got 8}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<7x4x15xf32>, tensor<7xi32>, tensor<8xf32>)
      outs(%o : tensor<7x4x15xf32>) -> tensor<7x4x15xf32>
  return
}

// -----

func.func @magnitude(%x: tensor<7x4x16xf32>, %n: tensor<7xi32>, %f: tensor<8xf32>, %o: tensor<7x4x16xf32>) {
  // expected-error@+1 {{expected a finite magnitude, but got NaN}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<7x4x16xf32>, tensor<7xi32>, tensor<8xf32>)
      outs(%o : tensor<7x4x16xf32>) {magnitude = 0x7FC00000 : f32} -> tensor<7x4x16xf32>
  return
}

// -----

func.func @result(%x: tensor<7x4x16xf32>, %n: tensor<7xi32>, %f: tensor<8xf32>, %o: tensor<4x7x16xf32>) {
  // expected-error@+1 {{expected outs of the shape 7x4x16 (the shape of x), but got 'tensor<4x7x16xf32>'}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<7x4x16xf32>, tensor<7xi32>, tensor<8xf32>)
      outs(%o : tensor<4x7x16xf32>) -> tensor<4x7x16xf32>
  return
}

// -----

func.func @rank(%x: tensor<4x16xf32>, %n: tensor<7xi32>, %f: tensor<8xf32>, %o: tensor<4x16xf32>) {
  // expected-error@+1 {{must be 3-D tensor or memref of f32, but got 'tensor<4x16xf32>'}}
  %0 = qattn.rope ins(%x, %n, %f : tensor<4x16xf32>, tensor<7xi32>, tensor<8xf32>)
      outs(%o : tensor<4x16xf32>) -> tensor<4x16xf32>
  return
}
