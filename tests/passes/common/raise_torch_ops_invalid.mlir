// RUN: %headrace_opt %s --raise-torch-ops -verify-diagnostics -split-input-file | FileCheck %s

// A mask that is an argument, and dropout: the calls stay.
// CHECK-LABEL: func @stays(
// CHECK: call @sdpa.0
// CHECK: call @sdpa.1
func.func private @sdpa.0(tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>, tensor<2x2xi1>) -> tensor<1x4x2x8xf32>
    attributes {headrace.operator = "aten.scaled_dot_product_attention", headrace.arguments = [0.0, false, 2.5e-01, true]}
func.func private @sdpa.1(tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>) -> tensor<1x4x2x8xf32>
    attributes {headrace.operator = "aten.scaled_dot_product_attention", headrace.arguments = [unit, 0.5, false, unit, true]}
func.func @stays(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x2x8xf32>, %v: tensor<1x2x2x8xf32>, %mask: tensor<2x2xi1>) -> (tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32>) {
  %a = call @sdpa.0(%q, %k, %v, %mask) : (tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>, tensor<2x2xi1>) -> tensor<1x4x2x8xf32>
  %b = call @sdpa.1(%q, %k, %v) : (tensor<1x4x2x8xf32>, tensor<1x2x2x8xf32>, tensor<1x2x2x8xf32>) -> tensor<1x4x2x8xf32>
  return %a, %b : tensor<1x4x2x8xf32>, tensor<1x4x2x8xf32>
}

// -----

func.func private @op(tensor<2xf32>) -> tensor<2xf32> attributes {headrace.operator = "headrace.unknown", headrace.arguments = []}
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @below {{of headrace.unknown: expected an operator that has an operation; allowed: headrace.linear, headrace.attention, headrace.append_kv, headrace.decode, aten.scaled_dot_product_attention}}
  %y = call @op(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %y : tensor<2xf32>
}

// -----

// expected-error @below {{expected headrace.operator to be a string and headrace.arguments to be an array}}
func.func private @op(tensor<2xf32>) -> tensor<2xf32> attributes {headrace.operator = "headrace.linear"}

// -----

