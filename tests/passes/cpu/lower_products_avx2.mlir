// RUN: %headrace_opt %s --cpu-lower-products=dot=avx2 --canonicalize --cse | FileCheck %s --implicit-check-not=vpdpbusd

// Two products of up to 7 bits times 8 bits fit 16 bits: added there.
// CHECK-LABEL: func.func @nibbles(
// CHECK-DAG: %[[ONES:.*]] = arith.constant dense<1> : vector<16xi16>
// CHECK: scf.for
// CHECK: scf.for
// CHECK: %[[HALF:.*]] = vector.shuffle %{{.*}} [0, 1, {{.*}}, 31] : vector<64xi8>, vector<64xi8>
// CHECK: %[[TWO:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"(%[[HALF]], %{{.*}}) : (vector<32xi8>, vector<32xi8>) -> vector<16xi16>
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[TWO]], %[[ONES]]) : (vector<16xi16>, vector<16xi16>) -> vector<8xi32>
func.func @nibbles(%bytes: memref<1152xi8>, %q: memref<640xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1152xi8> to !qlinear.packed<4x512, #qlinear.gguf<q4_0>>
  %x = qlinear.from_bytes %q : memref<640xi8> to !qlinear.packed<1x512, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x512, #qlinear.gguf<q4_0>>, !qlinear.packed<1x512, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}

// 8 bits times 8 bits do not: even and odd columns as 16 bits.
// CHECK-LABEL: func.func @bytes(
// CHECK-NOT: pmadd.ub.sw
// CHECK: %[[EVEN:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK: %[[ODD:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// CHECK: arith.addi %[[EVEN]], %[[ODD]] : vector<8xi32>
func.func @bytes(%bytes: memref<1088xi8>, %q: memref<320xi8>, %y: memref<4xf32>) attributes {headrace.kernel = {workgroup_rows = 32 : i64}} {
  %w = qlinear.from_bytes %bytes : memref<1088xi8> to !qlinear.packed<4x256, #qlinear.gguf<q8_0>>
  %x = qlinear.from_bytes %q : memref<320xi8> to !qlinear.packed<1x256, #qlinear.act_i8>
  qlinear.matvec ins(%w, %x : !qlinear.packed<4x256, #qlinear.gguf<q8_0>>, !qlinear.packed<1x256, #qlinear.act_i8>) outs(%y : memref<4xf32>)
  return
}
