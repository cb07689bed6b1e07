// RUN: %headrace_opt %s --simt-lower-sparse --split-input-file --verify-diagnostics

!w = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>

func.func @tensors(%w: !w, %x: tensor<4xf32>, %i: tensor<4xi32>, %c: tensor<1xi32>, %o: tensor<256xf32>) -> tensor<256xf32> {
  // expected-error@+1 {{expected a packed weight from qlinear.from_bytes of a memref; run simt-form-kernels first}}
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, tensor<4xf32>, tensor<4xi32>, tensor<1xi32>)
      outs(%o : tensor<256xf32>) -> tensor<256xf32>
  return %y : tensor<256xf32>
}

// -----

!w = !qlinear.packed<256x32, #qlinear.gguf<q8_0>>

func.func private @in_rows(%b: memref<8704xi8>, %x: memref<32xf32>, %i: memref<32xi32>, %c: memref<1xi32>, %y: memref<256xf32>) {
  %w = qlinear.from_bytes %b : memref<8704xi8> to !w
  // expected-error@+1 {{expected a weight in zigzag bands, but got #qlinear.gguf<q8_0>; allowed: q4_0, q8_0, q4_k, q6_k in bands of a multiple of 256 rows, q4_0 and q8_0 in bands of a multiple of 128}}
  qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, memref<32xf32>, memref<32xi32>, memref<1xi32>) outs(%y : memref<256xf32>)
  return
}

// -----

!w = !qlinear.packed<256x65537, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>

func.func private @long(%b: memref<17826064xi8>, %x: memref<65537xf32>, %i: memref<32xi32>, %c: memref<1xi32>, %y: memref<256xf32>)
    attributes {headrace.kernel = {workgroup = array<i32: 512, 1, 1>, workgroup_rows = 256 : i64}} {
  %w = qlinear.from_bytes %b : memref<17826064xi8> to !w
  // expected-error@+1 {{expected at most 65536 columns and as many indices where the list is not from qlinear.select_columns, but got 65537 and 32}}
  qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, memref<65537xf32>, memref<32xi32>, memref<1xi32>) outs(%y : memref<256xf32>)
  return
}

// -----

!w = !qlinear.packed<256x4, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>>

func.func private @too_many(%b: memref<1088xi8>, %x: memref<4xf32>, %i: memref<4xi32>, %c: memref<1xi32>, %y: memref<256xf32>)
    attributes {headrace.kernel = {workgroup = array<i32: 1056, 1, 1>, workgroup_rows = 256 : i64}} {
  %w = qlinear.from_bytes %b : memref<1088xi8> to !w
  // expected-error@+1 {{expected no more subgroups than lanes, but got 33 of 32}}
  qlinear.sparse_matvec ins(%w, %x, %i, %c : !w, memref<4xf32>, memref<4xi32>, memref<1xi32>) outs(%y : memref<256xf32>)
  return
}
