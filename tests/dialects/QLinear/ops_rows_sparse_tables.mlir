// RUN: %headrace_opt %s | FileCheck %s
// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | %headrace_opt | FileCheck %s

!zigzag = !qlinear.packed<512x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
!lut = !qlinear.packed<512x6, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i8, activation_entries = 64>>

// doc: sparse
// CHECK-LABEL: func @sparse(
// CHECK: %[[S:.*]]:2 = qlinear.select_columns threshold = 1.250000e-01 ins(%{{.*}} : tensor<64xf32>) outs(%{{.*}}, %{{.*}} : tensor<64xi32>, tensor<1xi32>) -> tensor<64xi32>, tensor<1xi32>
// CHECK: qlinear.sparse_matvec ins(%{{.*}}, %{{.*}}, %[[S]]#0, %[[S]]#1 : !qlinear.packed<512x64, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>, tensor<64xf32>, tensor<64xi32>, tensor<1xi32>) outs(%{{.*}} : tensor<512xf32>) -> tensor<512xf32>
func.func @sparse(%w: !zigzag, %x: tensor<64xf32>) -> tensor<512xf32> {
  %i = tensor.empty() : tensor<64xi32>
  %c = tensor.empty() : tensor<1xi32>
  %o = tensor.empty() : tensor<512xf32>
  %indices, %count = qlinear.select_columns threshold = 0.125
      ins(%x : tensor<64xf32>) outs(%i, %c : tensor<64xi32>, tensor<1xi32>)
      -> tensor<64xi32>, tensor<1xi32>
  %y = qlinear.sparse_matvec
      ins(%w, %x, %indices, %count : !zigzag, tensor<64xf32>, tensor<64xi32>, tensor<1xi32>)
      outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}
// doc: end

// doc: lookup
// CHECK-LABEL: func @lookup(
// CHECK: %[[A:.*]] = qlinear.assign_centroids ins(%{{.*}}, %{{.*}} : !qlinear.packed<512x6, {{.*}}>, tensor<6xf32>) outs(%{{.*}} : tensor<3xi32>) -> tensor<3xi32>
// CHECK: qlinear.lut_matvec ins(%{{.*}}, %[[A]] : !qlinear.packed<512x6, {{.*}}>, tensor<3xi32>) outs(%{{.*}} : tensor<512xf32>) -> tensor<512xf32>
func.func @lookup(%w: !lut, %x: tensor<6xf32>) -> tensor<512xf32> {
  %i = tensor.empty() : tensor<3xi32>
  %o = tensor.empty() : tensor<512xf32>
  %a = qlinear.assign_centroids ins(%w, %x : !lut, tensor<6xf32>) outs(%i : tensor<3xi32>) -> tensor<3xi32>
  %y = qlinear.lut_matvec ins(%w, %a : !lut, tensor<3xi32>) outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}
// doc: end

// CHECK-LABEL: func @lookup_tokens(
// CHECK: qlinear.assign_centroids ins({{.*}}tensor<5x6xf32>) outs(%{{.*}} : tensor<5x3xi32>) -> tensor<5x3xi32>
// CHECK: qlinear.lut_matvec ins({{.*}}tensor<5x3xi32>) outs(%{{.*}} : tensor<5x512xf32>) -> tensor<5x512xf32>
func.func @lookup_tokens(%w: !lut, %x: tensor<5x6xf32>, %i: tensor<5x3xi32>, %o: tensor<5x512xf32>) -> tensor<5x512xf32> {
  %a = qlinear.assign_centroids ins(%w, %x : !lut, tensor<5x6xf32>) outs(%i : tensor<5x3xi32>) -> tensor<5x3xi32>
  %y = qlinear.lut_matvec ins(%w, %a : !lut, tensor<5x3xi32>) outs(%o : tensor<5x512xf32>) -> tensor<5x512xf32>
  return %y : tensor<5x512xf32>
}

// doc: rows
// CHECK-LABEL: func @rows(
// CHECK: qlinear.rms_norm eps = 9.99999997E-7 add_unit ins(%{{.*}}, %{{.*}} : tensor<4x64xf32>, tensor<64xf32>) outs(%{{.*}} : tensor<4x64xf32>) -> tensor<4x64xf32>
// CHECK: qlinear.rms_norm eps = 0.000000e+00 ins(
// CHECK: qlinear.layer_norm eps = 9.99999996E-13 ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<4x64xf32>, tensor<64xf32>, tensor<64xf32>) outs(%{{.*}} : tensor<4x64xf32>) -> tensor<4x64xf32>
// CHECK: qlinear.gated_activation gelu_tanh ins(%{{.*}}, %{{.*}} : tensor<4x64xf32>, tensor<4x64xf32>) outs(%{{.*}} : tensor<4x64xf32>) -> tensor<4x64xf32>
func.func @rows(%x: tensor<4x64xf32>, %w: tensor<64xf32>, %b: tensor<64xf32>) -> tensor<4x64xf32> {
  %o = tensor.empty() : tensor<4x64xf32>
  %0 = qlinear.rms_norm eps = 1.0e-6 add_unit
      ins(%x, %w : tensor<4x64xf32>, tensor<64xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  %1 = qlinear.rms_norm eps = 0.0
      ins(%0, %w : tensor<4x64xf32>, tensor<64xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  %2 = qlinear.layer_norm eps = 1.0e-12
      ins(%1, %w, %b : tensor<4x64xf32>, tensor<64xf32>, tensor<64xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  %3 = qlinear.gated_activation gelu_tanh
      ins(%2, %x : tensor<4x64xf32>, tensor<4x64xf32>) outs(%o : tensor<4x64xf32>) -> tensor<4x64xf32>
  return %3 : tensor<4x64xf32>
}
// doc: end

// On memrefs there are no results.
// CHECK-LABEL: func @buffers(
// CHECK: qlinear.select_columns threshold = 0.000000e+00 ins(%{{.*}} : memref<64xf32>) outs(%{{.*}}, %{{.*}} : memref<64xi32>, memref<1xi32>){{$}}
// CHECK: qlinear.rms_norm eps = 0.000000e+00 ins(%{{.*}}, %{{.*}} : memref<64xf32>, memref<64xf32>) outs(%{{.*}} : memref<64xf32>){{$}}
func.func @buffers(%x: memref<64xf32>, %i: memref<64xi32>, %c: memref<1xi32>, %w: memref<64xf32>, %y: memref<64xf32>) {
  qlinear.select_columns threshold = 0.0 ins(%x : memref<64xf32>) outs(%i, %c : memref<64xi32>, memref<1xi32>)
  qlinear.rms_norm eps = 0.0 ins(%x, %w : memref<64xf32>, memref<64xf32>) outs(%y : memref<64xf32>)
  return
}
