// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-select --canonicalize --cse | FileCheck %s
// RUN: %headrace_opt %s --split-input-file --cpu-form-kernels --cpu-lower-select=vector-bits=128 --canonicalize --cse | FileCheck %s --check-prefix=NARROW
// RUN: not %headrace_opt %s --split-input-file --cpu-lower-select=vector-bits=64 2>&1 | FileCheck %s --check-prefix=BITS

// doc: select
// Whole vectors are stored behind what was found; the rest of the list is 0.
// CHECK-LABEL: func.func private @select_columns_256_f32(
// CHECK-SAME:    %[[X:[^:]*]]: memref<256xf32>, %[[LIST:[^:]*]]: memref<256xi32>, %[[COUNT:[^:]*]]: memref<1xi32>
// CHECK:         %[[FOUND:.*]] = scf.for %[[COL:.*]] = %c0 to %c256 step %c16 iter_args(%[[AT:.*]] = %c0)
// CHECK:           %[[V:.*]] = vector.load %[[X]][%[[COL]]] : memref<256xf32>, vector<16xf32>
// CHECK:           %[[ABS:.*]] = math.absf %[[V]]
// CHECK:           %[[LARGE:.*]] = arith.cmpf ugt, %[[ABS]], %{{.*}} : vector<16xf32>
// CHECK:           %[[NUMBERS:.*]] = llvm.call_intrinsic "llvm.experimental.vector.compress"(%{{.*}}, %[[LARGE]], %{{.*}})
// CHECK:           math.ctpop %{{.*}} : i16
// CHECK:           vector.store %[[NUMBERS]], %[[LIST]][%[[AT]]] : memref<256xi32>, vector<16xi32>
// CHECK:         scf.for %[[REST:.*]] = %[[FOUND]] to %c256 step %c16
// CHECK:           vector.maskedstore %[[LIST]][%[[REST]]]
// CHECK:         memref.store %{{.*}}, %[[COUNT]][%c0]
// CHECK-NOT:     qlinear.select_columns

// NARROW-LABEL: func.func private @select_columns_256_f32(
// NARROW:         scf.for %{{.*}} = %c0 to %c256 step %c4
// NARROW:           math.ctpop %{{.*}} : i4

// BITS: error: cpu-lower-select: expected vector-bits of 128, 256 or 512, but got 64
func.func @main(%x: tensor<256xf32>) -> (tensor<256xi32>, tensor<1xi32>) {
  %i = tensor.empty() : tensor<256xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 1.250000e-01 ins(%x : tensor<256xf32>)
      outs(%i, %c : tensor<256xi32>, tensor<1xi32>) -> tensor<256xi32>, tensor<1xi32>
  return %list, %count : tensor<256xi32>, tensor<1xi32>
}
// doc: end

// -----

// What is behind the last whole vector is read and stored under a mask.
// CHECK-LABEL: func.func private @select_columns_19_bf16(
// CHECK-SAME:    %[[X:[^:]*]]: memref<19xbf16>, %[[LIST:[^:]*]]: memref<19xi32>
// CHECK:         vector.load %[[X]]
// CHECK:         vector.store %{{.*}}, %[[LIST]]
// CHECK:         vector.maskedload %[[X]][%c16]
// CHECK:         vector.maskedstore %[[LIST]]
func.func @main(%x: tensor<19xbf16>) -> (tensor<19xi32>, tensor<1xi32>) {
  %i = tensor.empty() : tensor<19xi32>
  %c = tensor.empty() : tensor<1xi32>
  %list, %count = qlinear.select_columns threshold = 0.0 ins(%x : tensor<19xbf16>)
      outs(%i, %c : tensor<19xi32>, tensor<1xi32>) -> tensor<19xi32>, tensor<1xi32>
  return %list, %count : tensor<19xi32>, tensor<1xi32>
}

// -----

// On tensors there is nothing to store to yet.
// CHECK-LABEL: func.func private @tensors(
// CHECK:         qlinear.select_columns
func.func private @tensors(%x: tensor<19xf32>, %i: tensor<19xi32>, %c: tensor<1xi32>) -> tensor<1xi32> {
  %list, %count = qlinear.select_columns threshold = 0.0 ins(%x : tensor<19xf32>)
      outs(%i, %c : tensor<19xi32>, tensor<1xi32>) -> tensor<19xi32>, tensor<1xi32>
  return %count : tensor<1xi32>
}
