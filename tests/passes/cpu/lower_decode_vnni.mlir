// RUN: %headrace_opt %s --cpu-form-kernels "--cpu-lower-decode=dot=vnni" --canonicalize --cse | FileCheck %s

// Eight queries of two heads of keys: four at a time in three limbs. Keys of 16
// tokens are transposed; a tile of scores has twelve sums, half a line of results
// 24. Where limbs cannot hold the numbers, both are computed in floats.
!cache = !qattn.kv_cache<4096x2x128, i8, scale = per_token>

// CHECK-LABEL: func.func private @decode_kv_i8_3x8x128_of_4096x2(
// CHECK-DAG:     memref.alloca() {{.*}} : memref<8x3x128xi8>
// CHECK-DAG:     memref.alloca() {{.*}} : memref<8x512xi8>
// CHECK:         arith.fptosi
// CHECK:         scf.for %{{.*}} step %c128
// CHECK:           scf.if
// CHECK:             vector.shuffle {{.*}} : vector<16xi32>, vector<16xi32>
// CHECK:             %{{.*}}:12 = scf.for
// CHECK-COUNT-24:      llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK:               scf.yield
// CHECK:           } else {
// CHECK:             %{{.*}}:16 = scf.for
// CHECK:               arith.sitofp
// CHECK:           scf.if
// CHECK:             %{{.*}}:24 = scf.for
// CHECK-COUNT-2:       vector.shuffle {{.*}} : vector<64xi8>, vector<64xi8>
// CHECK-COUNT-2:       vector.shuffle {{.*}} : vector<32xi16>, vector<32xi16>
// CHECK-COUNT-24:      llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK:             %{{.*}}:24 = scf.for
// CHECK:           } else {
// CHECK:             %{{.*}}:16 = scf.for
// CHECK:         math.log
func.func @main(%q: tensor<8x128xf32>, %c: !cache, %length: tensor<1xi32>)
    -> (tensor<3x8x128xf32>, tensor<3x8xf32>) {
  %oi = tensor.empty() : tensor<3x8x128xf32>
  %li = tensor.empty() : tensor<3x8xf32>
  %o, %lse = qattn.decode ins(%q, %c, %length : tensor<8x128xf32>, !cache, tensor<1xi32>)
      outs(%oi, %li : tensor<3x8x128xf32>, tensor<3x8xf32>) {scale = 1.250000e-01 : f32, splits = 3 : i64}
      -> tensor<3x8x128xf32>, tensor<3x8xf32>
  return %o, %lse : tensor<3x8x128xf32>, tensor<3x8xf32>
}
