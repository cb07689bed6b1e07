// RUN: %headrace_opt %s --fuse-gated-matvec | FileCheck %s --implicit-check-not=math.exp

!w = !qlinear.packed<8x64, #qlinear.gguf<q8_0>>
#id = affine_map<(m) -> (m)>
#id3 = affine_map<(b, n, m) -> (b, n, m)>

// doc: silu
// CHECK-LABEL: func @silu(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[U:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[X:[a-z0-9]+]]: tensor<64xf32>
// CHECK: %[[Y:.*]] = qlinear.gated_matvec silu ins(%[[G]], %[[U]], %[[X]] :
// CHECK: return %[[Y]]
func.func @silu(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = qlinear.gated_activation silu ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  return %y : tensor<8xf32>
}
// doc: end

// One token of a batch; what was decided about both is decided about the one.
// CHECK-LABEL: func @token(
// CHECK: %[[Y:.*]] = qlinear.gated_matvec gelu_tanh {{.*}} {headrace.threshold = 1.000000e+00 : f32}
// CHECK: %[[E:.*]] = tensor.expand_shape %[[Y]] {{.*}} into tensor<1x8xf32>
// CHECK: return %[[E]]
func.func @token(%gate: !w, %up: !w, %x: tensor<64xbf16>, %o: tensor<8xf32>, %e: tensor<1x8xf32>) -> tensor<1x8xf32> {
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xbf16>) outs(%o : tensor<8xf32>) {headrace.threshold = 1.0 : f32} -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xbf16>) outs(%o : tensor<8xf32>) {headrace.threshold = 1.0 : f32} -> tensor<8xf32>
  %g1 = tensor.expand_shape %g [[0, 1]] output_shape [1, 8] : tensor<8xf32> into tensor<1x8xf32>
  %u1 = tensor.expand_shape %u [[0, 1]] output_shape [1, 8] : tensor<8xf32> into tensor<1x8xf32>
  %y = qlinear.gated_activation gelu_tanh ins(%g1, %u1 : tensor<1x8xf32>, tensor<1x8xf32>) outs(%e : tensor<1x8xf32>) -> tensor<1x8xf32>
  return %y : tensor<1x8xf32>
}

