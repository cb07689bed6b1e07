// RUN: split-file %s %t
// RUN: %headrace translate %t/all.mlir --to msl --no-lower | FileCheck %s
// RUN: not %headrace translate %t/shape.mlir --to msl --no-lower 2>&1 | FileCheck %s --check-prefix=SHAPE
// RUN: not %headrace translate %t/transposed.mlir --to msl --no-lower 2>&1 | FileCheck %s --check-prefix=TRANSPOSED
// RUN: not %headrace translate %t/strides.mlir --to msl --no-lower 2>&1 | FileCheck %s --check-prefix=STRIDES

//--- all.mlir
// Matrices that a simdgroup has together, parts of buffers, and arrays that are
// accessed by vectors.

// CHECK-LABEL: kernel void matrices(
// CHECK: device const float* x
// CHECK: device float* y 
func.func private @matrices(%x: memref<3x16x24xf32>, %y: memref<4x8x8xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  %group = gpu.block_id y
  // CHECK: threadgroup float4 shared_memory_vectors[32];
  // CHECK-NEXT: threadgroup float* shared_memory = (threadgroup float*)shared_memory_vectors;
  %shared = memref.alloca() : memref<16x8xf32, #gpu.address_space<workgroup>>
  // CHECK: device const float* x_part = x + 384 * int(workgroup.y) + 192;
  %part = memref.subview %x[%group, 8, 0] [1, 8, 24] [1, 1, 1] : memref<3x16x24xf32> to memref<8x24xf32, strided<[24, 1], offset: ?>>
  // CHECK: device float* y_part = y + 64 * int(workgroup.y);
  %to = memref.subview %y[%group, 0, 0] [1, 8, 8] [1, 1, 1] : memref<4x8x8xf32> to memref<8x8xf32, strided<[8, 1], offset: ?>>
  // CHECK: const float4 loaded = float4(*(device const packed_float4*)(x_part + 8));
  %v = vector.load %part[%c0, %c8] : memref<8x24xf32, strided<[24, 1], offset: ?>>, vector<4xf32>
  // CHECK: *(threadgroup float4*)shared_memory = loaded;
  vector.store %v, %shared[%c0, %c0] {alignment = 16 : i64} : memref<16x8xf32, #gpu.address_space<workgroup>>, vector<4xf32>
  // CHECK: threadgroup_barrier(mem_flags::mem_threadgroup);
  gpu.barrier
  // CHECK: simdgroup_float8x8 loaded1;
  // CHECK: simdgroup_load(loaded1, x_part + 8, 24);
  %a = gpu.subgroup_mma_load_matrix %part[%c0, %c8] {leadDimension = 24 : index} : memref<8x24xf32, strided<[24, 1], offset: ?>> -> !gpu.mma_matrix<8x8xf32, "AOp">
  // CHECK: simdgroup_load(loaded2, shared_memory + 8 * 8, 8, ulong2(0), true);
  %b = gpu.subgroup_mma_load_matrix %shared[%c8, %c0] {leadDimension = 8 : index, transpose} : memref<16x8xf32, #gpu.address_space<workgroup>> -> !gpu.mma_matrix<8x8xf32, "BOp">
  // CHECK: simdgroup_float8x8 product;
  // CHECK: simdgroup_multiply_accumulate(product, loaded1, loaded2, make_filled_simdgroup_matrix<float, 8, 8>(0.0f));
  %c = gpu.subgroup_mma_constant_matrix %zero : !gpu.mma_matrix<8x8xf32, "COp">
  %d = gpu.subgroup_mma_compute %a, %b, %c : !gpu.mma_matrix<8x8xf32, "AOp">, !gpu.mma_matrix<8x8xf32, "BOp"> -> !gpu.mma_matrix<8x8xf32, "COp">
  // CHECK: simdgroup_store(product, y_part, 8);
  gpu.subgroup_mma_store_matrix %d, %to[%c0, %c0] {leadDimension = 8 : index} : !gpu.mma_matrix<8x8xf32, "COp">, memref<8x8xf32, strided<[8, 1], offset: ?>>
  return
}

//--- shape.mlir
// SHAPE: error: {{.*}}msl: expected matrices of 8x8xf16, 8x8xbf16 or 8x8xf32, but got !gpu.mma_matrix<16x16xf32, "COp">
func.func private @k(%y: memref<16x16xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %c = gpu.subgroup_mma_constant_matrix %zero : !gpu.mma_matrix<16x16xf32, "COp">
  gpu.subgroup_mma_store_matrix %c, %y[%c0, %c0] {leadDimension = 16 : index} : !gpu.mma_matrix<16x16xf32, "COp">, memref<16x16xf32>
  return
}

//--- transposed.mlir
// TRANSPOSED: error: {{.*}}msl: expected matrices that are transposed by their loads, but got
func.func private @k(%x: memref<8x8xf32>, %y: memref<8x8xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %a = gpu.subgroup_mma_load_matrix %x[%c0, %c0] {leadDimension = 8 : index} : memref<8x8xf32> -> !gpu.mma_matrix<8x8xf32, "AOp">
  %b = gpu.subgroup_mma_load_matrix %x[%c0, %c0] {leadDimension = 8 : index} : memref<8x8xf32> -> !gpu.mma_matrix<8x8xf32, "BOp">
  %c = gpu.subgroup_mma_load_matrix %x[%c0, %c0] {leadDimension = 8 : index} : memref<8x8xf32> -> !gpu.mma_matrix<8x8xf32, "COp">
  %d = gpu.subgroup_mma_compute %a, %b, %c {a_transpose} : !gpu.mma_matrix<8x8xf32, "AOp">, !gpu.mma_matrix<8x8xf32, "BOp"> -> !gpu.mma_matrix<8x8xf32, "COp">
  gpu.subgroup_mma_store_matrix %d, %y[%c0, %c0] {leadDimension = 8 : index} : !gpu.mma_matrix<8x8xf32, "COp">, memref<8x8xf32>
  return
}

//--- strides.mlir
// STRIDES: error: {{.*}}msl: expected a subview of strides 1, but got
func.func private @k(%x: memref<8xf32>, %y: memref<4xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %part = memref.subview %x[0] [4] [2] : memref<8xf32> to memref<4xf32, strided<[2]>>
  %v = memref.load %part[%c0] : memref<4xf32, strided<[2]>>
  memref.store %v, %y[%c0] : memref<4xf32>
  return
}
