// RUN: %headrace_opt %s --cpu-approximate-math | FileCheck %s
// RUN: %headrace_opt %s --cpu-approximate-math --convert-math-to-llvm --convert-arith-to-llvm | FileCheck %s --check-prefix=LLVM

// exp becomes arithmetic, on scalars and vectors; other functions stay.

// doc: exp
// CHECK-LABEL: func.func @exp(
// CHECK-NOT: math.exp %
// CHECK: math.fma
// CHECK: return
func.func @exp(%x: f32) -> f32 {
  %e = math.exp %x : f32
  return %e : f32
}
// doc: end

// CHECK-LABEL: func.func @lanes(
// CHECK-NOT: math.exp %
// CHECK: math.fma {{.*}} : vector<16xf32>
func.func @lanes(%x: vector<16xf32>) -> vector<16xf32> {
  %e = math.exp %x : vector<16xf32>
  return %e : vector<16xf32>
}

// CHECK-LABEL: func.func @other(
// CHECK-NEXT: math.absf
// CHECK-NEXT: return
func.func @other(%x: f32) -> f32 {
  %a = math.absf %x : f32
  return %a : f32
}

// Nothing is left that LLVM would turn into a call of a library (floor is an
// instruction of every CPU that is allowed).
// LLVM-NOT: llvm.intr.exp
// LLVM-NOT: llvm.call
