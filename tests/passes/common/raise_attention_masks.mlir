// RUN: %headrace_opt %s --raise-attention --canonicalize --cse | FileCheck %s

// What masks say, and which are not understood. Here with linalg.softmax.

#head = affine_map<(h, l, t) -> (h, l, t)>
#pair = affine_map<(h, l, t) -> (l, t)>

// No mask, and batches as further heads.
// CHECK-LABEL: func @none(
// CHECK: qattn.prefill bidirectional ins(%{{.*}} : tensor<3x4x8xf32>, tensor<5x4x8xf32>, tensor<5x4x8xf32>)
// CHECK-SAME: {scale = 1.000000e+00 : f32}
func.func @none(%q: tensor<2x2x3x8xf32>, %k: tensor<2x2x5x8xf32>, %v: tensor<2x2x5x8xf32>) -> tensor<4x3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %qc = tensor.collapse_shape %q [[0, 1], [2], [3]] : tensor<2x2x3x8xf32> into tensor<4x3x8xf32>
  %kc = tensor.collapse_shape %k [[0, 1], [2], [3]] : tensor<2x2x5x8xf32> into tensor<4x5x8xf32>
  %vc = tensor.collapse_shape %v [[0, 1], [2], [3]] : tensor<2x2x5x8xf32> into tensor<4x5x8xf32>
  %te = tensor.empty() : tensor<4x8x5xf32>
  %kt = linalg.transpose ins(%kc : tensor<4x5x8xf32>) outs(%te : tensor<4x8x5xf32>) permutation = [0, 2, 1]
  %e = tensor.empty() : tensor<4x3x5xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<4x3x5xf32>) -> tensor<4x3x5xf32>
  %s = linalg.batch_matmul ins(%qc, %kt : tensor<4x3x8xf32>, tensor<4x8x5xf32>) outs(%z : tensor<4x3x5xf32>) -> tensor<4x3x5xf32>
  %p = linalg.softmax dimension(2) ins(%s : tensor<4x3x5xf32>) outs(%e : tensor<4x3x5xf32>) -> tensor<4x3x5xf32>
  %oe = tensor.empty() : tensor<4x3x8xf32>
  %oz = linalg.fill ins(%zero : f32) outs(%oe : tensor<4x3x8xf32>) -> tensor<4x3x8xf32>
  %o = linalg.batch_matmul ins(%p, %vc : tensor<4x3x5xf32>, tensor<4x5x8xf32>) outs(%oz : tensor<4x3x8xf32>) -> tensor<4x3x8xf32>
  return %o : tensor<4x3x8xf32>
}

