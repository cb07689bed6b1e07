// RUN: %headrace_opt %s --annotate-costs=density=0.5 | FileCheck %s --check-prefixes=CHECK,HALF
// RUN: %headrace_opt %s --annotate-costs=density=0 | FileCheck %s --check-prefixes=CHECK,NONE
// RUN: %headrace_opt %s --annotate-costs | FileCheck %s --check-prefixes=CHECK,ALL
// RUN: %headrace_opt %s "--annotate-costs=density=0.5 sector=144" | FileCheck %s --check-prefixes=CHECK,PIECES

// Only sectors of 64 bytes with a selected column are read. 4 columns of a band
// are 576 bytes, or 9 sectors: 6 of one column, 3 of two. With density 1/2 that
// is 6 / 2 + 3 * 3 / 4 = 5.25 of 9. x has 16 values a sector, the list 4 bytes
// for each selected column, and count 4.
!zigzag = !qlinear.packed<512x1024, #qlinear.zigzag<#qlinear.gguf<q4_k>, band = 256>>
!rows = !qlinear.packed<512x1024, #qlinear.gguf<q4_k>>

// CHECK-LABEL: func @zigzag(
// HALF: qlinear.sparse_matvec {{.*}}operations = 524288 : i64, read = 178180 : i64
// NONE: qlinear.sparse_matvec {{.*}}operations = 0 : i64, read = 4 : i64
// ALL: qlinear.sparse_matvec {{.*}}operations = 1048576 : i64, read = 303108 : i64
// With sectors of the size of a piece nothing is read in vain.
// PIECES: qlinear.sparse_matvec {{.*}}operations = 524288 : i64, read = 153684 : i64
func.func @zigzag(%w: !zigzag, %x: tensor<1024xf32>, %i: tensor<1024xi32>, %n: tensor<1xi32>, %o: tensor<512xf32>) -> tensor<512xf32> {
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %n : !zigzag, tensor<1024xf32>, tensor<1024xi32>, tensor<1xi32>)
      outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}

// Blocks along the columns are read whole.
// CHECK-LABEL: func @rows(
// HALF: qlinear.sparse_matvec {{.*}}operations = 524288 : i64, read = 301060 : i64
// NONE: qlinear.sparse_matvec {{.*}}operations = 0 : i64, read = 294916 : i64
// ALL: qlinear.sparse_matvec {{.*}}operations = 1048576 : i64, read = 303108 : i64
func.func @rows(%w: !rows, %x: tensor<1024xf32>, %i: tensor<1024xi32>, %n: tensor<1xi32>, %o: tensor<512xf32>) -> tensor<512xf32> {
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %n : !rows, tensor<1024xf32>, tensor<1024xi32>, tensor<1xi32>)
      outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}

// The operation's own density is that of the pass above with density=0.5.
// CHECK-LABEL: func @own(
// CHECK: qlinear.sparse_matvec {{.*}}operations = 524288 : i64
func.func @own(%w: !zigzag, %x: tensor<1024xf32>, %i: tensor<1024xi32>, %n: tensor<1xi32>, %o: tensor<512xf32>) -> tensor<512xf32> {
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %n : !zigzag, tensor<1024xf32>, tensor<1024xi32>, tensor<1xi32>)
      outs(%o : tensor<512xf32>) {headrace.density = 0.5 : f64} -> tensor<512xf32>
  return %y : tensor<512xf32>
}

// A list of 256 has room for a quarter of the columns.
// CHECK-LABEL: func @short_list(
// ALL: qlinear.sparse_matvec {{.*}}operations = 262144 : i64
func.func @short_list(%w: !zigzag, %x: tensor<1024xf32>, %i: tensor<256xi32>, %n: tensor<1xi32>, %o: tensor<512xf32>) -> tensor<512xf32> {
  %y = qlinear.sparse_matvec ins(%w, %x, %i, %n : !zigzag, tensor<1024xf32>, tensor<256xi32>, tensor<1xi32>)
      outs(%o : tensor<512xf32>) -> tensor<512xf32>
  return %y : tensor<512xf32>
}

// Finding the columns reads all of x and writes the whole list.
// CHECK-LABEL: func @select(
// CHECK: qlinear.select_columns {{.*}}operations = 2048 : i64, read = 4096 : i64, transcendentals = 0 : i64, written = 4100 : i64
func.func @select(%x: tensor<1024xf32>, %i: tensor<1024xi32>, %n: tensor<1xi32>) -> (tensor<1024xi32>, tensor<1xi32>) {
  %indices, %count = qlinear.select_columns threshold = 1.250000e-01 ins(%x : tensor<1024xf32>)
      outs(%i, %n : tensor<1024xi32>, tensor<1xi32>) -> tensor<1024xi32>, tensor<1xi32>
  return %indices, %count : tensor<1024xi32>, tensor<1xi32>
}
