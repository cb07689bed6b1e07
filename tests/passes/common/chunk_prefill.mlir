// RUN: %headrace_opt %s --chunk-prefill=queries=16 --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,QUERIES
// RUN: %headrace_opt %s --chunk-prefill="queries=16 keys=32" --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,KEYS
// RUN: %headrace_opt %s --chunk-prefill --canonicalize --cse | FileCheck %s --check-prefix=NONE

// NONE-NOT: scf.for

// Four whole chunks and one of three queries, each with the token it begins at.
// CHECK-LABEL: func @causal(
// CHECK-SAME: %[[Q:[a-z0-9]+]]: tensor<67x4x8xf32>, %[[K:[a-z0-9]+]]: tensor<67x2x8xf32>, %[[V:[a-z0-9]+]]: tensor<67x2x8xf32>, %[[INIT:[a-z0-9]+]]: tensor<67x4x8xf32>
// QUERIES: %[[LAST:.*]] = arith.constant dense<64> : tensor<1xi32>
// QUERIES: %[[R:.*]] = scf.for %[[I:.*]] = %c0 to %c64 step %c16 iter_args(%[[ALL:.*]] = %[[INIT]])
// QUERIES: %[[QI:.*]] = tensor.extract_slice %[[Q]][%[[I]], 0, 0] [16, 4, 8]
// QUERIES: %[[OI:.*]] = tensor.extract_slice %[[ALL]][%[[I]], 0, 0] [16, 4, 8]
// QUERIES: %[[AT:.*]] = arith.index_cast %[[I]] : index to i32
// QUERIES: %[[OFFSET:.*]] = tensor.from_elements %[[AT]]
// QUERIES: %[[P:.*]] = qattn.prefill causal ins(%[[QI]], %[[K]], %[[V]] offset %[[OFFSET]] : {{.*}}) outs(%[[OI]] : tensor<16x4x8xf32>) {scale = 5.000000e-01 : f32}
// QUERIES: tensor.insert_slice %[[P]] into %[[ALL]][%[[I]], 0, 0] [16, 4, 8]
// QUERIES: %[[QL:.*]] = tensor.extract_slice %[[Q]][64, 0, 0] [3, 4, 8]
// QUERIES: qattn.prefill causal ins(%[[QL]], %[[K]], %[[V]] offset %[[LAST]] : {{.*}}) outs(%{{.*}} : tensor<3x4x8xf32>)
// QUERIES: tensor.insert_slice %{{.*}} into %[[R]][64, 0, 0] [3, 4, 8]

// Chunks of keys up to the last that the chunk of queries sees; a running result.
// KEYS: scf.for %[[I:.*]] = %c0 to %c64 step %c16
// KEYS: %[[BEHIND:.*]] = arith.addi %[[I]], %c16
// KEYS: %[[POSITIVE:.*]] = arith.maxsi %[[BEHIND]], %c0
// KEYS: %[[END:.*]] = arith.minsi %[[POSITIVE]], %c67
// KEYS: %[[NOTHING:.*]] = linalg.fill ins(%cst{{.*}}) outs(%{{.*}} : tensor<16x4x8xf32>)
// KEYS: %[[MINUS:.*]] = linalg.fill ins(%cst{{.*}}) outs(%{{.*}} : tensor<16x4xf32>)
// KEYS: %[[BOUND:.*]] = arith.minsi %[[END]], %c64
// KEYS: scf.for %[[J:.*]] = %c0 to %[[BOUND]] step %c32 iter_args(%[[O:.*]] = %[[NOTHING]], %[[L:.*]] = %[[MINUS]])
// KEYS: tensor.extract_slice %[[K]][%[[J]], 0, 0] [32, 2, 8]
// KEYS: arith.subi %[[I]], %[[J]]
// KEYS: %[[P:.*]]:2 = qattn.prefill causal
// KEYS: tensor.insert_slice %[[O]] into %{{.*}}[0, 0, 0, 0] [1, 16, 4, 8]
// KEYS: tensor.insert_slice %[[P]]#0 into %{{.*}}[1, 0, 0, 0] [1, 16, 4, 8]
// KEYS: tensor.insert_slice %[[L]] into %{{.*}}[0, 0, 0] [1, 16, 4]
// KEYS: tensor.insert_slice %[[P]]#1 into %{{.*}}[1, 0, 0] [1, 16, 4]
// KEYS: qattn.merge_partials
// KEYS: %[[SEEN:.*]] = arith.cmpi sgt, %[[END]], %c64
// KEYS: scf.if %[[SEEN]]
// KEYS: tensor.extract_slice %[[K]][64, 0, 0] [3, 2, 8]
// doc: queries
func.func @causal(%q: tensor<67x4x8xf32>, %k: tensor<67x2x8xf32>, %v: tensor<67x2x8xf32>, %init: tensor<67x4x8xf32>)
    -> tensor<67x4x8xf32> {
  %o = qattn.prefill causal ins(%q, %k, %v : tensor<67x4x8xf32>, tensor<67x2x8xf32>, tensor<67x2x8xf32>)
      outs(%init : tensor<67x4x8xf32>) {scale = 5.000000e-01 : f32} -> tensor<67x4x8xf32>
  return %o : tensor<67x4x8xf32>
}
// doc: end

