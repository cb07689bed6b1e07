// RUN: split-file %s %t
// RUN: not %headrace translate %t/op.mlir --to msl --no-lower 2>&1 | FileCheck %s --check-prefix=OP
// RUN: not %headrace translate %t/type.mlir --to msl --no-lower 2>&1 | FileCheck %s --check-prefix=TYPE
// RUN: not %headrace translate %t/lanes.mlir --to msl --no-lower 2>&1 | FileCheck %s --check-prefix=LANES
// RUN: not %headrace translate %t/none.mlir --to msl --no-lower 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not %headrace translate %t/two.mlir --to msl --no-lower --body-only 2>&1 | FileCheck %s --check-prefix=TWO

//--- op.mlir
// OP: error: loc({{.*}}): msl: 'math.atan' cannot be written as MSL; allowed: {{.*}}arith.addf, {{.*}}scf.for
func.func private @k(%x: memref<4xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %v = memref.load %x[%c0] : memref<4xf32>
  %s = math.atan %v : f32
  return
}

//--- type.mlir
// TYPE: error: {{.*}}expected index, integers of 1, 8, 16, 32 or 64 bits, f16, bf16 or f32, but got f64
func.func private @k(%x: memref<4xf64>) attributes {headrace.kernel = {}} {
  return
}

//--- lanes.mlir
// LANES: error: {{.*}}expected vectors of at most 4 lanes, but got vector<8xf32>
func.func private @k(%x: memref<8xf32>) attributes {headrace.kernel = {}} {
  %c0 = arith.constant 0 : index
  %v = vector.load %x[%c0] : memref<8xf32>, vector<8xf32>
  return
}

//--- none.mlir
// NONE: error: msl: expected functions with headrace.kernel, but the module has none; run the pipeline headrace-metal-pipeline first
func.func private @k(%x: memref<8xf32>) {
  return
}

//--- two.mlir
// TWO: error: msl: expected one kernel for a body alone, but got a, b
func.func private @a(%x: memref<8xf32>) attributes {headrace.kernel = {}} {
  return
}
func.func private @b(%x: memref<8xf32>) attributes {headrace.kernel = {}} {
  return
}
