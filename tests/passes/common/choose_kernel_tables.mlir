// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=819 dense-gops=5424 lookup-gops=2048" | FileCheck %s --check-prefixes=CHECK,V80
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=256 dense-gops=1176 lookup-gops=2048" | FileCheck %s --check-prefixes=CHECK,PORTS
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=256 dense-gops=400 lookup-gops=2048" | FileCheck %s --check-prefixes=CHECK,SCARCE
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=819 dense-gops=5424" | FileCheck %s --check-prefix=NONE
// RUN: %headrace_opt %s "--choose-kernel=read-bandwidth=256 dense-gops=1176 lookup-gops=2048" --lower-lut-matvec | FileCheck %s --check-prefix=REWRITTEN

// Tables are 6 bits a weight, indices and centroids 3. So where memory is what
// limits, a product of one token is dense, at the full 819 GB/s of a V80 as with
// the 256 GB/s of the ports that LUT-LLM uses (and its 2352 blocks of
// multipliers). With few multipliers, or many tokens for which the tables are
// read once, lookups are faster.
!w = !qlinear.packed<6144x2048, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i4, activation_entries = 64>>

// NONE-NOT: headrace.kernel

// CHECK-LABEL: func @decode(
// V80: qlinear.matvec {{.*}}headrace.kernel = "dense", headrace.modelled_us = {dense = 5.801000e+00 : f64, lut = 1.221300e+01 : f64}
// PORTS: qlinear.matvec {{.*}}headrace.kernel = "dense", headrace.modelled_us = {dense = 2.140000e+01 : f64, lut = 3.907200e+01 : f64}
// SCARCE: qlinear.matvec {{.*}}headrace.kernel = "lut"
// REWRITTEN-LABEL: func @decode(
// REWRITTEN-NOT: qlinear.lut_matvec
func.func @decode(%w: !w, %x: tensor<2048xf32>, %o: tensor<6144xf32>) -> tensor<6144xf32> {
  %y = qlinear.matvec ins(%w, %x : !w, tensor<2048xf32>) outs(%o : tensor<6144xf32>) -> tensor<6144xf32>
  return %y : tensor<6144xf32>
}

// CHECK-LABEL: func @prefill(
// V80: qlinear.matmul {{.*}}headrace.kernel = "lut"
// PORTS: qlinear.matmul {{.*}}headrace.kernel = "lut"
// SCARCE: qlinear.matmul {{.*}}headrace.kernel = "lut"
// REWRITTEN-LABEL: func @prefill(
// REWRITTEN: qlinear.lut_matvec
// REWRITTEN-LABEL: func @gated(
// REWRITTEN-NOT: qlinear.lut_matvec
// REWRITTEN-LABEL: func @bf16(
func.func @prefill(%w: !w, %x: tensor<128x2048xf32>, %o: tensor<128x6144xf32>) -> tensor<128x6144xf32> {
  %y = qlinear.matmul ins(%w, %x : !w, tensor<128x2048xf32>) outs(%o : tensor<128x6144xf32>) -> tensor<128x6144xf32>
  return %y : tensor<128x6144xf32>
}

// CHECK-LABEL: func @gated(
// PORTS: qlinear.gated_matvec{{.*}}headrace.kernel = "dense"
// SCARCE: qlinear.gated_matvec{{.*}}headrace.kernel = "lut"
func.func @gated(%g: !w, %u: !w, %x: tensor<2048xf32>, %o: tensor<6144xf32>) -> tensor<6144xf32> {
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !w, !w, tensor<2048xf32>) outs(%o : tensor<6144xf32>) -> tensor<6144xf32>
  return %y : tensor<6144xf32>
}

// Activations are assigned to centroids as f32.
// CHECK-LABEL: func @bf16(
// CHECK-NOT: headrace.kernel
// CHECK: return
func.func @bf16(%w: !w, %x: tensor<2048xbf16>, %o: tensor<6144xf32>) -> tensor<6144xf32> {
  %y = qlinear.matvec ins(%w, %x : !w, tensor<2048xbf16>) outs(%o : tensor<6144xf32>) -> tensor<6144xf32>
  return %y : tensor<6144xf32>
}

// Packed activations go with dense products only.
// CHECK-LABEL: func @packed(
// CHECK-NOT: headrace.kernel
// CHECK: return
func.func @packed(%w: !qlinear.packed<256x256, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>, %x: !qlinear.packed<1x256, #qlinear.act_i8>, %o: tensor<256xf32>) -> tensor<256xf32> {
  %y = qlinear.matvec ins(%w, %x : !qlinear.packed<256x256, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>, !qlinear.packed<1x256, #qlinear.act_i8>)
      outs(%o : tensor<256xf32>) {headrace.threshold = 0.125 : f32, headrace.density = 0.01 : f64} -> tensor<256xf32>
  return %y : tensor<256xf32>
}
