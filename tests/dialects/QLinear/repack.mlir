// RUN: %headrace_opt %s | %headrace_opt | FileCheck %s
// RUN: %headrace_opt %s --canonicalize | FileCheck %s --check-prefix=FOLD

!rows = !qlinear.packed<6x256, #qlinear.gguf<q4_k>>
!rows4 = !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows4">, padded = 8x256>
!rows16 = !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows16">, padded = 16x256>

// doc: repack
// CHECK-LABEL: func @repack
// CHECK: qlinear.repack %{{.*}} : !qlinear.packed<6x256, #qlinear.gguf<q4_k>> to !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows4">, padded = 8x256>
func.func @repack(%w: !rows) -> !rows4 {
  %r = qlinear.repack %w : !rows to !rows4
  return %r : !rows4
}
// doc: end

// What a kernel writes to is kept.
// CHECK-LABEL: func @into(
// CHECK: qlinear.repack %{{.*}} into %{{.*}} : !qlinear.packed<6x256, #qlinear.gguf<q4_k>>, !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows4">, padded = 8x256>
// FOLD-LABEL: func @into(
// FOLD: qlinear.repack %{{.*}} into
func.func @into(%w: !rows, %r: !rows4) {
  qlinear.repack %w into %r : !rows, !rows4
  return
}

// FOLD-LABEL: func @to_itself(
// FOLD-SAME: %[[W:.*]]: !qlinear
// FOLD-NEXT: return %[[W]]
func.func @to_itself(%w: !rows4) -> !rows4 {
  %r = qlinear.repack %w : !rows4 to !rows4
  return %r : !rows4
}

// FOLD-LABEL: func @there_and_back(
// FOLD-SAME: %[[W:.*]]: !qlinear
// FOLD-NEXT: return %[[W]]
func.func @there_and_back(%w: !rows) -> !rows {
  %r = qlinear.repack %w : !rows to !rows4
  %b = qlinear.repack %r : !rows4 to !rows
  return %b : !rows
}

// FOLD-LABEL: func @twice(
// FOLD-SAME: %[[W:.*]]: !qlinear
// FOLD-NEXT: %[[R:.*]] = qlinear.repack %[[W]] : !qlinear.packed<6x256, #qlinear.gguf<q4_k>> to !qlinear.packed<6x256, #qlinear.repacked<#qlinear.gguf<q4_k>, "rows16">, padded = 16x256>
// FOLD-NEXT: return %[[R]]
func.func @twice(%w: !rows) -> !rows16 {
  %r = qlinear.repack %w : !rows to !rows4
  %s = qlinear.repack %r : !rows4 to !rows16
  return %s : !rows16
}
