// RUN: %headrace translate %s --to msl --no-lower | FileCheck %s

// Loops, branches and memory of a threadgroup.

// CHECK-LABEL: kernel void flow(
func.func private @flow(%x: memref<64xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  %one = arith.constant 1.0 : f32
  %t = gpu.thread_id x
  // CHECK: threadgroup float shared_memory[64];
  %m = memref.alloca() : memref<64xf32, #gpu.address_space<workgroup>>
  // CHECK: float local[4];
  %p = memref.alloca() : memref<2x2xf32>
  // CHECK: float sum = 0.0f;
  // CHECK: float sum1 = 1.0f;
  // CHECK: for (int i = int(thread_index); i < 8; i += 1) {
  // CHECK:   const float loaded = x[i];
  // Both are computed before any is assigned.
  // CHECK:   const float next = sum1;
  // CHECK:   const float next1 = sum + loaded;
  // CHECK:   sum = next;
  // CHECK:   sum1 = next1;
  // CHECK: }
  %r:2 = scf.for %i = %t to %c8 step %c1 iter_args(%a = %zero, %b = %one) -> (f32, f32) {
    %v = memref.load %x[%i] : memref<64xf32>
    %n = arith.addf %a, %v : f32
    scf.yield %b, %n : f32, f32
  }
  // CHECK: shared_memory[int(thread_index)] = sum;
  memref.store %r#0, %m[%t] : memref<64xf32, #gpu.address_space<workgroup>>
  // CHECK: threadgroup_barrier(mem_flags::mem_threadgroup);
  gpu.barrier
  // CHECK: local[2 * int(thread_index) + 1] = sum1;
  memref.store %r#1, %p[%t, %c1] : memref<2x2xf32>
  // CHECK: float chosen;
  // CHECK: if (int(thread_index) == 0) {
  // CHECK:   const float loaded1 = shared_memory[8];
  // CHECK:   chosen = loaded1;
  // CHECK: } else {
  // CHECK:   const float loaded2 = local[0];
  // CHECK:   chosen = loaded2;
  // CHECK: }
  %first = arith.cmpi eq, %t, %c0 : index
  %chosen = scf.if %first -> f32 {
    %v = memref.load %m[%c8] : memref<64xf32, #gpu.address_space<workgroup>>
    scf.yield %v : f32
  } else {
    %v = memref.load %p[%c0, %c0] : memref<2x2xf32>
    scf.yield %v : f32
  }
  // CHECK: if (int(thread_index) < 8) {
  // CHECK-NEXT: y[int(thread_index)] = chosen;
  // CHECK-NEXT: }
  %in = arith.cmpi slt, %t, %c8 : index
  scf.if %in {
    memref.store %chosen, %y[%t] : memref<64xf32>
  }
  return
}
