// RUN: %headrace translate %s --to msl --no-lower | FileCheck %s

// Operations on vectors of up to four lanes, and between lanes.

// CHECK-LABEL: kernel void vectors(
func.func private @vectors(%w: memref<64xi8>, %x: memref<64xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %f = arith.constant 2.0 : f32
  // CHECK: device const ushort* w_ushort = (device const ushort*)w;
  %words = memref.view %w[%c0][] : memref<64xi8> to memref<32xi16>
  // CHECK: device const half* w_half = (device const half*)(w + 4);
  %halves = memref.view %w[%c4][] : memref<64xi8> to memref<16xf16>
  // CHECK: const ushort4 q = ushort4(*(device const packed_ushort4*)(w_ushort + 4));
  %q = vector.load %words[%c4] {alignment = 2 : i64} : memref<32xi16>, vector<4xi16> loc("q")
  // CHECK: const ushort4 r = *(device const ushort4*)w_ushort;
  %r = vector.load %words[%c0] {alignment = 8 : i64} : memref<32xi16>, vector<4xi16> loc("r")
  // CHECK: const half2 h = *(device const half2*)(w_half + 4);
  %h = vector.load %halves[%c4] {alignment = 4 : i64} : memref<16xf16>, vector<2xf16> loc("h")
  // CHECK: const float4 a = *(device const float4*)x;
  %a = vector.load %x[%c0] {alignment = 16 : i64} : memref<64xf32>, vector<4xf32> loc("a")
  // CHECK: const float one = x[4];
  %one = vector.load %x[%c4] : memref<64xf32>, vector<1xf32> loc("one")
  // CHECK: const float4 two = float4(2.0f);
  // CHECK: *(device packed_float4*)y = fma(float4(q & ushort4(0x0F00)), a, two);
  %mask = arith.constant dense<3840> : vector<4xi16>
  %qm = arith.andi %q, %mask : vector<4xi16>
  %qf = arith.uitofp %qm : vector<4xi16> to vector<4xf32>
  %s = vector.broadcast %f : f32 to vector<4xf32> loc("two")
  %m = vector.fma %qf, %a, %s : vector<4xf32>
  vector.store %m, %y[%c0] : memref<64xf32>, vector<4xf32>
  // CHECK: *(device float4*)y = float4(a.xz, a.yw);
  %sh = vector.shuffle %a, %a [0, 2, 5, 7] : vector<4xf32>, vector<4xf32>
  vector.store %sh, %y[%c0] {alignment = 16 : i64} : memref<64xf32>, vector<4xf32>
  // CHECK: *(device packed_float2*)y = a.wx;
  %sw = vector.shuffle %a, %a [3, 0] : vector<4xf32>, vector<4xf32>
  vector.store %sw, %y[%c0] : memref<64xf32>, vector<2xf32>
  // CHECK: y[0] = a.z + one;
  %z = vector.extract %a[2] : f32 from vector<4xf32>
  %o = vector.extract %one[0] : f32 from vector<1xf32>
  %zo = arith.addf %z, %o : f32
  memref.store %zo, %y[%c0] : memref<64xf32>
  // CHECK: *(device packed_float2*)y = a.yz;
  %sl = vector.extract_strided_slice %a {offsets = [1], sizes = [2], strides = [1]} : vector<4xf32> to vector<2xf32>
  vector.store %sl, %y[%c0] : memref<64xf32>, vector<2xf32>
  // CHECK: *(device packed_float2*)y = float2(a.x, 2.0f);
  %e = vector.extract %a[0] : f32 from vector<4xf32>
  %fe = vector.from_elements %e, %f : vector<2xf32>
  vector.store %fe, %y[%c0] : memref<64xf32>, vector<2xf32>
  // CHECK: y[0] = (a.x + a.y) + (a.z + a.w);
  %sum = vector.reduction <add>, %a : vector<4xf32> into f32
  memref.store %sum, %y[%c0] : memref<64xf32>
  // CHECK: *(device packed_float4*)y = float4(char4(as_type<uchar4>(r.xy)));
  %lo = vector.shuffle %r, %r [0, 1] : vector<4xi16>, vector<4xi16>
  %by = vector.bitcast %lo : vector<2xi16> to vector<4xi8>
  %sf = arith.sitofp %by : vector<4xi8> to vector<4xf32>
  vector.store %sf, %y[%c0] : memref<64xf32>, vector<4xf32>
  // CHECK: *(device packed_float2*)y = float2(h) * float2(0.5f, -1.0f);
  %hf = arith.extf %h : vector<2xf16> to vector<2xf32>
  %k = arith.constant dense<[0.5, -1.0]> : vector<2xf32>
  %hk = arith.mulf %hf, %k : vector<2xf32>
  vector.store %hk, %y[%c0] : memref<64xf32>, vector<2xf32>
  // CHECK: *(device packed_float4*)y = select(two, a, (a < two));
  %lt = arith.cmpf olt, %a, %s : vector<4xf32>
  %se = arith.select %lt, %a, %s : vector<4xi1>, vector<4xf32>
  vector.store %se, %y[%c0] : memref<64xf32>, vector<4xf32>
  return
}

// CHECK-LABEL: kernel void lanes(
// CHECK: device const float* x {{\[\[}}buffer(0)]],
// CHECK-NEXT: device float* y {{\[\[}}buffer(1)]],
// CHECK-NEXT: uint3 workgroup {{\[\[}}threadgroup_position_in_grid]],
// CHECK-NEXT: uint subgroup {{\[\[}}simdgroup_index_in_threadgroup]],
// CHECK-NEXT: uint lane {{\[\[}}thread_index_in_simdgroup]]) {
func.func private @lanes(%x: memref<64xf32>, %y: memref<4x64xf32>) attributes {headrace.kernel = {}} {
  %one = arith.constant 1 : i32
  %width = arith.constant 32 : i32
  %l = gpu.lane_id
  %g = gpu.block_id y
  %s = gpu.subgroup_id : index
  // CHECK: const float a = x[int(lane)];
  %a = memref.load %x[%l] : memref<64xf32> loc("a")
  // CHECK-NEXT: const float total = simd_sum(a);
  %0 = gpu.subgroup_reduce add %a uniform : (f32) -> f32
  // CHECK-NEXT: const float total1 = simd_max(a);
  %1 = gpu.subgroup_reduce maxnumf %a : (f32) -> f32
  // CHECK-NEXT: const float v = simd_shuffle_xor(a, ushort(1));
  %2, %v = gpu.shuffle xor %a, %one, %width : f32
  // CHECK-NEXT: const float v1 = simd_shuffle(a, ushort(1));
  %3, %v1 = gpu.shuffle idx %a, %one, %width : f32
  // CHECK-NEXT: const float v2 = simd_shuffle_up(a, ushort(1));
  %4, %v2 = gpu.shuffle up %a, %one, %width : f32
  // CHECK-NEXT: const float v3 = simd_shuffle_down(a, ushort(1));
  %5, %v3 = gpu.shuffle down %a, %one, %width : f32
  // CHECK-NEXT: y[64 * int(workgroup.y) + int(subgroup)] = ((total + total1) + (v + v1)) + (v2 + v3);
  %6 = arith.addf %0, %1 : f32
  %7 = arith.addf %2, %3 : f32
  %8 = arith.addf %4, %5 : f32
  %9 = arith.addf %6, %7 : f32
  %10 = arith.addf %9, %8 : f32
  memref.store %10, %y[%g, %s] : memref<4x64xf32>
  return
}
