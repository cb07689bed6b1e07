// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-mla-decode=vector-bits=512 --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-mla-decode=vector-bits=256 --canonicalize --cse | FileCheck %s --check-prefix=NARROW

// doc: decode
// 128 heads are two workgroups. Scores have a lane for each head, results one
// for each column; both sum in 16 vectors.
// CHECK-LABEL: func.func @main(
// CHECK:         call @mla_decode_mla_bf16_128x512_of_4096x512x64({{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// NARROW-LABEL: func.func private @mla_decode_mla_bf16_128x512_of_4096x512x64(
// NARROW-DAG:    memref.alloca() {alignment = 64 : i64} : memref<4x576x16xf32>
// NARROW-DAG:    memref.alloca() {alignment = 64 : i64} : memref<66x576xf32>
// NARROW:        %{{.*}}:6 = scf.for %{{.*}} = %c0 to %c576 step %c1
// NARROW-COUNT-6:  vector.fma
// NARROW:          scf.yield
// CHECK-LABEL: func.func private @mla_decode_mla_bf16_128x512_of_4096x512x64(
// CHECK-SAME:    %[[Q:[^:]*]]: memref<128x512xf32>, %[[R:[^:]*]]: memref<128x64xf32>, %[[CACHE:[^:]*]]: memref<4718592xi8>, %{{[^:]*}}: memref<1xi32>, %[[OUT:[^:]*]]: memref<128x512xf32>, %[[LSE:[^:]*]]: memref<128xf32>
// CHECK-DAG:     %[[QUERY:.*]] = memref.alloca() {alignment = 64 : i64} : memref<2x576x32xf32>
// CHECK-DAG:     %[[KEYS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<64x576xf32>
// CHECK:         gpu.block_id x
// CHECK-COUNT-16: vector.load %[[Q]]
// CHECK-COUNT-64: vector.shuffle
// CHECK-COUNT-16: vector.store %{{.*}}, %[[QUERY]]
// CHECK:         scf.for %{{.*}} = %c0 to %{{.*}} step %c64
// CHECK:           vector.load %[[CACHE]]{{.*}} vector<32xi8>
// CHECK:           vector.store %{{.*}}, %[[KEYS]]
// CHECK:           %{{.*}}:16 = scf.for %{{.*}} = %c0 to %c576 step %c1
// CHECK-COUNT-2:     vector.load %[[QUERY]]
// CHECK-COUNT-16:    vector.fma
// CHECK:             scf.yield
// CHECK:           arith.shli
// CHECK:           vector.load %[[OUT]]
// CHECK:           %{{.*}}:16 = scf.for
// CHECK-COUNT-4:     vector.load %[[KEYS]]
// CHECK-COUNT-16:    vector.fma
// CHECK:             scf.yield
// CHECK:           vector.store %{{.*}}, %[[OUT]]
// CHECK:         math.log
// CHECK:         memref.store %{{.*}}, %[[LSE]]
// CHECK-NOT:     qattn
!cache = !qattn.mla_cache<4096x512+64, bf16>
func.func @main(%q: tensor<128x512xf32>, %r: tensor<128x64xf32>, %c: !cache, %length: tensor<1xi32>)
    -> (tensor<128x512xf32>, tensor<128xf32>) {
  %oi = tensor.empty() : tensor<128x512xf32>
  %li = tensor.empty() : tensor<128xf32>
  %o, %lse = qattn.mla_decode ins(%q, %r, %c, %length : tensor<128x512xf32>, tensor<128x64xf32>, !cache, tensor<1xi32>)
      outs(%oi, %li : tensor<128x512xf32>, tensor<128xf32>) {scale = 7.216880e-02 : f32}
      -> tensor<128x512xf32>, tensor<128xf32>
  return %o, %lse : tensor<128x512xf32>, tensor<128xf32>
}
// doc: end

// -----

// The recurrence: scales of the query and of tokens multiply scores, those of
// tokens weights, and weights are rounded. Pages that do not exist are left out
// of the list of slots. Six heads are one vector and tiles of four and two.
!cache = !qattn.mla_cache<256x16+8, fp8_e4m3, layout = paged<32>>
// CHECK-LABEL: func.func @main(
// CHECK:         call @mla_decode_mla_fp8_e4m3_4x6x16_of_256x16x8({{.*}}) {headrace.grid = array<i64: 4, 1, 1>}
// CHECK-LABEL: func.func private @mla_decode_mla_fp8_e4m3_4x6x16_of_256x16x8(
// CHECK-SAME:    %[[SCALE:[^:]*]]: memref<6xf32>, %[[TABLE:[^:]*]]: memref<8xi32>
// CHECK-DAG:     %[[NORM:.*]] = arith.constant dense<4.480000e+02> : vector<16xf32>
// CHECK:         memref.load %[[SCALE]]
// CHECK:         memref.load %[[TABLE]]
// CHECK:         arith.cmpi ult
// CHECK:         %{{.*}}:16 = scf.for
// CHECK:         arith.shli
// CHECK:         arith.divf %{{.*}}, %[[NORM]]
// CHECK:         arith.shrui
// CHECK:         %{{.*}}:4 = scf.for
// CHECK:         %{{.*}}:2 = scf.for
func.func @main(%q: tensor<6x16xi8>, %r: tensor<6x8xf32>, %c: !cache, %length: tensor<1xi32>, %s: tensor<6xf32>, %table: tensor<8xi32>)
    -> (tensor<4x6x16xf32>, tensor<4x6xf32>) {
  %oi = tensor.empty() : tensor<4x6x16xf32>
  %li = tensor.empty() : tensor<4x6xf32>
  %o, %lse = qattn.mla_decode ins(%q, %r, %c, %length q_scale %s table %table : tensor<6x16xi8>, tensor<6x8xf32>, !cache, tensor<1xi32> q_scale tensor<6xf32> table tensor<8xi32>)
      outs(%oi, %li : tensor<4x6x16xf32>, tensor<4x6xf32>) {scale = 0.25 : f32, splits = 4 : i64}
      -> tensor<4x6x16xf32>, tensor<4x6xf32>
  return %o, %lse : tensor<4x6x16xf32>, tensor<4x6xf32>
}
