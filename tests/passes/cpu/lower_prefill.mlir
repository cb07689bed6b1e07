// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-prefill=vector-bits=512 --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-prefill=vector-bits=256 --canonicalize --cse | FileCheck %s --check-prefix=SMALL
// RUN: not %headrace_opt %s --split-input-file --cpu-lower-prefill=vector-bits=64 2>&1 | FileCheck %s --check-prefix=BITS

// BITS: error: cpu-lower-prefill: expected vector-bits of at least 128, but got 64

// doc: causal
// Four heads share a head of keys: 96 queries are 384 rows, six parts of each of
// two heads of keys. 64 rows and six keys make 24 sums; where registers are
// smaller, 16 rows and six keys.
// CHECK-LABEL: func.func @main(
// CHECK:         call @prefill_96x8x64_of_96x2x64({{.*}}) {headrace.grid = array<i64: 12, 1, 1>}
// CHECK-LABEL: func.func private @prefill_96x8x64_of_96x2x64(
// CHECK-SAME:    %[[Q:[^:]*]]: memref<96x8x64xf32>, %[[K:[^:]*]]: memref<96x2x64xf32>, %[[V:[^:]*]]: memref<96x2x64xf32>
// CHECK:         %[[QUERIES:.*]] = memref.alloca() {{.*}} : memref<1x64x64xf32>
// CHECK:         %[[KEYS:.*]] = memref.alloca() {{.*}} : memref<96x64xf32>
// CHECK-NEXT:    %[[VALUES:.*]] = memref.alloca() {{.*}} : memref<96x64xf32>
// CHECK:         gpu.block_id x
// CHECK-COUNT-16: vector.load %[[Q]]
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c96
// CHECK:           vector.load %[[K]]
// CHECK:           vector.store %{{.*}}, %[[KEYS]]
// CHECK:           vector.load %[[V]]
// CHECK:           vector.store %{{.*}}, %[[VALUES]]
// CHECK:           scf.if
// CHECK:             %[[DOTS:.*]]:24 = scf.for
// CHECK-COUNT-4:       vector.load %[[QUERIES]]
// CHECK:               memref.load %[[KEYS]]
// CHECK-COUNT-24:      vector.fma
// CHECK:               scf.yield
// CHECK:             scf.if
// CHECK-COUNT-24:      arith.select %{{.*}}, %[[DOTS]]#
// CHECK:             } else {
// CHECK-NEXT:          scf.yield %[[DOTS]]#0
// CHECK:             %{{.*}}:24 = scf.for
// CHECK:               memref.load %[[VALUES]]
// CHECK-COUNT-24:      vector.fma
// CHECK-NOT:           arith.select
// CHECK:               scf.yield
// CHECK:             %{{.*}}:24 = scf.for
// CHECK:               arith.cmpi ult, %{{.*}} : vector<16xi32>
// CHECK:               arith.select
// CHECK:               scf.yield
// CHECK-NOT:     qattn
// SMALL-LABEL: func.func private @prefill_96x8x64_of_96x2x64(
// SMALL:         scf.if
// SMALL:           scf.for %{{.*}} = %c0 to %c64 step %c16
// SMALL:             %{{.*}}:6 = scf.for
// SMALL-COUNT-6:       vector.fma
// SMALL:               scf.yield
func.func @main(%q: tensor<96x8x64xf32>, %k: tensor<96x2x64xf32>, %v: tensor<96x2x64xf32>) -> tensor<96x8x64xf32> {
  %init = tensor.empty() : tensor<96x8x64xf32>
  %o = qattn.prefill causal ins(%q, %k, %v : tensor<96x8x64xf32>, tensor<96x2x64xf32>, tensor<96x2x64xf32>)
      outs(%init : tensor<96x8x64xf32>) {scale = 1.250000e-01 : f32} -> tensor<96x8x64xf32>
  return %o : tensor<96x8x64xf32>
}
// doc: end

// -----

// All is seen: nothing is masked. Ten rows are one vector, and 24 keys are scored
// at once; logarithms are stored too.
// CHECK-LABEL: func.func private @prefill_5x2x20_of_100x1x7(
// CHECK-SAME:    %[[LSE:[^:]*]]: memref<5x2xf32>) attributes
// CHECK-NOT:     arith.cmpi ult
// CHECK:         scf.for %{{.*}} step %c96
// CHECK:           %{{.*}}:24 = scf.for
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

// -----

// On tensors there is nothing to lower yet.
// CHECK-LABEL: func.func private @tensors(
// CHECK:         qattn.prefill
func.func private @tensors(%q: tensor<5x2x20xf32>, %k: tensor<5x1x20xf32>) -> tensor<5x2x20xf32> {
  %init = tensor.empty() : tensor<5x2x20xf32>
  %o = qattn.prefill causal ins(%q, %k, %k : tensor<5x2x20xf32>, tensor<5x1x20xf32>, tensor<5x1x20xf32>)
      outs(%init : tensor<5x2x20xf32>) {scale = 0.25 : f32} -> tensor<5x2x20xf32>
  return %o : tensor<5x2x20xf32>
}
