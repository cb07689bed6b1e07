// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-decode --canonicalize --cse | FileCheck %s

// doc: decode
// A workgroup for each head of keys. Four heads of queries and four tokens make
// 16 sums; each vector of keys is loaded once for the four.
// CHECK-LABEL: func.func @main(
// CHECK:         call @decode_kv_f16_8x64_of_4096x2({{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @decode_kv_f16_8x64_of_4096x2(
// CHECK-SAME:    %[[Q:[^:]*]]: memref<8x64xf32>, %[[CACHE:[^:]*]]: memref<2097152xi8>
// CHECK:         %[[GROUP:.*]] = gpu.block_id x
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c32
// CHECK:           %{{.*}}:16 = scf.for
// CHECK-COUNT-4:     vector.load %[[CACHE]]
// CHECK-COUNT-16:    vector.fma
// CHECK:             scf.yield
// CHECK:           arith.shli %{{.*}} : vector<16xi32>
// CHECK:           %{{.*}}:16 = scf.for
// CHECK-COUNT-16:    vector.fma
// CHECK:         math.log
// CHECK-NOT:     qattn
func.func @main(%q: tensor<8x64xf32>, %c: !qattn.kv_cache<4096x2x64, f16>, %length: tensor<1xi32>)
    -> (tensor<8x64xf32>, tensor<8xf32>) {
  %oi = tensor.empty() : tensor<8x64xf32>
  %li = tensor.empty() : tensor<8xf32>
  %o, %lse = qattn.decode ins(%q, %c, %length : tensor<8x64xf32>, !qattn.kv_cache<4096x2x64, f16>, tensor<1xi32>)
      outs(%oi, %li : tensor<8x64xf32>, tensor<8xf32>) {scale = 1.250000e-01 : f32}
      -> tensor<8x64xf32>, tensor<8xf32>
  return %o, %lse : tensor<8x64xf32>, tensor<8xf32>
}
// doc: end

// -----

// A workgroup for each part. What a table does not name is left out of the list
// of slots; scales multiply scores and weights.
!cache = !qattn.kv_cache<256x1x16, i8, scale = per_token, layout = paged<32>>
// CHECK-LABEL: func.func @main(
// CHECK:         call @decode_kv_i8_4x1x16_of_256x1({{.*}}) {headrace.grid = array<i64: 4, 1, 1>}
// CHECK-LABEL: func.func private @decode_kv_i8_4x1x16_of_256x1(
// CHECK-SAME:    %[[TABLE:[^:]*]]: memref<8xi32>
// CHECK:         memref.load %[[TABLE]]
// CHECK:         %[[EXISTS:.*]] = arith.cmpi ult
// CHECK:         arith.select
// CHECK:         arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
func.func @main(%q: tensor<1x16xf32>, %c: !cache, %length: tensor<1xi32>, %table: tensor<8xi32>)
    -> (tensor<4x1x16xf32>, tensor<4x1xf32>) {
  %oi = tensor.empty() : tensor<4x1x16xf32>
  %li = tensor.empty() : tensor<4x1xf32>
  %o, %lse = qattn.decode ins(%q, %c, %length table %table : tensor<1x16xf32>, !cache, tensor<1xi32>, tensor<8xi32>)
      outs(%oi, %li : tensor<4x1x16xf32>, tensor<4x1xf32>) {scale = 0.25 : f32, splits = 4 : i64}
      -> tensor<4x1x16xf32>, tensor<4x1xf32>
  return %o, %lse : tensor<4x1x16xf32>, tensor<4x1xf32>
}
