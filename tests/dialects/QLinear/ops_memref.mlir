// RUN: %headrace_opt %s | FileCheck %s
// RUN: %headrace_opt %s --mlir-print-op-generic | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,OPTIMIZED

// Every operation in its memref form: no result, and it stays where it writes.

!q8_0 = !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
!act = !qlinear.packed<1x64, #qlinear.act_i8>

// CHECK-LABEL: func @kernels
// CHECK: %[[W:.*]] = qlinear.from_bytes %{{.*}} : memref<272xi8> to !qlinear.packed<4x64, #qlinear.gguf<q8_0>>
// CHECK: %[[Q:.*]] = qlinear.from_bytes %{{.*}} : memref<80xi8> to !qlinear.packed<1x64, #qlinear.act_i8>
// CHECK: qlinear.quantize %{{.*}} into %[[Q]] : memref<64xf32>, !qlinear.packed<1x64, #qlinear.act_i8>{{$}}
// CHECK: qlinear.matvec ins(%[[W]], %[[Q]] : {{.*}}) outs(%{{.*}} : memref<4xf32>){{$}}
// CHECK: qlinear.matmul ins(%[[W]], %{{.*}} : {{.*}}, memref<3x64xbf16>) outs(%{{.*}} : memref<3x4xf32>){{$}}
// CHECK: qlinear.gated_matvec silu ins(%[[W]], %[[W]], %{{.*}} : {{.*}}, memref<64xf32>) outs(%{{.*}} : memref<4xf32>){{$}}
// CHECK: qlinear.dequantize ins(%[[W]] : {{.*}}) outs(%{{.*}} : memref<4x64xf32>){{$}}
func.func @kernels(%bytes: memref<272xi8>, %qbytes: memref<80xi8>, %x: memref<64xf32>,
                   %xs: memref<3x64xbf16>, %y: memref<4xf32>, %ys: memref<3x4xf32>,
                   %d: memref<4x64xf32>) {
  %w = qlinear.from_bytes %bytes : memref<272xi8> to !q8_0
  %q = qlinear.from_bytes %qbytes : memref<80xi8> to !act
  qlinear.quantize %x into %q : memref<64xf32>, !act
  qlinear.matvec ins(%w, %q : !q8_0, !act) outs(%y : memref<4xf32>)
  qlinear.matmul ins(%w, %xs : !q8_0, memref<3x64xbf16>) outs(%ys : memref<3x4xf32>)
  qlinear.gated_matvec silu ins(%w, %w, %x : !q8_0, !q8_0, memref<64xf32>) outs(%y : memref<4xf32>)
  qlinear.dequantize ins(%w : !q8_0) outs(%d : memref<4x64xf32>)
  return
}

// On tensors an unused product is dead, and equal products are one.
// OPTIMIZED-LABEL: func @pure
// OPTIMIZED: = qlinear.matvec
// OPTIMIZED-NOT: = qlinear.
// OPTIMIZED: return
func.func @pure(%w: !q8_0, %x: tensor<64xf32>, %o: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %0 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %1 = qlinear.matvec ins(%w, %x : !q8_0, tensor<64xf32>) outs(%o : tensor<4xf32>) -> tensor<4xf32>
  %2 = qlinear.quantize %x : tensor<64xf32> to !act
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