// As torch-mlir writes it: sigmoid, its product with g, the product with u.
// CHECK-LABEL: func @three_generics(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[U:[a-z0-9]+]]: !qlinear
// CHECK: qlinear.gated_matvec silu ins(%[[G]], %[[U]], %{{.*}} :
func.func @three_generics(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %s = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel"]} ins(%g : tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32):
    %n = arith.negf %a : f32
    %e = math.exp %n : f32
    %d = arith.addf %e, %one : f32
    %q = arith.divf %one, %d : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  %gs = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%s, %g : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%u, %gs : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// One body, g / (1 + exp(-g)), with the up projection first.
// CHECK-LABEL: func @one_generic(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[U:[a-z0-9]+]]: !qlinear
// CHECK: qlinear.gated_matvec silu ins(%[[G]], %[[U]], %{{.*}} :
func.func @one_generic(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %minus = arith.constant -1.0 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%u, %g : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%b: f32, %a: f32, %c: f32):
    %n = arith.mulf %a, %minus : f32
    %e = math.exp %n : f32
    %d = arith.addf %one, %e : f32
    %p = arith.mulf %a, %b : f32
    %q = arith.divf %p, %d : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// 0.5 g (1 + tanh(c (g + 0.044715 g^3))) u
// CHECK-LABEL: func @gelu(
// CHECK-SAME: %[[G:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[U:[a-z0-9]+]]: !qlinear
// CHECK: qlinear.gated_matvec gelu_tanh ins(%[[G]], %[[U]], %{{.*}} :
func.func @gelu(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %three = arith.constant 3.0 : f32
  %cubic = arith.constant 4.471500e-02 : f32
  %root = arith.constant 0.797884583 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p3 = math.powf %a, %three : f32
    %c3 = arith.mulf %p3, %cubic : f32
    %in = arith.addf %a, %c3 : f32
    %sc = arith.mulf %in, %root : f32
    %t = math.tanh %sc : f32
    %t1 = arith.addf %t, %one : f32
    %h = arith.mulf %a, %half : f32
    %v = arith.mulf %h, %t1 : f32
    %q = arith.mulf %v, %b : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// The same with the cube split: c g (1 + 0.044715 g g).
// CHECK-LABEL: func @gelu_square(
// CHECK: qlinear.gated_matvec gelu_tanh
func.func @gelu_square(%gate: !w, %up: !w, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %half = arith.constant 0.5 : f32
  %cubic = arith.constant 4.471500e-02 : f32
  %root = arith.constant 0.797884583 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %y = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel"]} ins(%g, %u : tensor<8xf32>, tensor<8xf32>) outs(%o : tensor<8xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p2 = arith.mulf %a, %a : f32
    %c2 = arith.mulf %p2, %cubic : f32
    %s = arith.addf %one, %c2 : f32
    %as = arith.mulf %root, %a : f32
    %sc = arith.mulf %as, %s : f32
    %t = math.tanh %sc : f32
    %t1 = arith.addf %t, %one : f32
    %h = arith.mulf %b, %half : f32
    %v = arith.mulf %h, %t1 : f32
    %q = arith.mulf %a, %v : f32
    linalg.yield %q : f32
  } -> tensor<8xf32>
  return %y : tensor<8xf32>
}

// Products of several tokens stay two; their activation is one operation.
// CHECK-LABEL: func @tokens(
// CHECK: %[[G:.*]] = qlinear.matmul
// CHECK: %[[U:.*]] = qlinear.matmul
// CHECK: %[[Y:.*]] = qlinear.gated_activation silu ins(%[[G]], %[[U]] : tensor<3x8xf32>, tensor<3x8xf32>)
// CHECK: tensor.expand_shape %{{.*}} into tensor<1x3x8xf32>
func.func @tokens(%gate: !w, %up: !w, %x: tensor<3x64xf32>, %o: tensor<3x8xf32>, %e: tensor<1x3x8xf32>) -> tensor<1x3x8xf32> {
  %one = arith.constant 1.0 : f32
  %g = qlinear.matmul ins(%gate, %x : !w, tensor<3x64xf32>) outs(%o : tensor<3x8xf32>) -> tensor<3x8xf32>
  %u = qlinear.matmul ins(%up, %x : !w, tensor<3x64xf32>) outs(%o : tensor<3x8xf32>) -> tensor<3x8xf32>
  %g1 = tensor.expand_shape %g [[0, 1], [2]] output_shape [1, 3, 8] : tensor<3x8xf32> into tensor<1x3x8xf32>
  %u1 = tensor.expand_shape %u [[0, 1], [2]] output_shape [1, 3, 8] : tensor<3x8xf32> into tensor<1x3x8xf32>
  %y = linalg.generic {indexing_maps = [#id3, #id3, #id3], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%u1, %g1 : tensor<1x3x8xf32>, tensor<1x3x8xf32>) outs(%e : tensor<1x3x8xf32>) {
  ^bb0(%b: f32, %a: f32, %c: f32):
    %n = arith.negf %a : f32
    %x1 = math.exp %n : f32
    %d = arith.addf %one, %x1 : f32
    %p = arith.mulf %a, %b : f32
    %q = arith.divf %p, %d : f32
    linalg.yield %q : f32
  } -> tensor<1x3x8xf32>
  return %y : tensor<1x3x8xf32>
}

// So do products with weights of two formats.
// CHECK-LABEL: func @formats(
// CHECK: %[[G:.*]] = qlinear.matvec
// CHECK: %[[U:.*]] = qlinear.matvec
// CHECK: qlinear.gated_activation silu ins(%[[G]], %[[U]] : tensor<8xf32>, tensor<8xf32>)
func.func @formats(%gate: !w, %up: !qlinear.packed<8x64, #qlinear.gguf<q4_0>>, %x: tensor<64xf32>, %o: tensor<8xf32>) -> tensor<8xf32> {
  %one = arith.constant 1.0 : f32
  %g = qlinear.matvec ins(%gate, %x : !w, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
  %u = qlinear.matvec ins(%up, %x : !qlinear.packed<8x64, #qlinear.gguf<q4_0>>, tensor<64xf32>) outs(%o : tensor<8xf32>) -> tensor<8xf32>
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