// A window of 20 begins 19 tokens before the first query of a chunk.
// CHECK-LABEL: func @window(
// KEYS: scf.for %[[I:.*]] = %c0 to %c64 step %c16
// KEYS: %[[BEGIN:.*]] = arith.addi %[[I]], %c-19
// KEYS: %[[FIRST:.*]] = arith.maxsi %[[BEGIN]], %c0
// KEYS: %[[CHUNK:.*]] = arith.divui %{{.*}}, %c32
// KEYS: %[[AT:.*]] = arith.muli %[[CHUNK]], %c32
// KEYS: scf.for %{{.*}} = %[[AT]] to
// KEYS: qattn.prefill causal {{.*}}window = 20 : i64
// doc: keys
func.func @window(%q: tensor<64x4x8xf32>, %k: tensor<64x2x8xf32>, %v: tensor<64x2x8xf32>, %init: tensor<64x4x8xf32>)
    -> tensor<64x4x8xf32> {
  %o = qattn.prefill causal ins(%q, %k, %v : tensor<64x4x8xf32>, tensor<64x2x8xf32>, tensor<64x2x8xf32>)
      outs(%init : tensor<64x4x8xf32>) {scale = 5.000000e-01 : f32, window = 20 : i64} -> tensor<64x4x8xf32>
  return %o : tensor<64x4x8xf32>
}
// doc: end

// Every query sees all keys: the bounds are numbers.
// CHECK-LABEL: func @bidirectional(
// KEYS: scf.for %{{.*}} = %c0 to %c64 step %c16
// KEYS: scf.for %{{.*}} = %c0 to %c96 step %c32
// KEYS-NOT: scf.if
// KEYS: return
func.func @bidirectional(%q: tensor<64x4x8xf32>, %k: tensor<96x2x8xf32>, %v: tensor<96x2x8xf32>, %o: tensor<64x4x8xf32>,
                         %l: tensor<64x4xf32>) -> (tensor<64x4x8xf32>, tensor<64x4xf32>) {
  %r:2 = qattn.prefill bidirectional ins(%q, %k, %v : tensor<64x4x8xf32>, tensor<96x2x8xf32>, tensor<96x2x8xf32>)
      outs(%o, %l : tensor<64x4x8xf32>, tensor<64x4xf32>) {scale = 5.000000e-01 : f32} -> tensor<64x4x8xf32>, tensor<64x4xf32>
  return %r#0, %r#1 : tensor<64x4x8xf32>, tensor<64x4xf32>
}

// What fits into one chunk, or is on memrefs, stays.
// CHECK-LABEL: func @stay(
// CHECK-NOT: scf.for
// CHECK-NOT: offset
// CHECK: return
func.func @stay(%q: tensor<16x4x8xf32>, %k: tensor<16x2x8xf32>, %v: tensor<16x2x8xf32>, %init: tensor<16x4x8xf32>,
                %qm: memref<64x4x8xf32>, %km: memref<64x2x8xf32>, %vm: memref<64x2x8xf32>, %om: memref<64x4x8xf32>)
    -> tensor<16x4x8xf32> {
  %o = qattn.prefill causal ins(%q, %k, %v : tensor<16x4x8xf32>, tensor<16x2x8xf32>, tensor<16x2x8xf32>)
      outs(%init : tensor<16x4x8xf32>) {scale = 5.000000e-01 : f32} -> tensor<16x4x8xf32>
  qattn.prefill causal ins(%qm, %km, %vm : memref<64x4x8xf32>, memref<64x2x8xf32>, memref<64x2x8xf32>)
      outs(%om : memref<64x4x8xf32>) {scale = 5.000000e-01 : f32}
  return %o : tensor<16x4x8xf32>
}

// Chunks have the precision of the whole.
// CHECK-LABEL: func @precision(
// CHECK: qattn.prefill causal precision = i8 ins(
func.func @precision(%q: tensor<64x2x8xf32>, %k: tensor<256x2x8xf32>, %v: tensor<256x2x8xf32>, %o: tensor<64x2x8xf32>) -> tensor<64x2x8xf32> {
  %r = qattn.prefill causal precision = i8 ins(%q, %k, %v : tensor<64x2x8xf32>, tensor<256x2x8xf32>, tensor<256x2x8xf32>)
      outs(%o : tensor<64x2x8xf32>) {scale = 5.000000e-01 : f32} -> tensor<64x2x8xf32>
  return %r : tensor<64x2x8xf32>
}
