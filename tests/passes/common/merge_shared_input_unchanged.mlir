// RUN: %headrace_opt %s --merge-shared-input | FileCheck %s --implicit-check-not=qlinear.concat

!w = !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
!v = !qlinear.packed<4x32, #qlinear.gguf<q4_0>>
!n = !qlinear.packed<4x32, #qlinear.nvfp4>

// CHECK-LABEL: func @other_activations
// CHECK-COUNT-2: qlinear.matvec
func.func @other_activations(%a: !w, %b: !w, %x: tensor<32xf32>, %z: tensor<32xf32>, %o: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%b, %z : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func @other_format
// CHECK-COUNT-2: qlinear.matvec
func.func @other_format(%a: !w, %b: !v, %x: tensor<32xf32>, %o: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%b, %x : !v, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// Each has its own scale in its header.
// CHECK-LABEL: func @header
// CHECK-COUNT-2: qlinear.matvec
func.func @header(%a: !n, %b: !n, %x: tensor<32xf32>, %o: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !n, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%b, %x : !n, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// A weight that each run computes would be copied in each run.
// CHECK-LABEL: func @computed
// CHECK-COUNT-2: qlinear.matvec
func.func @computed(%a: !w, %b: !v, %x: tensor<32xf32>, %o: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %c = func.call @weight() : () -> !w
  %d = func.call @made_of(%c) : (!w) -> !w
  %0 = qlinear.matvec ins(%a, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%d, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
func.func private @weight() -> !w
func.func private @made_of(!w) -> !w

// One runs sometimes, the other always.
// CHECK-LABEL: func @other_block
// CHECK-COUNT-2: qlinear.matvec
func.func @other_block(%a: !w, %b: !w, %x: tensor<32xf32>, %o: tensor<4xf32>, %c: i1) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = scf.if %c -> tensor<4xf32> {
    %2 = qlinear.matvec ins(%b, %x : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
    scf.yield %2 : tensor<4xf32>
  } else {
    scf.yield %o : tensor<4xf32>
  }
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// CHECK-LABEL: func @memrefs
// CHECK-COUNT-2: qlinear.matvec
func.func @memrefs(%a: !w, %b: !w, %x: memref<32xf32>, %o: memref<4xf32>, %p: memref<4xf32>) {
  qlinear.matvec ins(%a, %x : !w, memref<32xf32>) outs(%o : memref<4xf32>)
  qlinear.matvec ins(%b, %x : !w, memref<32xf32>) outs(%p : memref<4xf32>)
  return
}

!big = !qlinear.packed<268435456x32, #qlinear.gguf<q8_0>>

// Together they have more rows than a packed type may have.
// CHECK-LABEL: func @too_many_rows
// CHECK-COUNT-2: qlinear.matvec
func.func @too_many_rows(%a: !big, %b: !w, %x: tensor<32xf32>, %o: tensor<268435456xf32>, %p: tensor<4xf32>) -> (tensor<268435456xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%a, %x : !big, tensor<32xf32>) outs(%o : tensor<268435456xf32>) -> tensor<268435456xf32>
  %1 = qlinear.matvec ins(%b, %x : !w, tensor<32xf32>) outs(%p : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<268435456xf32>, tensor<4xf32>
}

// One token and the next.
// CHECK-LABEL: func @other_slice
// CHECK-COUNT-2: qlinear.matvec
func.func @other_slice(%a: !w, %b: !w, %x: tensor<64xf32>, %o: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %x0 = tensor.extract_slice %x[0] [32] [1] : tensor<64xf32> to tensor<32xf32>
  %x1 = tensor.extract_slice %x[32] [32] [1] : tensor<64xf32> to tensor<32xf32>
  %0 = qlinear.matvec ins(%a, %x0 : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%b, %x1 : !w, tensor<32xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