// A choice by distance: a window to both sides.
// CHECK-LABEL: func @window(
// CHECK: qattn.prefill bidirectional ins(%{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} :
// CHECK-SAME: {scale = 1.000000e+00 : f32, window = 3 : i64}
func.func @window(%q: tensor<2x6x8xf32>, %kt: tensor<2x8x6xf32>, %v: tensor<2x6x8xf32>) -> tensor<2x6x8xf32> {
  %zero = arith.constant 0.0 : f32
  %hidden = arith.constant 0xFF800000 : f32
  %three = arith.constant 3 : index
  %e = tensor.empty() : tensor<2x6x6xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %s = linalg.batch_matmul ins(%q, %kt : tensor<2x6x8xf32>, tensor<2x8x6xf32>) outs(%z : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %m = linalg.generic {indexing_maps = [#head, #head], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s : tensor<2x6x6xf32>) outs(%e : tensor<2x6x6xf32>) {
  ^bb0(%score: f32, %out: f32):
    %l = linalg.index 1 : index
    %t = linalg.index 2 : index
    %d = arith.subi %l, %t : index
    %a = math.absi %d : index
    %far = arith.cmpi sge, %a, %three : index
    %r = arith.select %far, %hidden, %score : f32
    linalg.yield %r : f32
  } -> tensor<2x6x6xf32>
  %p = linalg.softmax dimension(2) ins(%m : tensor<2x6x6xf32>) outs(%e : tensor<2x6x6xf32>) -> tensor<2x6x6xf32>
  %oe = tensor.empty() : tensor<2x6x8xf32>
  %oz = linalg.fill ins(%zero : f32) outs(%oe : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  %o = linalg.batch_matmul ins(%p, %v : tensor<2x6x6xf32>, tensor<2x6x8xf32>) outs(%oz : tensor<2x6x8xf32>) -> tensor<2x6x8xf32>
  return %o : tensor<2x6x8xf32>
}

// A constant mask.
// CHECK-LABEL: func @literal(
// CHECK: qattn.prefill causal ins(%{{[^ ]*}}, %{{[^ ]*}}, %{{[^ ]*}} :
// CHECK-SAME: {scale = 1.000000e+00 : f32} -> tensor<2x1x4xf32>
func.func @literal(%q: tensor<1x2x4xf32>, %kt: tensor<1x4x2xf32>, %v: tensor<1x2x4xf32>) -> tensor<1x2x4xf32> {
  %mask = arith.constant dense<[[0.0, -3.4e38], [0.0, 0.0]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2x2xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %s = linalg.batch_matmul ins(%q, %kt : tensor<1x2x4xf32>, tensor<1x4x2xf32>) outs(%z : tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %m = linalg.generic {indexing_maps = [#head, #pair, #head], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s, %mask : tensor<1x2x2xf32>, tensor<2x2xf32>) outs(%e : tensor<1x2x2xf32>) {
  ^bb0(%score: f32, %add: f32, %out: f32):
    %r = arith.addf %score, %add : f32
    linalg.yield %r : f32
  } -> tensor<1x2x2xf32>
  %p = linalg.softmax dimension(2) ins(%m : tensor<1x2x2xf32>) outs(%e : tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %oz = linalg.fill ins(%zero : f32) outs(%q : tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %r = linalg.batch_matmul ins(%p, %v : tensor<1x2x2xf32>, tensor<1x2x4xf32>) outs(%oz : tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  return %r : tensor<1x2x4xf32>
}

// An argument may say anything.
// CHECK-LABEL: func private @masked(
// CHECK-NOT: qattn
// CHECK: linalg.softmax
func.func private @masked(%q: tensor<1x2x4xf32>, %kt: tensor<1x4x2xf32>, %v: tensor<1x2x4xf32>, %mask: tensor<2x2xf32>) -> tensor<1x2x4xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2x2xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %s = linalg.batch_matmul ins(%q, %kt : tensor<1x2x4xf32>, tensor<1x4x2xf32>) outs(%z : tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %m = linalg.generic {indexing_maps = [#head, #pair, #head], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s, %mask : tensor<1x2x2xf32>, tensor<2x2xf32>) outs(%e : tensor<1x2x2xf32>) {
  ^bb0(%score: f32, %add: f32, %out: f32):
    %r = arith.addf %score, %add : f32
    linalg.yield %r : f32
  } -> tensor<1x2x2xf32>
  %p = linalg.softmax dimension(2) ins(%m : tensor<1x2x2xf32>) outs(%e : tensor<1x2x2xf32>) -> tensor<1x2x2xf32>
  %oe = tensor.empty() : tensor<1x2x4xf32>
  %oz = linalg.fill ins(%zero : f32) outs(%oe : tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  %o = linalg.batch_matmul ins(%p, %v : tensor<1x2x2xf32>, tensor<1x2x4xf32>) outs(%oz : tensor<1x2x4xf32>) -> tensor<1x2x4xf32>
  return %o : tensor<1x2x4xf32>
}

// A bias that falls with the distance; a mask of each head; one in which query 0
// sees nothing; every other key.
// CHECK-LABEL: func @other_masks(
// CHECK-NOT: qattn
// CHECK-COUNT-4: linalg.softmax
// CHECK: return
func.func @other_masks(%q: tensor<2x4x8xf32>, %kt: tensor<2x8x4xf32>, %v: tensor<2x4x8xf32>) -> (tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %hidden = arith.constant 0xFF800000 : f32
  %two = arith.constant 2 : i64
  %none = arith.constant 0 : i64
  %e = tensor.empty() : tensor<2x4x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %s = linalg.batch_matmul ins(%q, %kt : tensor<2x4x8xf32>, tensor<2x8x4xf32>) outs(%z : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %m:4 = linalg.generic {indexing_maps = [#head, #head, #head, #head, #head], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%s : tensor<2x4x4xf32>) outs(%e, %e, %e, %e : tensor<2x4x4xf32>, tensor<2x4x4xf32>, tensor<2x4x4xf32>, tensor<2x4x4xf32>) {
  ^bb0(%score: f32, %o0: f32, %o1: f32, %o2: f32, %o3: f32):
    %hi = linalg.index 0 : index
    %li = linalg.index 1 : index
    %ti = linalg.index 2 : index
    %h = arith.index_cast %hi : index to i64
    %l = arith.index_cast %li : index to i64
    %t = arith.index_cast %ti : index to i64
    %d = arith.subi %t, %l : i64
    %bias = arith.sitofp %d : i64 to f32
    %r0 = arith.addf %score, %bias : f32
    %head = arith.cmpi sle, %d, %h : i64
    %r1 = arith.select %head, %score, %hidden : f32
    %before = arith.cmpi slt, %d, %none : i64
    %r2 = arith.select %before, %score, %hidden : f32
    %rest = arith.andi %t, %two : i64
    %even = arith.cmpi eq, %rest, %none : i64
    %r3 = arith.select %even, %score, %hidden : f32
    linalg.yield %r0, %r1, %r2, %r3 : f32, f32, f32, f32
  } -> (tensor<2x4x4xf32>, tensor<2x4x4xf32>, tensor<2x4x4xf32>, tensor<2x4x4xf32>)
  %p0 = linalg.softmax dimension(2) ins(%m#0 : tensor<2x4x4xf32>) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %p1 = linalg.softmax dimension(2) ins(%m#1 : tensor<2x4x4xf32>) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %p2 = linalg.softmax dimension(2) ins(%m#2 : tensor<2x4x4xf32>) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %p3 = linalg.softmax dimension(2) ins(%m#3 : tensor<2x4x4xf32>) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %oe = tensor.empty() : tensor<2x4x8xf32>
  %oz = linalg.fill ins(%zero : f32) outs(%oe : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %a = linalg.batch_matmul ins(%p0, %v : tensor<2x4x4xf32>, tensor<2x4x8xf32>) outs(%oz : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %b = linalg.batch_matmul ins(%p1, %v : tensor<2x4x4xf32>, tensor<2x4x8xf32>) outs(%oz : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %c = linalg.batch_matmul ins(%p2, %v : tensor<2x4x4xf32>, tensor<2x4x8xf32>) outs(%oz : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %d = linalg.batch_matmul ins(%p3, %v : tensor<2x4x4xf32>, tensor<2x4x8xf32>) outs(%oz : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  return %a, %b, %c, %d : tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>, tensor<2x4x8xf32>
}

// Softmax over the queries, and a product that is added to something.
// CHECK-LABEL: func @other_products(
// CHECK-NOT: qattn
// CHECK-COUNT-2: linalg.softmax
// CHECK: return
func.func @other_products(%q: tensor<2x4x8xf32>, %kt: tensor<2x8x4xf32>, %v: tensor<2x4x8xf32>, %sum: tensor<2x4x8xf32>) -> (tensor<2x4x8xf32>, tensor<2x4x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<2x4x4xf32>
  %z = linalg.fill ins(%zero : f32) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %s = linalg.batch_matmul ins(%q, %kt : tensor<2x4x8xf32>, tensor<2x8x4xf32>) outs(%z : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %p0 = linalg.softmax dimension(1) ins(%s : tensor<2x4x4xf32>) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %p1 = linalg.softmax dimension(2) ins(%s : tensor<2x4x4xf32>) outs(%e : tensor<2x4x4xf32>) -> tensor<2x4x4xf32>
  %oe = tensor.empty() : tensor<2x4x8xf32>
  %oz = linalg.fill ins(%zero : f32) outs(%oe : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %a = linalg.batch_matmul ins(%p0, %v : tensor<2x4x4xf32>, tensor<2x4x8xf32>) outs(%oz : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  %b = linalg.batch_matmul ins(%p1, %v : tensor<2x4x4xf32>, tensor<2x4x8xf32>) outs(%sum : tensor<2x4x8xf32>) -> tensor<2x4x8xf32>
  return %a, %b : tensor<2x4x8xf32>, tensor<2x4x8xf32>
}
