// RUN: %headrace_opt %s --fuse-gated-matvec | FileCheck %s --implicit-check-not=qlinear.gated_matvec

!w = !qlinear.packed<8x64, #qlinear.gguf<q8_0>>
!v = !qlinear.packed<8x64, #qlinear.gguf<q4_0>>
#id = affine_map<(m) -> (m)>

// CHECK-LABEL: func @other_activations
// CHECK: qlinear.gated_activation
func.func @other_activations(%gate: !w, %up: !w, %x: tensor<64xf32>, %z: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %z : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// CHECK-LABEL: func @other_format
// CHECK: qlinear.gated_activation
func.func @other_format(%gate: !w, %up: !v, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !v, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// The gate is a result too, so it would be computed twice.
// CHECK-LABEL: func @other_use
// CHECK: qlinear.gated_activation
func.func @other_use(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> (tensor<8xf32>, tensor<8xf32>) {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %y, %g : tensor<8xf32>, tensor<8xf32>
}

// Only one of the two was chosen to be sparse.
// CHECK-LABEL: func @other_choice
// CHECK: qlinear.gated_activation
func.func @other_choice(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) {headrace.threshold = 1.0 : f32} -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// The rows of up backwards.
// CHECK-LABEL: func @other_order
// CHECK: qlinear.gated_activation
func.func @other_order(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>, %e: tensor<4x2xf32>) -> tensor<8xf32> {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u2 = tensor.expand_shape %u [[0, 1]] output_shape [2, 4] : tensor<8xf32> into tensor<2x4xf32>
  %t = linalg.transpose ins(%u2 : tensor<2x4xf32>) outs(%e : tensor<4x2xf32>) permutation = [1, 0]
  %u1 = tensor.collapse_shape %t [[0, 1]] : tensor<4x2xf32> into tensor<8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u1 : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// sigmoid(g) u: no activation that there is.
// CHECK-LABEL: func @sigmoid
// CHECK: linalg.generic
func.func @sigmoid(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%u, %g : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%b: f32, %a: f32, %c: f32):
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %d = arith.addf %one, %e : f32
    %q = arith.divf %b, %d : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// exp(g) and not exp(-g): another function.
// CHECK-LABEL: func @sign
// CHECK: linalg.generic
func.func @sign(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%u, %g : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%b: f32, %a: f32, %c: f32):
    %e = math.exp %a : f32
    %d = arith.addf %one, %e : f32
    %p = arith.mulf %a, %b : f32
    %q = arith.divf %p, %d : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// The exponential of up and not of gate.
// CHECK-LABEL: func @mixed
// CHECK: linalg.generic
func.func @mixed(%gate: !w, %up: !w, %x: tensor<64xf32>, %z: tensor<8xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id, #id], iterator_types = ["parallel"]} ins(%u, %g, %z : tensor<8xf32>, tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%b: f32, %a: f32, %k: f32, %c: f32):
    %n = arith.negf %k : f32
    %e = math.exp %n : f32
    %d = arith.addf %one, %e : f32
    %p = arith.mulf %a, %b : f32
    %q = arith.divf %p, %d : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// A power of powers ends.
// CHECK-LABEL: func @powers
// CHECK: linalg.generic
func.func @powers(%gate: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%g : tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%a: f32, %c: f32):
    %0 = arith.mulf %a, %a : f32
    %1 = arith.mulf %0, %0 : f32
    %2 = arith.mulf %1, %1 : f32
    %3 = arith.mulf %2, %2 : f32
    %4 = arith.mulf %3, %3 : f32
    %5 = arith.mulf %4, %4 : f32
    %6 = arith.mulf %5, %5 : f32
    %7 = arith.mulf %6, %6 : f32
    %8 = arith.mulf %7, %7 : f32
    %9 = arith.mulf %8, %8 : f32
    linalg.yield %9 : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// One token and the next.
// CHECK-LABEL: func @other_slice
// CHECK: qlinear.gated_activation
func.func @other_slice(%gate: !w, %up: !w, %x: tensor<128xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %x0 = tensor.extract_slice %x[0] [64] [1] : tensor<128xf32> to tensor<64xf32>
  %x1 = tensor.extract_slice %x[64] [64] [1] : tensor<128xf32> to tensor<64xf32>
  %g = qlinear.matvec ins(%gate, %x0 : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x1 : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// An activation of what are no products of packed weights.
// CHECK-LABEL: func @no_products
// CHECK-NOT: qlinear.gated_activation
// CHECK: linalg.generic
func.func @no_products(%g: tensor<8xf32>, %u: tensor<8xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %d = arith.addf %one, %e : f32
    %p = arith.mulf %a, %b : f32
    %q = arith.divf %p, %d : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}
