// RUN: %headrace_opt %s | FileCheck %s
// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | FileCheck %s --check-prefix=GENERIC

// Every operation in its tensor form.

!q4_k = !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
!q4nx = !qlinear.packed<48x256, #qlinear.q4nx, padded = 64x256>
!act = !qlinear.packed<1x256, #qlinear.act_i8>

// CHECK-LABEL: func @storage
// CHECK: qlinear.from_bytes %{{.*}} : tensor<576xi8> to !qlinear.packed<4x256, #qlinear.gguf<q4_k>>
// CHECK: qlinear.to_bytes %{{.*}} : !qlinear.packed<4x256, #qlinear.gguf<q4_k>> to tensor<576xi8>
// CHECK: qlinear.slice %{{.*}} rows[32, 16] : !qlinear.packed<48x256, #qlinear.q4nx, padded = 64x256> to !qlinear.packed<16x256, #qlinear.q4nx, padded = 32x256>
// GENERIC: "qlinear.slice"(%{{.*}}) <{offset = 32 : i64, size = 16 : i64}>
func.func @storage(%bytes: tensor<576xi8>, %m: !q4nx)
    -> (tensor<576xi8>, !qlinear.packed<16x256, #qlinear.q4nx, padded = 32x256>) {
  %w = qlinear.from_bytes %bytes : tensor<576xi8> to !q4_k
  %b = qlinear.to_bytes %w : !q4_k to tensor<576xi8>
  %s = qlinear.slice %m rows [32, 16] : !q4nx to !qlinear.packed<16x256, #qlinear.q4nx, padded = 32x256>
  return %b, %s : tensor<576xi8>, !qlinear.packed<16x256, #qlinear.q4nx, padded = 32x256>
}

// CHECK-LABEL: func @slice_at_run_time
// CHECK: qlinear.slice %{{.*}} rows[%{{.*}}, 32] : !qlinear.packed<48x256, #qlinear.q4nx, padded = 64x256> to !qlinear.packed<32x256, #qlinear.q4nx>
// GENERIC: "qlinear.slice"(%{{.*}}, %{{.*}}) <{offset = -9223372036854775808 : i64, size = 32 : i64}>
func.func @slice_at_run_time(%m: !q4nx, %i: index) -> !qlinear.packed<32x256, #qlinear.q4nx> {
  %s = qlinear.slice %m rows [%i, 32] : !q4nx to !qlinear.packed<32x256, #qlinear.q4nx>
  return %s : !qlinear.packed<32x256, #qlinear.q4nx>
}

// CHECK-LABEL: func @quantize
// CHECK: qlinear.quantize %{{.*}} : tensor<256xf32> to !qlinear.packed<1x256, #qlinear.act_i8>
// CHECK: qlinear.quantize %{{.*}} : tensor<3x256xf32> to !qlinear.packed<3x256, #qlinear.act_i8>
// CHECK: qlinear.dequantize ins(%{{.*}} : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>) outs(%{{.*}} : tensor<4x256xf32>) -> tensor<4x256xf32>
func.func @quantize(%x: tensor<256xf32>, %xs: tensor<3x256xf32>, %w: !q4_k, %o: tensor<4x256xf32>)
    -> (!act, !qlinear.packed<3x256, #qlinear.act_i8>, tensor<4x256xf32>) {
  %q = qlinear.quantize %x : tensor<256xf32> to !act
  %qs = qlinear.quantize %xs : tensor<3x256xf32> to !qlinear.packed<3x256, #qlinear.act_i8>
  %d = qlinear.dequantize ins(%w : !q4_k) outs(%o : tensor<4x256xf32>) -> tensor<4x256xf32>
  return %q, %qs, %d : !act, !qlinear.packed<3x256, #qlinear.act_i8>, tensor<4x256xf32>
}

// doc: products
// The type of the activations says their precision: f32, bf16, or packed.
// CHECK-LABEL: func @products
// CHECK: qlinear.matvec ins(%{{.*}}, %{{.*}} : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, tensor<256xf32>) outs(%{{.*}} : tensor<4xf32>) -> tensor<4xf32>
// CHECK: qlinear.matvec ins(%{{.*}}, %{{.*}} : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs
// CHECK: qlinear.matmul ins(%{{.*}}, %{{.*}} : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, tensor<3x256xbf16>) outs(%{{.*}} : tensor<3x4xf32>) -> tensor<3x4xf32>
// CHECK: qlinear.gated_matvec silu ins(%{{.*}}, %{{.*}}, %{{.*}} : !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, !qlinear.packed<4x256, #qlinear.gguf<q4_k>>, tensor<256xf32>) outs(%{{.*}} : tensor<4xf32>) -> tensor<4xf32>
// CHECK: qlinear.gated_matvec gelu_tanh ins
// GENERIC: "qlinear.gated_matvec"({{.*}}) <{activation = #qlinear<activation gelu_tanh>}>
func.func @products(%w: !q4_k, %x: tensor<256xf32>, %q: !act, %xs: tensor<3x256xbf16>,
                    %o: tensor<4xf32>, %os: tensor<3x4xf32>)
    -> (tensor<4xf32>, tensor<4xf32>, tensor<3x4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%w, %x : !q4_k, tensor<256xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%w, %q : !q4_k, !act) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %2 = qlinear.matmul ins(%w, %xs : !q4_k, tensor<3x256xbf16>) outs(%os : tensor<3x4xf32>) -> tensor<3x4xf32>
  %3 = qlinear.gated_matvec silu ins(%w, %w, %x : !q4_k, !q4_k, tensor<256xf32>)
      outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %4 = qlinear.gated_matvec gelu_tanh ins(%w, %w, %q : !q4_k, !q4_k, !act)
      outs(%o : tensor<4xf32>) -> tensor<4xf32>
  return %0, %1, %2, %3, %4 : tensor<4xf32>, tensor<4xf32>, tensor<3x4xf32>, tensor<4xf32>, tensor<4xf32>
}
// doc: end
