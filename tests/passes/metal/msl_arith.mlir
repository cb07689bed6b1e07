// RUN: %headrace translate %s --to msl --no-lower | FileCheck %s

// Every operation on numbers. Integers have no sign in IR: those that read one
// convert. Narrow integers are promoted in expressions and converted back.

// CHECK: #include <metal_stdlib>
// CHECK: using namespace metal;
// CHECK: #pragma METAL fp math_mode(safe)

// CHECK-LABEL: kernel void integers(
// CHECK-SAME: {{$}}
// CHECK-NEXT: device uint* y {{\[\[}}buffer(0)]],
// CHECK-NEXT: device ushort* y1 {{\[\[}}buffer(1)]],
// CHECK-NEXT: uint thread_index {{\[\[}}thread_index_in_threadgroup]]) {
func.func private @integers(%y: memref<32xi32>, %s: memref<8xi16>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c4 = arith.constant 4 : index
  %c5 = arith.constant 5 : index
  %c6 = arith.constant 6 : index
  %c7 = arith.constant 7 : index
  %seven = arith.constant 7 : i32
  %mask = arith.constant -16 : i32
  %t = gpu.thread_id x
  %i = arith.index_cast %t : index to i32
  // CHECK: const uint a = (uint(int(thread_index)) + 7) - 7;
  %sum = arith.addi %i, %seven : i32
  %a = arith.subi %sum, %seven : i32 loc("a")
  // CHECK: y[0] = (a * 7) / a;
  %mul = arith.muli %a, %seven : i32
  %div = arith.divui %mul, %a : i32
  memref.store %div, %y[%c0] : memref<32xi32>
  // CHECK: y[1] = (a % 7) << 7;
  %rem = arith.remui %a, %seven : i32
  %shl = arith.shli %rem, %seven : i32
  memref.store %shl, %y[%c1] : memref<32xi32>
  // CHECK: y[2] = (a >> 7) & 0xFFFFFFF0;
  %shr = arith.shrui %a, %seven : i32
  %and = arith.andi %shr, %mask : i32
  memref.store %and, %y[%c2] : memref<32xi32>
  // CHECK: y[3] = (a | 0x7) ^ 0x7;
  %or = arith.ori %a, %seven : i32
  %xor = arith.xori %or, %seven : i32
  memref.store %xor, %y[%c3] : memref<32xi32>
  // CHECK: y[4] = uint(int(a) >> 7);
  %sar = arith.shrsi %a, %seven : i32
  memref.store %sar, %y[%c4] : memref<32xi32>
  // CHECK: y[5] = uint(int(a) / int(7));
  %quo = arith.divsi %a, %seven : i32
  memref.store %quo, %y[%c5] : memref<32xi32>
  // CHECK: y[6] = uint(int(a) % int(7));
  %mod = arith.remsi %a, %seven : i32
  memref.store %mod, %y[%c6] : memref<32xi32>
  // CHECK: y[7] = min(max(a, uint(7)), uint(7));
  %max = arith.maxui %a, %seven : i32
  %min = arith.minui %max, %seven : i32
  memref.store %min, %y[%c7] : memref<32xi32>
  // CHECK: const uint b = uint(max(int(a), int(7)));
  %smax = arith.maxsi %a, %seven : i32 loc("b")
  %smin = arith.minsi %a, %smax : i32
  // CHECK: y[int(thread_index)] = (b == 7) ? uint(min(int(a), int(b))) : b;
  %eq = arith.cmpi eq, %smax, %seven : i32
  %sel = arith.select %eq, %smin, %smax : i32
  memref.store %sel, %y[%t] : memref<32xi32>
  // CHECK: const ushort n = ushort(a);
  %n = arith.trunci %a : i32 to i16 loc("n")
  // CHECK: y1[0] = ushort(n + ushort(n & 0x000F));
  %f = arith.constant 15 : i16
  %nf = arith.andi %n, %f : i16
  %nn = arith.addi %n, %nf : i16
  memref.store %nn, %s[%c0] : memref<8xi16>
  // CHECK: y[0] = uint(n);
  %wide = arith.extui %n : i16 to i32
  memref.store %wide, %y[%c0] : memref<32xi32>
  // CHECK: y[0] = uint(int(short(n)));
  %swide = arith.extsi %n : i16 to i32
  memref.store %swide, %y[%c0] : memref<32xi32>
  return
}

