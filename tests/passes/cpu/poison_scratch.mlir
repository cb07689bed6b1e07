// RUN: %headrace_opt %s --cpu-poison-scratch --split-input-file --verify-diagnostics | FileCheck %s
// RUN: %headrace_opt %s --cpu-poison-scratch --split-input-file --canonicalize --convert-scf-to-cf --convert-vector-to-llvm --expand-strided-metadata --finalize-memref-to-llvm --verify-diagnostics | FileCheck %s --check-prefix=LLVM "--implicit-check-not={{memref\.|vector\.store}}"

// Whole cache lines first, then what is left, whatever the rank.

// doc: floats
// CHECK-LABEL: func.func private @floats(
// CHECK: %[[S:.*]] = memref.alloca() : memref<3x12xf32>
// CHECK-NEXT: %[[FLAT:.*]] = memref.reinterpret_cast %[[S]] to offset: [0], sizes: [36], strides: [1]
// CHECK: %[[NAN:.*]] = arith.constant dense<0xFFFFFFFF> : vector<16xf32>
// CHECK: scf.for %[[I:.*]] = %c0 to %c32 step %c16 {
// CHECK-NEXT: vector.store %[[NAN]], %[[FLAT]][%[[I]]] : memref<36xf32>, vector<16xf32>
// CHECK: %[[ONE:.*]] = arith.constant dense<0xFFFFFFFF> : vector<1xf32>
// CHECK: scf.for %[[J:.*]] = %c32{{.*}} to %c36 step %c1{{.*}} {
// CHECK-NEXT: vector.store %[[ONE]], %[[FLAT]][%[[J]]] : memref<36xf32>, vector<1xf32>
// CHECK: memref.store %{{.*}}, %[[S]]
func.func private @floats(%x: f32, %i: index) attributes {headrace.kernel = {}} {
  %s = memref.alloca() : memref<3x12xf32>
  memref.store %x, %s[%i, %i] : memref<3x12xf32>
  return
}
// doc: end

// Every type that kernels have buffers of. None is smaller than a line but the last.
// CHECK-LABEL: func.func private @types(
// CHECK: dense<0xFFFF> : vector<32xbf16>
// CHECK: dense<0xFFFF> : vector<32xf16>
// CHECK: dense<-1> : vector<64xi8>
// CHECK: dense<-1> : vector<16xi32>
// CHECK: dense<-1> : vector<8xindex>
// CHECK: dense<-1> : vector<1xi16>
// CHECK-NOT: dense
// LLVM-LABEL: func.func private @types(
// LLVM-COUNT-6: llvm.alloca
// LLVM-NOT: llvm.alloca
func.func private @types() attributes {headrace.kernel = {}} {
  %a = memref.alloca() : memref<32xbf16>
  %b = memref.alloca() {alignment = 64 : i64} : memref<64xf16>
  %c = memref.alloca() : memref<2x64xi8>
  %d = memref.alloca() : memref<16xi32>
  %e = memref.alloca() : memref<8xindex>
  %f = memref.alloca() : memref<i16>
  return
}

// Only kernels.
// CHECK-LABEL: func.func private @helper(
// CHECK-NEXT: memref.alloca
// CHECK-NEXT: return
func.func private @helper() {
  %s = memref.alloca() : memref<16xf32>
  return
}

// -----

func.func private @dynamic(%n: index) attributes {headrace.kernel = {}} {
  // expected-error@+1 {{cpu-poison-scratch: expected a static shape of integers or floats, but got 'memref<?xf32>'}}
  %s = memref.alloca(%n) : memref<?xf32>
  return
}

// -----

func.func private @vectors() attributes {headrace.kernel = {}} {
  // expected-error@+1 {{cpu-poison-scratch: expected a static shape of integers or floats, but got 'memref<2xvector<4xf32>>'}}
  %s = memref.alloca() : memref<2xvector<4xf32>>
  return
}
