// RUN: %headrace_opt %s "--choose-kernel=density=0.25 read-bandwidth=50 dense-gops=200 lookup-gops=2048" --sparsify-activations --lower-lut-matvec | FileCheck %s

// What choose-kernel decides, the passes behind it carry out.

!zigzag = !qlinear.packed<4096x4096, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
!rows = !qlinear.packed<4096x4096, #qlinear.gguf<q4_k>>
!tables = !qlinear.packed<4096x4096, #qlinear.codebook<dim = 2, entries = 16, group = 512, table = i4, activation_entries = 64>>

// CHECK-LABEL: func @main(
// CHECK-SAME: %[[Z:[a-z0-9]+]]: !qlinear{{[^%]*}} %[[R:[a-z0-9]+]]: !qlinear
// CHECK: qlinear.select_columns
// CHECK: qlinear.sparse_matvec ins(%[[Z]],
// CHECK: qlinear.matvec ins(%[[R]], {{.*}}headrace.kernel = "dense"
// CHECK: qlinear.assign_centroids
// CHECK: qlinear.lut_matvec
func.func @main(%z: !zigzag, %r: !rows, %t: !tables, %x: tensor<4096xf32>, %o: tensor<4096xf32>,
                %xs: tensor<128x4096xf32>, %os: tensor<128x4096xf32>) -> (tensor<4096xf32>, tensor<4096xf32>, tensor<128x4096xf32>) {
  %0 = qlinear.matvec ins(%z, %x : !zigzag, tensor<4096xf32>) outs(%o : tensor<4096xf32>) {headrace.threshold = 0.5 : f32} -> tensor<4096xf32>
  %1 = qlinear.matvec ins(%r, %x : !rows, tensor<4096xf32>) outs(%o : tensor<4096xf32>) {headrace.threshold = 0.5 : f32} -> tensor<4096xf32>
  %2 = qlinear.matmul ins(%t, %xs : !tables, tensor<128x4096xf32>) outs(%os : tensor<128x4096xf32>) -> tensor<128x4096xf32>
  return %0, %1, %2 : tensor<4096xf32>, tensor<4096xf32>, tensor<128x4096xf32>
}