// CHECK-LABEL: kernel void floats(
// CHECK: device float* y {{\[\[}}buffer(0)]],
// CHECK-NEXT: device const half* x {{\[\[}}buffer(1)]],
// CHECK-NEXT: device const bfloat* x1 {{\[\[}}buffer(2)]]) {
func.func private @floats(%y: memref<32xf32>, %x: memref<4xf16>, %z: memref<4xbf16>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %half = arith.constant 0.5 : f32
  %tiny = arith.constant 0x34000000 : f32
  %inf = arith.constant 0xFF800000 : f32
  // CHECK: const half loaded = x[0];
  %h = memref.load %x[%c0] : memref<4xf16>
  // CHECK: const float a = float(loaded);
  %a = arith.extf %h : f16 to f32 loc("a")
  // CHECK: const bfloat loaded1 = x1[1];
  %g = memref.load %z[%c1] : memref<4xbf16>
  // CHECK: const float b = float(loaded1);
  %b = arith.extf %g : bf16 to f32 loc("b")
  // CHECK: y[0] = (a + b) * (a - 0.5f);
  %0 = arith.addf %a, %b : f32
  %1 = arith.subf %a, %half : f32
  %2 = arith.mulf %0, %1 : f32
  memref.store %2, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = (-a) / 1.1920929e-7f;
  %3 = arith.negf %a : f32
  %4 = arith.divf %3, %tiny : f32
  memref.store %4, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = fmin(a, fmax(b, -INFINITY));
  %5 = arith.maxnumf %b, %inf : f32
  %6 = arith.minnumf %a, %5 : f32
  memref.store %6, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = fma(a, b, exp(a) + exp2(a));
  %7 = math.exp %a : f32
  %8 = math.exp2 %a : f32
  %9 = arith.addf %7, %8 : f32
  %10 = math.fma %a, %b, %9 : f32
  memref.store %10, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = log(log2(a)) + precise::tanh(sqrt(a));
  %11 = math.log2 %a : f32
  %12 = math.log %11 : f32
  %13 = math.sqrt %a : f32
  %14 = math.tanh %13 : f32
  %15 = arith.addf %12, %14 : f32
  memref.store %15, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = rsqrt(fabs(a)) + floor(ceil(rint(b)));
  %16 = math.absf %a : f32
  %17 = math.rsqrt %16 : f32
  %18 = math.roundeven %b : f32
  %19 = math.ceil %18 : f32
  %20 = math.floor %19 : f32
  %21 = arith.addf %17, %20 : f32
  memref.store %21, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = (a < b) ? a : b;
  %22 = arith.cmpf olt, %a, %b : f32
  %23 = arith.select %22, %a, %b : f32
  memref.store %23, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = float(int(uint(int(a)))) + float(uint(b));
  %24 = arith.fptosi %a : f32 to i32
  %25 = arith.sitofp %24 : i32 to f32
  %26 = arith.fptoui %b : f32 to i32
  %27 = arith.uitofp %26 : i32 to f32
  %28 = arith.addf %25, %27 : f32
  memref.store %28, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = as_type<float>(as_type<uint>(a) | 0x7);
  %29 = arith.bitcast %a : f32 to i32
  %seven = arith.constant 7 : i32
  %30 = arith.ori %29, %seven : i32
  %31 = arith.bitcast %30 : i32 to f32
  memref.store %31, %y[%c0] : memref<32xf32>
  // CHECK: y[0] = float(half(a));
  %32 = arith.truncf %a : f32 to f16
  %33 = arith.extf %32 : f16 to f32
  memref.store %33, %y[%c0] : memref<32xf32>
  return
}

// What sources may get a fast and less exact form of is precise.
// CHECK-LABEL: kernel void angles(
func.func private @angles(%x: memref<32xf32>, %y: memref<32xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %a = memref.load %x[%c0] : memref<32xf32> loc("a")
  // CHECK: y[0] = precise::cos(a) + precise::sin(a);
  %0 = math.cos %a : f32
  %1 = math.sin %a : f32
  %2 = arith.addf %0, %1 : f32
  memref.store %2, %y[%c0] : memref<32xf32>
  return
}
