// RUN: %headrace_opt %s --cpu-add-entry-points=abi=iree --split-input-file --verify-diagnostics
// RUN: not %headrace_opt %s --cpu-add-entry-points=abi=cuda --split-input-file 2>&1 | FileCheck %s
// CHECK: error: cpu-add-entry-points: expected abi of plan or iree, but got 'cuda'

// expected-error@+1 {{cpu-add-entry-points: expected a kernel with a workgroup id; run cpu-bind-workgroup-ids first}}
llvm.func @no_ids(%w: !llvm.ptr, %y: !llvm.ptr) attributes {headrace.kernel = {element_bytes = array<i64: 1, 4>}} {
  llvm.return
}

// -----

// expected-error@+1 {{cpu-add-entry-points: expected element_bytes of 1 bindings in headrace.kernel; run cpu-form-kernels first}}
llvm.func @no_sizes(%w: !llvm.ptr, %wx: i64, %wy: i64, %wz: i64) attributes {headrace.kernel = {}} {
  llvm.return
}

// -----

// expected-error@+1 {{expected element_bytes of 2 bindings}}
llvm.func @few_sizes(%w: !llvm.ptr, %y: !llvm.ptr, %wx: i64, %wy: i64, %wz: i64) attributes {headrace.kernel = {element_bytes = array<i64: 1>}} {
  llvm.return
}
