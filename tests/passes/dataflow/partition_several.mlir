// RUN: %headrace_opt %s --dataflow-partition-products="columns=2 rows=2 channels=1" --split-input-file | FileCheck %s

// Two layers of a small model: a product, and then two that are alike. Each of them
// is a step. What is alike is one piece of code.
// doc: several
!w = !qlinear.packed<128x256, #qlinear.q4nx>
!v = !qlinear.packed<16x512, #qlinear.q4nx, padded = 32x512>
!a = !qlinear.packed<32x256, #qlinear.q4nx>

// CHECK-LABEL: dataflow.graph @layers(
// CHECK-SAME: %[[W:.*]]: memref<92160xi8> {headrace.packing = {products = [
// CHECK-SAME: {activations = array<i64: 1, 0, 5120>, channels = array<i64: 2>, columns = 256 : i64, results = array<i64: 2, 0, 512>, rounds = array<i64: 2, 2>, sources = [!qlinear.packed<128x256, #qlinear.q4nx>], weights = array<i64: 0, 0, 20480>},
// CHECK-SAME: {activations = array<i64: 1, 5120, 5120>, channels = array<i64: 2>, columns = 256 : i64, results = array<i64: 2, 512, 128>, rounds = array<i64: 1>, sources = [!qlinear.packed<16x512, #qlinear.q4nx, padded = 32x512>], weights = array<i64: 0, 20480, 10240>},
// CHECK-SAME: %[[X:.*]]: memref<35840xi8>, %[[Y:.*]]: memref<416xf32>) {
// CHECK: %[[W0:.*]] = dataflow.stream "w0" depth 4
// CHECK: dataflow.port read %[[X]] offset 0 {{.*}} stream %[[W0]] :
// CHECK: dataflow.port read %[[W]] offset 0 {{.*}} stream %[[W0]] :
// CHECK: dataflow.port read %[[X]] offset 5120 {{.*}} stream %[[W0]] step 1 :
// CHECK: dataflow.port read %[[W]] offset 20480 {{.*}} stream %[[W0]] step 1 :
// CHECK: dataflow.port read %[[W]] {{.*}} stream %[[W0]] step 6 :
// CHECK: dataflow.task "core0_0" {
// CHECK: scf.for %{{.*}} = %c0 to %c2{{.*}} step %c1 {
// CHECK:   call @take_q4nx_1536
// CHECK:   scf.for %{{.*}} = %c0 to %c2{{.*}} step %c1 {
// CHECK:     dataflow.push
// CHECK:   scf.for %{{.*}} = %c0 to %c2{{.*}} step %c1 {
// CHECK:     call @take_q4nx_1536
// CHECK:     dataflow.push
// CHECK: call @take_q4nx_1536
// CHECK: call @gate_silu_16
// CHECK-NOT: call @take_q4nx_1536
// CHECK: dataflow.task "core0_1" {

// Column 1 has no rows of the second product: its cores drop the activations.
// CHECK: dataflow.task "core1_1" {
// CHECK: dataflow.pop %[[XS:.*]] as %{{.*}}: memref<2560xi8> {
// CHECK-NEXT: func.call @take_q4nx_1536
// CHECK: dataflow.pop %[[XS]] as %{{.*}}: memref<2560xi8> {
// CHECK-NEXT: }
// CHECK: dataflow.pop %[[XS]] as %{{.*}}: memref<2560xi8> {
// CHECK-NEXT: }
// CHECK-NOT: dataflow.pop
func.func @layers(%w0: !w, %x0: tensor<256xbf16>, %v0: !v, %u0: !v, %z0: tensor<512xbf16>,
                  %w1: !w, %x1: tensor<256xbf16>, %v1: !v, %u1: !v, %z1: tensor<512xbf16>,
                  %g: !a, %u: !a, %x: tensor<256xbf16>)
    -> (tensor<128xf32>, tensor<16xf32>, tensor<16xf32>, tensor<128xf32>, tensor<16xf32>, tensor<16xf32>, tensor<32xf32>) {
  %e = tensor.empty() : tensor<128xf32>
  %f = tensor.empty() : tensor<16xf32>
  %h = tensor.empty() : tensor<32xf32>
  %0 = qlinear.matvec ins(%w0, %x0 : !w, tensor<256xbf16>) outs(%e : tensor<128xf32>) -> tensor<128xf32>
  %1 = qlinear.matvec ins(%v0, %z0 : !v, tensor<512xbf16>) outs(%f : tensor<16xf32>) -> tensor<16xf32>
  %2 = qlinear.matvec ins(%u0, %z0 : !v, tensor<512xbf16>) outs(%f : tensor<16xf32>) -> tensor<16xf32>
  %3 = qlinear.matvec ins(%w1, %x1 : !w, tensor<256xbf16>) outs(%e : tensor<128xf32>) -> tensor<128xf32>
  %4 = qlinear.matvec ins(%v1, %z1 : !v, tensor<512xbf16>) outs(%f : tensor<16xf32>) -> tensor<16xf32>
  %5 = qlinear.matvec ins(%u1, %z1 : !v, tensor<512xbf16>) outs(%f : tensor<16xf32>) -> tensor<16xf32>
  %6 = qlinear.gated_matvec silu ins(%g, %u, %x : !a, !a, tensor<256xbf16>) outs(%h : tensor<32xf32>) -> tensor<32xf32>
  return %0, %1, %2, %3, %4, %5, %6 : tensor<128xf32>, tensor<16xf32>, tensor<16xf32>, tensor<128xf32>, tensor<16xf32>, tensor<16xf32>, tensor<32xf32>
}
// doc: end

// -----

// An argument has less than 2^31 bytes, and a product is in one of them.
!w = !qlinear.packed<2400000x512, #qlinear.q4nx>

// CHECK-LABEL: dataflow.graph @large(
// CHECK-SAME: memref<1536000000xi8>
// CHECK-SAME: weights = array<i64: 0, 0, 768000000>}, {activations = array<i64: 2, 5120, 5120>, {{.*}}weights = array<i64: 0, 768000000, 768000000>}, {{.*}}weights = array<i64: 1, 0, 768000000>}]}}
// CHECK-SAME: memref<768000000xi8>, %{{.*}}: memref<15360xi8>, %{{.*}}: memref<7200000xf32>) {
func.func @large(%a: !w, %b: !w, %c: !w, %x: tensor<512xbf16>)
    -> (tensor<2400000xf32>, tensor<2400000xf32>, tensor<2400000xf32>) {
  %0 = tensor.empty() : tensor<2400000xf32>
  %1 = qlinear.matvec ins(%a, %x : !w, tensor<512xbf16>) outs(%0 : tensor<2400000xf32>) -> tensor<2400000xf32>
  %2 = qlinear.matvec ins(%b, %x : !w, tensor<512xbf16>) outs(%0 : tensor<2400000xf32>) -> tensor<2400000xf32>
  %3 = qlinear.matvec ins(%c, %x : !w, tensor<512xbf16>) outs(%0 : tensor<2400000xf32>) -> tensor<2400000xf32>
  return %1, %2, %3 : tensor<2400000xf32>, tensor<2400000xf32>, tensor<2400000xf32>
}
