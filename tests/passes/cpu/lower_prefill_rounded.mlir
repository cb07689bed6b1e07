// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-prefill="vector-bits=512 dot=vnni bf16=avx512" --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-prefill="vector-bits=256 dot=avx2" --canonicalize --cse | FileCheck %s --check-prefix=FLOATS

// doc: words
// Four numbers of 8 bits are a word. Sums of scores start from what the missing
// signs of keys add; those of values are scaled at the end of a block.
// CHECK-LABEL: func.func private @prefill_96x8x64_of_96x2x64_i8(
// CHECK-SAME:    headrace.kernel = {{{.*}}format = "i8"
// CHECK-DAG:     %[[QUERIES:.*]] = memref.alloca() {{.*}} : memref<1x16x64xi32>
// CHECK-DAG:     %[[KEYS:.*]] = memref.alloca() {{.*}} : memref<128x16xi32>
// CHECK-DAG:     %[[VALUES:.*]] = memref.alloca() {{.*}} : memref<32x64xi32>
// CHECK:         gpu.block_id x
// CHECK:         scf.for %{{.*}} step %c128
// CHECK:           memref.prefetch
// CHECK:           vector.reduction <maxui>
// CHECK:           arith.trunci %{{.*}} : vector<16xi32> to vector<16xi8>
// CHECK:           %[[DOTS:.*]]:24 = scf.for %{{.*}} = %c0 to %c16
// CHECK-COUNT-4:     vector.load %[[QUERIES]]
// CHECK:             memref.load %[[KEYS]]
// CHECK-COUNT-24:    llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK:             scf.yield
// CHECK:           arith.sitofp %[[DOTS]]#0
// CHECK:           %[[SUMS:.*]]:24 = scf.for
// CHECK:             memref.load %[[VALUES]]
// CHECK-COUNT-24:    llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK:             scf.yield
// CHECK:           arith.sitofp %[[SUMS]]#0
// CHECK-NOT:     qattn
// FLOATS-LABEL: func.func private @prefill_96x8x64_of_96x2x64_i8(
// FLOATS:         memref.alloca() {{.*}} : memref<128x64xf32>
// FLOATS:         %{{.*}}:6 = scf.for
// FLOATS-COUNT-6:   vector.fma
// FLOATS-NOT:     llvm.call_intrinsic
func.func @main(%q: tensor<96x8x64xf32>, %k: tensor<96x2x64xf32>, %v: tensor<96x2x64xf32>) -> tensor<96x8x64xf32> {
  %init = tensor.empty() : tensor<96x8x64xf32>
  %o = qattn.prefill causal precision = i8 ins(%q, %k, %v : tensor<96x8x64xf32>, tensor<96x2x64xf32>, tensor<96x2x64xf32>)
      outs(%init : tensor<96x8x64xf32>) {scale = 1.250000e-01 : f32} -> tensor<96x8x64xf32>
  return %o : tensor<96x8x64xf32>
}
// doc: end

// -----

// Pairs of bf16: sums are f32 throughout.
// CHECK-LABEL: func.func private @prefill_5x2x20_of_100x1x7_bf16(
// CHECK:         memref.alloca() {{.*}} : memref<128x16xi32>
// CHECK:         arith.trunci %{{.*}} : vector<16xi32> to vector<16xi16>
// CHECK:         llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"
// CHECK-NOT:     arith.sitofp
// FLOATS-LABEL: func.func private @prefill_5x2x20_of_100x1x7_bf16(
// FLOATS-NOT:     llvm.call_intrinsic
func.func @main(%q: tensor<5x2x20xf32>, %k: tensor<100x1x20xf32>, %v: tensor<100x1x7xf32>) -> tensor<5x2x7xf32> {
  %init = tensor.empty() : tensor<5x2x7xf32>
  %o = qattn.prefill bidirectional precision = bf16 ins(%q, %k, %v : tensor<5x2x20xf32>, tensor<100x1x20xf32>, tensor<100x1x7xf32>)
      outs(%init : tensor<5x2x7xf32>) {scale = 0.25 : f32} -> tensor<5x2x7xf32>
  return %o : tensor<5x2x7xf32>
}
