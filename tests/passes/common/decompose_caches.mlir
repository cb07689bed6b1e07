// RUN: %headrace_opt %s -split-input-file -decompose-qattn | FileCheck %s
// RUN: %headrace_opt %s -split-input-file -decompose-qattn -canonicalize \
// RUN:   -one-shot-bufferize='bufferize-function-boundaries=true function-boundary-type-conversion=identity-layout-map' \
// RUN:   | FileCheck %s --check-prefix=BUFFER

// Values that have no slot read as zeros.
// CHECK-LABEL: func @fetch
// CHECK-SAME:    %[[C:.*]]: tensor<8192xi8>, %[[START:.*]]: tensor<1xi32>
// CHECK:         %[[FIRST:.*]] = arith.index_cast %{{.*}} : i32 to index
// CHECK:         linalg.generic
// CHECK:           %[[N:.*]] = linalg.index 0
// CHECK:           %[[TOKEN:.*]] = arith.addi %[[FIRST]], %[[N]]
// CHECK:           %[[VALID:.*]] = arith.cmpi ult, %[[TOKEN]]
// CHECK:           tensor.extract %[[C]]
// CHECK:           %[[SEEN:.*]] = arith.select %[[VALID]], %{{.*}}, %{{.*}} : f32
// CHECK:           linalg.yield %[[SEEN]]
// CHECK-NOT:     qattn
// doc: fetch
func.func @fetch(%c: !qattn.kv_cache<64x2x16, bf16>, %start: tensor<1xi32>,
                 %ki: tensor<4x2x16xf32>, %vi: tensor<4x2x16xf32>)
    -> (tensor<4x2x16xf32>, tensor<4x2x16xf32>) {
  %k, %v = qattn.fetch_kv ins(%c, %start : !qattn.kv_cache<64x2x16, bf16>, tensor<1xi32>)
      outs(%ki, %vi : tensor<4x2x16xf32>, tensor<4x2x16xf32>)
      -> tensor<4x2x16xf32>, tensor<4x2x16xf32>
  return %k, %v : tensor<4x2x16xf32>, tensor<4x2x16xf32>
}
// doc: end

// -----

// One loop over the new tokens; each writes its keys and values where its slot
// is, and what was there where it has none. No copy of the cache is made.
// CHECK-LABEL: func @append
// CHECK-SAME:    %[[C:[^:]*]]: tensor<8192xi8>
// CHECK:         scf.for {{.*}} iter_args(%[[OLD:.*]] = %[[C]]) -> (tensor<8192xi8>)
// CHECK:           %[[PAGE:.*]] = tensor.extract %{{.*}} : tensor<4xi32>
// CHECK-COUNT-2:   tensor.insert_slice
// CHECK:           scf.yield
// BUFFER-LABEL: func @append
// BUFFER-NOT:     memref.alloc() {{.*}}memref<8192xi8>
// BUFFER-NOT:     memref.copy %{{.*}} : memref<8192xi8
// BUFFER:         return
func.func @append(%k: tensor<3x2x16xf32>, %v: tensor<3x2x16xf32>,
                  %c: !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>,
                  %position: tensor<1xi32>, %table: tensor<4xi32>)
    -> !qattn.kv_cache<64x2x16, bf16, layout = paged<16>> {
  %new = qattn.append_kv %k, %v into %c at %position table %table
      : tensor<3x2x16xf32>, tensor<3x2x16xf32>, !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>,
        tensor<1xi32>, tensor<4xi32> -> !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>
  return %new : !qattn.kv_cache<64x2x16, bf16, layout = paged<16>>
}

// -----

// Keys and values with scales: four pieces a token.
// CHECK-LABEL: func @append_scaled
// CHECK:         scf.for
// CHECK-COUNT-4:   tensor.insert_slice
// CHECK:           scf.yield
func.func @append_scaled(%k: tensor<1x2x16xf32>, %v: tensor<1x2x16xf32>,
                         %c: !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = ring>,
                         %position: tensor<1xi32>)
    -> !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = ring> {
  %new = qattn.append_kv %k, %v into %c at %position
      : tensor<1x2x16xf32>, tensor<1x2x16xf32>, !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = ring>,
        tensor<1xi32> -> !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = ring>
  return %new : !qattn.kv_cache<64x2x16, i8, scale = per_token, layout = ring>
}

// -----

// A cache that a loop carries becomes bytes there too.
// CHECK-LABEL: func @loop
// CHECK:         scf.for {{.*}} -> (tensor<1152xi8>)
// CHECK:           tensor.insert_slice
func.func @loop(%content: tensor<1x16xf32>, %rope: tensor<1x2xf32>,
                %c: !qattn.mla_cache<16x16+2, f32>, %position: tensor<1xi32>)
    -> !qattn.mla_cache<16x16+2, f32> {
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %four = arith.constant 4 : index
  %new = scf.for %i = %zero to %four step %one iter_args(%old = %c) -> (!qattn.mla_cache<16x16+2, f32>) {
    %next = qattn.append_mla %content, %rope into %old at %position
        : tensor<1x16xf32>, tensor<1x2xf32>, !qattn.mla_cache<16x16+2, f32>, tensor<1xi32>
        -> !qattn.mla_cache<16x16+2, f32>
    scf.yield %next : !qattn.mla_cache<16x16+2, f32>
  }
  return %new : !qattn.mla_cache<16x16+2, f32>
}
