// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-prefill --canonicalize --cse | FileCheck %s

// doc: causal
// Four heads share a head of keys: 96 queries are 384 rows, six blocks for each
// of two heads of keys. Four keys and 64 rows make 16 sums.
// CHECK-LABEL: func.func @main(
// CHECK:         call @prefill_96x8x64_of_96x2x64({{.*}}) {headrace.grid = array<i64: 12, 1, 1>}
// CHECK-LABEL: func.func private @prefill_96x8x64_of_96x2x64(
// CHECK-SAME:    %[[Q:[^:]*]]: memref<96x8x64xf32>, %[[K:[^:]*]]: memref<96x2x64xf32>, %[[V:[^:]*]]: memref<96x2x64xf32>
// CHECK:         %[[QUERIES:.*]] = memref.alloca() {{.*}} : memref<64x64xf32>
// CHECK:         gpu.block_id x
// CHECK-COUNT-16: vector.load %[[Q]]
// CHECK:         scf.for %{{.*}} = %c0 to %[[ALL_SEE:.*]] step %c64
// CHECK:           %{{.*}}:16 = scf.for
// CHECK-COUNT-4:     vector.load %[[QUERIES]]
// CHECK:             memref.load %[[K]]
// CHECK-COUNT-16:    vector.fma
// CHECK:             scf.yield
// CHECK-NOT:       arith.cmpi ult
// CHECK:           %{{.*}}:16 = scf.for
// CHECK:             memref.load %[[V]]
// CHECK-COUNT-16:    vector.fma
// CHECK:             scf.yield
// CHECK:         scf.for %{{.*}} = %[[ALL_SEE]] to %{{.*}} step %c64
// CHECK:           arith.cmpi ult, %{{.*}} : vector<16xi32>
// CHECK-NOT:     qattn
func.func @main(%q: tensor<96x8x64xf32>, %k: tensor<96x2x64xf32>, %v: tensor<96x2x64xf32>) -> tensor<96x8x64xf32> {
  %init = tensor.empty() : tensor<96x8x64xf32>
  %o = qattn.prefill causal ins(%q, %k, %v : tensor<96x8x64xf32>, tensor<96x2x64xf32>, tensor<96x2x64xf32>)
      outs(%init : tensor<96x8x64xf32>) {scale = 1.250000e-01 : f32} -> tensor<96x8x64xf32>
  return %o : tensor<96x8x64xf32>
}
// doc: end

// -----

// All is seen: nothing is masked. Ten rows are one vector, and 16 keys are scored
// at once; logarithms are stored too.
// CHECK-LABEL: func.func private @prefill_5x2x20_of_100x1x7(
// CHECK-SAME:    %[[LSE:[^:]*]]: memref<5x2xf32>) attributes
// CHECK-NOT:     arith.cmpi ult
// CHECK:         scf.for %{{.*}} step %c64
// CHECK:           math.tanh
// CHECK:         math.log
// CHECK:         memref.store %{{.*}}, %[[LSE]]
func.func @main(%q: tensor<5x2x20xf32>, %k: tensor<100x1x20xf32>, %v: tensor<100x1x7xf32>)
    -> (tensor<5x2x7xf32>, tensor<5x2xf32>) {
  %oi = tensor.empty() : tensor<5x2x7xf32>
  %li = tensor.empty() : tensor<5x2xf32>
  %o, %lse = qattn.prefill bidirectional ins(%q, %k, %v : tensor<5x2x20xf32>, tensor<100x1x20xf32>, tensor<100x1x7xf32>)
      outs(%oi, %li : tensor<5x2x7xf32>, tensor<5x2xf32>) {scale = 0.25 : f32, softcap = 20.0 : f32}
      -> tensor<5x2x7xf32>, tensor<5x2xf32>
  return %o, %lse : tensor<5x2x7xf32>, tensor<5x2xf32>
}
