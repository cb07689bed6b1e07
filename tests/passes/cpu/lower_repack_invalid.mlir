// RUN: %headrace_opt %s --cpu-lower-repack --split-input-file --verify-diagnostics

!w = !qlinear.packed<16x64, #qlinear.gguf<q8_0>>
!s = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">>

func.func @no_bytes(%w: !w, %b: memref<1088xi8>) {
  %s = qlinear.from_bytes %b : memref<1088xi8> to !s
  // expected-error@+1 {{'qlinear.repack' op expected a matrix and a destination from qlinear.from_bytes; run cpu-form-kernels first}}
  qlinear.repack %w into %s : !w, !s
  return
}

// -----

!w = !qlinear.packed<16x64, #qlinear.gguf<q8_0>>
!s = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">>

func.func @result(%b: memref<1088xi8>) -> !s {
  %w = qlinear.from_bytes %b : memref<1088xi8> to !w
  // expected-error@+1 {{'qlinear.repack' op expected a matrix and a destination from qlinear.from_bytes}}
  %s = qlinear.repack %w : !w to !s
  return %s : !s
}

// -----

!w = !qlinear.packed<16x64, #qlinear.gguf<q8_0>>
!s = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">>

func.func @not_a_kernel(%a: memref<1088xi8>, %b: memref<1088xi8>) {
  %w = qlinear.from_bytes %a : memref<1088xi8> to !w
  %s = qlinear.from_bytes %b : memref<1088xi8> to !s
  // expected-error@+1 {{'qlinear.repack' op expected to be in a kernel (a function with headrace.kernel and its workgroup_rows); run cpu-form-kernels first}}
  qlinear.repack %w into %s : !w, !s
  return
}

// -----

!w = !qlinear.packed<16x64, #qlinear.gguf<q8_0>>
!r = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">>

func.func @to_rows(%a: memref<1088xi8>, %b: memref<1088xi8>) attributes {headrace.kernel = {workgroup_rows = 16 : i64}} {
  %w = qlinear.from_bytes %a : memref<1088xi8> to !w
  %r = qlinear.from_bytes %b : memref<1088xi8> to !r
  // expected-error@+1 {{'qlinear.repack' op has no CPU kernel for #qlinear.repacked<#qlinear.gguf<q8_0>, "rows4">; allowed: "strips16"}}
  qlinear.repack %w into %r : !w, !r
  return
}

// -----

!s = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">>

func.func @from_strips(%a: memref<1088xi8>, %b: memref<1088xi8>) attributes {headrace.kernel = {workgroup_rows = 16 : i64}} {
  %s = qlinear.from_bytes %a : memref<1088xi8> to !s
  %t = qlinear.from_bytes %b : memref<1088xi8> to !s
  // expected-error@+1 {{'qlinear.repack' op has no CPU kernel from #qlinear.repacked<#qlinear.gguf<q8_0>, "strips16">; allowed: rows of blocks, "rows4", "rows8" and "rows16"}}
  qlinear.repack %s into %t : !s, !s
  return
}

// -----

!r = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.plain<bf16>, "rows4">>
!s = !qlinear.packed<16x64, #qlinear.repacked<#qlinear.plain<bf16>, "strips16">>

func.func @from_single_values(%a: memref<2048xi8>, %b: memref<2048xi8>) attributes {headrace.kernel = {workgroup_rows = 16 : i64}} {
  %r = qlinear.from_bytes %a : memref<2048xi8> to !r
  %s = qlinear.from_bytes %b : memref<2048xi8> to !s
  // expected-error@+1 {{'qlinear.repack' op has no CPU kernel from #qlinear.repacked<#qlinear.plain<bf16>, "rows4">, whose blocks are single values; allowed: #qlinear.plain<bf16>}}
  qlinear.repack %r into %s : !r, !s
  return
}
