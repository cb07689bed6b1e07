// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-products --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-products=dot=vnni | FileCheck %s --check-prefix=AVX512

// One token: all columns are added to the sums of 512 rows, four at a time.
// CHECK:         call @matvec_q4_0_zigzag512_1000x96_f32({{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @matvec_q4_0_zigzag512_1000x96_f32(
// CHECK-SAME:    %[[W:[^:]*]]: memref<55296xi8>, %[[X:[^:]*]]: memref<96xf32>, %[[Y:[^:]*]]: memref<1000xf32>
// CHECK-SAME:    workgroup_rows = 512
// CHECK:         %[[SUMS:.*]] = memref.alloca() {{.*}} : memref<512xf32>
// CHECK:         scf.for %[[FIRST:.*]] = %c0 to %c96 step %c32
// CHECK:           scf.for %[[AT:.*]] = %[[FIRST]] to %{{.*}} step %c4
// CHECK:             vector.load %[[X]][%[[AT]]]
// CHECK:           scf.for %{{.*}} = %[[FIRST]] to %{{.*}} step %c4
// CHECK:             scf.for %{{.*}} = %c0 to %c2 step %c1
// CHECK:               vector.load %[[SUMS]]
// CHECK:               arith.sitofp
// CHECK:               vector.fma
// CHECK:         vector.maskedstore %[[Y]]
// AVX512-LABEL: func.func private @matvec_q4_0_zigzag512_1000x96_f32(
// AVX512:        llvm.call_intrinsic "llvm.x86.avx512.permvar.sf.512"
!weight = !qlinear.packed<1000x96, #qlinear.zigzag<#qlinear.gguf<q4_0>, band = 512>, padded = 1024x96>
func.func @main(%w: !weight, %x: tensor<96xf32>) -> tensor<1000xf32> {
  %0 = tensor.empty() : tensor<1000xf32>
  %y = qlinear.matvec ins(%w, %x : !weight, tensor<96xf32>) outs(%0 : tensor<1000xf32>) -> tensor<1000xf32>
  return %y : tensor<1000xf32>
}

// -----

// Several tokens: weights of 64 columns go to a tile; six tokens and 64 rows are
// in registers, then the two tokens that are left.
// CHECK-LABEL: func.func private @matmul_q6_k_zigzag_256x96_n8_bf16(
// CHECK-SAME:    %[[W:[^:]*]]: memref<20160xi8>, %[[X:[^:]*]]: memref<8x96xbf16>, %[[Y:[^:]*]]: memref<8x256xf32>
// CHECK-DAG:     %[[TILE:.*]] = memref.alloca() {{.*}} : memref<4x64x64xf32>
// CHECK-DAG:     %[[ACTIVATIONS:.*]] = memref.alloca() {{.*}} : memref<6x64xf32>
// CHECK:         scf.for %[[COL:.*]] = %c0 to %c96 step %c64
// CHECK:           %[[COUNT:.*]] = arith.minui %{{.*}}, %c64
// CHECK:           vector.load %[[W]]
// CHECK-COUNT-16:  vector.store %{{.*}}, %[[TILE]]
// CHECK:           vector.store %{{.*}}, %[[ACTIVATIONS]]
// CHECK:           vector.load %[[Y]]
// CHECK:           scf.for %{{.*}} = %c0 to %[[COUNT]] step %c1 iter_args({{.*}}) -> (vector<16xf32>
// CHECK-COUNT-4:     vector.load %[[TILE]]
// CHECK-COUNT-24:    vector.fma
// CHECK-COUNT-24:  vector.store %{{.*}}, %[[Y]]
// CHECK:           scf.for
// CHECK-COUNT-8:     vector.fma
// CHECK-NOT:         vector.fma
!weight = !qlinear.packed<256x96, #qlinear.zigzag<#qlinear.gguf<q6_k>, band = 256>>
func.func @main(%w: !weight, %x: tensor<8x96xbf16>) -> tensor<8x256xf32> {
  %0 = tensor.empty() : tensor<8x256xf32>
  %y = qlinear.matmul ins(%w, %x : !weight, tensor<8x96xbf16>) outs(%0 : tensor<8x256xf32>) -> tensor<8x256xf32>
  return %y : tensor<8x256xf32>
}

// -----

// Packed activations become f32 by their scales; rows behind the end stay.
// CHECK-LABEL: func.func private @matmul_q8_0_zigzag_300x128_n1_i8(
// CHECK:         arith.extsi %{{.*}} : vector<16xi8> to vector<16xi32>
// CHECK:         vector.maskedload
// CHECK:         vector.maskedstore
!weight = !qlinear.packed<300x128, #qlinear.zigzag<#qlinear.gguf<q8_0>, band = 256>, padded = 512x128>
!act = !qlinear.packed<1x128, #qlinear.act_i8>
func.func @main(%w: !weight, %x: !act) -> tensor<1x300xf32> {
  %0 = tensor.empty() : tensor<1x300xf32>
  %y = qlinear.matmul ins(%w, %x : !weight, !act) outs(%0 : tensor<1x300xf32>) -> tensor<1x300xf32>
  return %y : tensor<1x300xf32>
}

// -----

// A gated product adds the columns of gate, then those of up, each to sums of
// its own; silu(gate) * up is stored.
// CHECK:         call @gated_matvec_q4_k_zigzag512_900x96_silu_f32({{.*}}) {headrace.grid = array<i64: 2, 1, 1>}
// CHECK-LABEL: func.func private @gated_matvec_q4_k_zigzag512_900x96_silu_f32(
// CHECK-SAME:    %[[G:[^:]*]]: memref<55296xi8>, %[[U:[^:]*]]: memref<55296xi8>, %[[X:[^:]*]]: memref<96xf32>, %[[Y:[^:]*]]: memref<900xf32>
// CHECK-SAME:    workgroup_rows = 512
// CHECK:         scf.for %[[FIRST:.*]] = %c0 to %c96 step %c32
// CHECK:           vector.load %[[G]]
// CHECK:           vector.fma
// CHECK:         scf.for %[[AGAIN:.*]] = %c0 to %c96 step %c32
// CHECK:           vector.load %[[U]]
// CHECK:           vector.fma
// CHECK:         scf.for
// CHECK:           %[[GATE:.*]] = arith.addf
// CHECK:           %[[UP:.*]] = arith.addf
// CHECK:           math.exp
// CHECK:           %[[ACT:.*]] = arith.divf %[[GATE]]
// CHECK:           %[[BOTH:.*]] = arith.mulf %[[ACT]], %[[UP]]
// CHECK:           vector.maskedstore %[[Y]][%{{.*}}], %{{.*}}, %[[BOTH]]
!weight = !qlinear.packed<900x96, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 512>, padded = 1024x96>
func.func @main(%g: !weight, %u: !weight, %x: tensor<96xf32>) -> tensor<900xf32> {
  %0 = tensor.empty() : tensor<900xf32>
  %y = qlinear.gated_matvec silu ins(%g, %u, %x : !weight, !weight, tensor<96xf32>) outs(%0 : tensor<900xf32>) -> tensor<900xf32>
  return %y : tensor<900xf32>
}
