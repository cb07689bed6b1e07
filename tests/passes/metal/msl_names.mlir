// RUN: %headrace translate %s --to msl --no-lower | FileCheck %s

// What a loop carries has the name of the block's argument; without one, sum or
// carried.
// CHECK-LABEL: kernel void carried(
func.func private @carried(%x: memref<64xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  // CHECK: float largest = 0.0f;
  // CHECK: float sum = 0.0f;
  // CHECK: for (int i = 0; i < 8; i += 1) {
  // CHECK:   const float loaded = x[i];
  // CHECK:   const float loaded1 = x[i];
  // CHECK:   largest = fmax(largest, loaded);
  // CHECK:   sum = sum + loaded1;
  %r:2 = "scf.for"(%c0, %c8, %c1, %zero, %zero) ({
  ^bb0(%i: index, %a: f32 loc("largest"), %b: f32):
    %v = memref.load %x[%i] : memref<64xf32>
    %w = memref.load %x[%i] : memref<64xf32>
    %m = arith.maxnumf %a, %v : f32
    %s = arith.addf %b, %w : f32
    scf.yield %m, %s : f32, f32
  }) : (index, index, index, f32, f32) -> (f32, f32)
  memref.store %r#0, %y[%c0] : memref<64xf32>
  memref.store %r#1, %y[%c1] : memref<64xf32>
  return
}

// A vector of one lane is a number; what it is made of keeps its parentheses.
// CHECK-LABEL: kernel void one_lane(
func.func private @one_lane(%x: memref<64xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %v = memref.load %x[%c0] : memref<64xf32>
  %c = arith.cmpf ogt, %v, %zero : f32
  %s = arith.select %c, %v, %zero : f32
  // CHECK: y[0] = (loaded * ((loaded > 0.0f) ? loaded : 0.0f));
  %one = vector.broadcast %s : f32 to vector<1xf32>
  %all = vector.broadcast %v : f32 to vector<1xf32>
  %p = arith.mulf %all, %one : vector<1xf32>
  %n = vector.extract %p[0] : f32 from vector<1xf32>
  memref.store %n, %y[%c0] : memref<64xf32>
  return
}

// Whether a number is one.
// CHECK-LABEL: kernel void not_a_number(
func.func private @not_a_number(%x: memref<64xf32>, %y: memref<64xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %v = memref.load %x[%c0] : memref<64xf32>
  // CHECK: y[0] = isnan(loaded) ? 0.0f : loaded;
  %c = arith.cmpf uno, %v, %v : f32
  %s = arith.select %c, %zero, %v : f32
  memref.store %s, %y[%c0] : memref<64xf32>
  return
}
