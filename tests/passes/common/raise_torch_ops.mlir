// RUN: %headrace_opt %s --raise-torch-ops --canonicalize | FileCheck %s --implicit-check-not="func private"

// doc: linear
// CHECK-LABEL: func @linear(
// CHECK-SAME: %[[X:.*]]: tensor<2x32xf32>, %[[BYTES:.*]]: tensor<136xi8>
// CHECK: %[[W:.*]] = qlinear.from_bytes %[[BYTES]] : tensor<136xi8> to !qlinear.packed<4x32, #qlinear.gguf<q8_0>>
// CHECK: %[[Y:.*]] = qlinear.matmul ins(%[[W]], %[[X]] :
// CHECK: return %[[Y]]
func.func private @linear.0(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
    attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 32, "#qlinear.gguf<q8_0>", "f32"]}
func.func @linear(%x: tensor<2x32xf32>, %w: tensor<136xi8>) -> tensor<2x4xf32> {
  %y = call @linear.0(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
// doc: end

// A format that pads, with activations rounded to 8 bits.
// CHECK-LABEL: func @padded(
// CHECK: %[[W:.*]] = qlinear.from_bytes %{{.*}} to !qlinear.packed<4x64, #qlinear.q4nx, padded = 32x256>
// CHECK: %[[X:.*]] = qlinear.quantize %{{.*}} : tensor<2x64xf32> to !qlinear.packed<2x64, #qlinear.act_i8>
// CHECK: qlinear.matmul ins(%[[W]], %[[X]] :
func.func private @linear.1(tensor<2x64xf32>, tensor<5120xi8>) -> tensor<2x4xf32>
    attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 64, "#qlinear.q4nx", "i8"]}
func.func @padded(%x: tensor<2x64xf32>, %w: tensor<5120xi8>) -> tensor<2x4xf32> {
  %y = call @linear.1(%x, %w) : (tensor<2x64xf32>, tensor<5120xi8>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// CHECK-LABEL: func @attention(
// CHECK: qattn.prefill causal ins(%{{.*}} : tensor<5x4x8xf32>, tensor<5x2x8xf32>, tensor<5x2x8xf32>)
// CHECK-SAME: {scale = 5.000000e-01 : f32, softcap = 3.000000e+01 : f32, window = 3 : i64}
func.func private @attention.0(tensor<5x4x8xf32>, tensor<5x2x8xf32>, tensor<5x2x8xf32>) -> tensor<5x4x8xf32>
    attributes {headrace.operator = "headrace.attention", headrace.arguments = [true, 3, 5.0e-01, 3.0e+01]}
func.func @attention(%q: tensor<5x4x8xf32>, %k: tensor<5x2x8xf32>, %v: tensor<5x2x8xf32>) -> tensor<5x4x8xf32> {
  %o = call @attention.0(%q, %k, %v) : (tensor<5x4x8xf32>, tensor<5x2x8xf32>, tensor<5x2x8xf32>) -> tensor<5x4x8xf32>
  return %o : tensor<5x4x8xf32>
}

// CHECK-LABEL: func @step(
// CHECK-SAME: %[[Q:.*]]: tensor<4x8xf32>, %[[K:.*]]: tensor<1x2x8xf32>, %[[V:.*]]: tensor<1x2x8xf32>, %[[BYTES:.*]]: tensor<1024xi8>, %[[AT:.*]]: tensor<1xi32>, %[[LENGTH:.*]]: tensor<1xi32>
// CHECK: %[[OLD:.*]] = qattn.cache_from_bytes %[[BYTES]]
// CHECK: %[[NEW:.*]] = qattn.append_kv %[[K]], %[[V]] into %[[OLD]] at %[[AT]]
// CHECK: qattn.cache_to_bytes %[[NEW]]
// CHECK: qattn.decode ins(%[[Q]], %[[NEW]], %[[LENGTH]] :
// CHECK-SAME: {scale = 5.000000e-01 : f32, window = 4 : i64}
func.func private @append.0(tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1024xi8>, tensor<1xi32>) -> tensor<1024xi8>
    attributes {headrace.operator = "headrace.append_kv", headrace.arguments = ["!qattn.kv_cache<16x2x8, bf16>"]}
func.func private @decode.0(tensor<4x8xf32>, tensor<1024xi8>, tensor<1xi32>) -> tensor<4x8xf32>
    attributes {headrace.operator = "headrace.decode", headrace.arguments = ["!qattn.kv_cache<16x2x8, bf16>", 4, 5.0e-01, 0.0]}
func.func @step(%q: tensor<4x8xf32>, %k: tensor<1x2x8xf32>, %v: tensor<1x2x8xf32>, %cache: tensor<1024xi8>, %at: tensor<1xi32>, %length: tensor<1xi32>) -> (tensor<4x8xf32>, tensor<1024xi8>) {
  %new = call @append.0(%k, %v, %cache, %at) : (tensor<1x2x8xf32>, tensor<1x2x8xf32>, tensor<1024xi8>, tensor<1xi32>) -> tensor<1024xi8>
  %o = call @decode.0(%q, %new, %length) : (tensor<4x8xf32>, tensor<1024xi8>, tensor<1xi32>) -> tensor<4x8xf32>
  return %o, %new : tensor<4x8xf32>, tensor<1024xi8>
}

// PyTorch's own, with a constant mask, and without one.
// CHECK-LABEL: func @sdpa(
// CHECK: qattn.prefill causal ins(%{{.*}} : tensor<2x4x8xf32>, tensor<2x2x8xf32>, tensor<2x2x8xf32>)
// CHECK-SAME: {scale = 2.500000e-01 : f32}
// CHECK: linalg.transpose ins(%{{.*}} : tensor<2x4x8xf32>) outs(%{{.*}} : tensor<4x2x8xf32>) permutation = [1, 0, 2]
// CHECK: qattn.prefill bidirectional
// CHECK-SAME: {scale = 0.353553385 : f32}
func.func private @sdpa.0(tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>, tensor<2x2xi1>) -> tensor<1x4x2x8xf32>
    attributes {headrace.operator = "aten.scaled_dot_product_attention", headrace.arguments = [0.0, false, 2.5e-01, true]}
func.func private @sdpa.1(tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>) -> tensor<1x4x2x8xf32>
    attributes {headrace.operator = "aten.scaled_dot_product_attention", headrace.arguments = [unit, 0.0, false, unit, true]}
func.func @sdpa(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x2x8xf32>, %v: tensor<1x2x2x8xf32>) -> (tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32>) {
  %mask = arith.constant dense<[[true, false], [true, true]]> : tensor<2x2xi1>
  %a = call @sdpa.0(%q, %k, %v, %mask) : (tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>, tensor<2x2xi1>) -> tensor<1x4x2x8xf32>
  %b = call @sdpa.1(%q, %k, %v) : (tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>) -> tensor<1x4x2x8xf32>
  return %a, %b : tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32>
}