func.func private @op(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 32]}
func.func @f(%x: tensor<2x32xf32>, %w: tensor<136xi8>) -> tensor<2x4xf32> {
  // expected-error @below {{of headrace.linear: expected 2 tensors, 4 arguments and 1 result, but got 2, 2 and 1}}
  %y = call @op(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

func.func private @op(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = ["4", 32, "#qlinear.gguf<q8_0>", "f32"]}
func.func @f(%x: tensor<2x32xf32>, %w: tensor<136xi8>) -> tensor<2x4xf32> {
  // expected-error @below {{of headrace.linear: expected argument 0 to be an integer, but got "4"}}
  %y = call @op(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

func.func private @op(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 32, "f32", "f32"]}
func.func @f(%x: tensor<2x32xf32>, %w: tensor<136xi8>) -> tensor<2x4xf32> {
  // expected-error @below {{of headrace.linear: expected a format of qlinear, but got 'f32'}}
  %y = call @op(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

func.func private @op(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 32, "#qlinear.gguf<q8_0>", "f64"]}
func.func @f(%x: tensor<2x32xf32>, %w: tensor<136xi8>) -> tensor<2x4xf32> {
  // expected-error @below {{of headrace.linear: expected activations f32, bf16 or i8, but got 'f64'}}
  %y = call @op(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

func.func private @op(tensor<4x8xf32>, tensor<1024xi8>, tensor<1xi32>) -> tensor<4x8xf32> attributes {headrace.operator = "headrace.decode", headrace.arguments = ["i8", 4, 5.0e-01, 0.0]}
func.func @f(%q: tensor<4x8xf32>, %c: tensor<1024xi8>, %l: tensor<1xi32>) -> tensor<4x8xf32> {
  // expected-error @below {{of headrace.decode: expected argument 0 to be a type !qattn.kv_cache, but got i8}}
  %y = call @op(%q, %c, %l) : (tensor<4x8xf32>, tensor<1024xi8>, tensor<1xi32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func private @op(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x5xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 32, "#qlinear.gguf<q8_0>", "f32"]}
func.func @f(%x: tensor<2x32xf32>, %w: tensor<136xi8>) -> tensor<2x5xf32> {
  // expected-error @below {{of headrace.linear: expected results 'tensor<2x4xf32>', but got 'tensor<2x5xf32>'}}
  %y = call @op(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x5xf32>
  return %y : tensor<2x5xf32>
}

// -----

func.func private @op(tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = [4 : i8, 32, "#qlinear.gguf<q8_0>", "f32"]}
func.func @f(%x: tensor<2x32xf32>, %w: tensor<136xi8>) -> tensor<2x4xf32> {
  // expected-error @below {{of headrace.linear: expected argument 0 to be of i64, but got 4 : i8}}
  %y = call @op(%x, %w) : (tensor<2x32xf32>, tensor<136xi8>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

func.func private @op(tensor<0x32xf32>, tensor<136xi8>) -> tensor<0x4xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = [4, 32, "#qlinear.gguf<q8_0>", "f32"]}
func.func @f(%x: tensor<0x32xf32>, %w: tensor<136xi8>) -> tensor<0x4xf32> {
  // expected-error @below {{of headrace.linear: expected tensor 0 to have 2 static, positive dimensions, but got 'tensor<0x32xf32>'}}
  %y = call @op(%x, %w) : (tensor<0x32xf32>, tensor<136xi8>) -> tensor<0x4xf32>
  return %y : tensor<0x4xf32>
}

// -----

// Arguments that do not fit the tensors.
func.func private @op(tensor<2x8xf32>, tensor<100xi8>, tensor<1xi32>) -> tensor<2x8xf32> attributes {headrace.operator = "headrace.decode", headrace.arguments = ["!qattn.kv_cache<4x2x8, f32>", 0, 5.0e-01, 0.0]}
func.func @f(%q: tensor<2x8xf32>, %c: tensor<100xi8>, %n: tensor<1xi32>) -> tensor<2x8xf32> {
  // expected-error @below {{expected 512 bytes to store '!qattn.kv_cache<4x2x8, f32>', but got 'tensor<100xi8>'}}
  %y = call @op(%q, %c, %n) : (tensor<2x8xf32>, tensor<100xi8>, tensor<1xi32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// -----

func.func private @sdpa(tensor<1x4x2x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<2x2xi1>) -> tensor<1x4x2x8xf32>
    attributes {headrace.operator = "aten.scaled_dot_product_attention", headrace.arguments = [0.0, false, 2.5e-01, true]}
func.func @f(%q: tensor<1x4x2x8xf32>, %k: tensor<1x2x3x8xf32>, %v: tensor<1x2x3x8xf32>) -> tensor<1x4x2x8xf32> {
  %mask = arith.constant dense<true> : tensor<2x2xi1>
  // expected-error @below {{expected a mask of queries and keys, 2x3, but got 'tensor<2x2xi1>'}}
  %a = call @sdpa(%q, %k, %v, %mask) : (tensor<1x4x2x8xf32>, tensor<1x2x3x8xf32>, tensor<1x2x3x8xf32>, tensor<2x2xi1>) -> tensor<1x4x2x8xf32>
  return %a : tensor<1x4x2x8xf32>
}

// -----

// expected-error @below {{expected to be called only}}
func.func private @op(tensor<2xf32>) -> tensor<2xf32> attributes {headrace.operator = "headrace.linear", headrace.arguments = []}
func.func @f() -> ((tensor<2xf32>) -> tensor<2xf32>) {
  %0 = func.constant @op : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : (tensor<2xf32>) -> tensor<2xf32>
}
