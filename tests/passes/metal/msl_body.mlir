// RUN: %headrace translate %s --to msl --no-lower --body-only | FileCheck %s

// The statements of a kernel, for those that write the rest of the function.

// CHECK-NOT: #include
// CHECK: // inputs: x; outputs: y
// CHECK: #pragma METAL fp math_mode(safe)
// CHECK-NOT: kernel void
// CHECK: const uint3 workgroup = threadgroup_position_in_grid;
// CHECK-NEXT: const uint lane = thread_index_in_simdgroup;
// CHECK-NEXT: const float loaded = x[int(lane)];
// CHECK-NEXT: y[int(workgroup.x)] = loaded;
// CHECK-NOT: }
func.func private @copy(%x: memref<32xf32>, %y: memref<32xf32>) attributes {headrace.kernel = {}} {
  %l = gpu.lane_id
  %g = gpu.block_id x
  %v = memref.load %x[%l] : memref<32xf32>
  memref.store %v, %y[%g] : memref<32xf32>
  return
}
