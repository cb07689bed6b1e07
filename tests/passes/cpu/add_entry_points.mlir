// RUN: %headrace_opt %s --cpu-add-entry-points=abi=plan | FileCheck %s --check-prefix=PLAN
// RUN: %headrace_opt %s --cpu-add-entry-points | FileCheck %s --check-prefix=PLAN
// RUN: %headrace_opt %s --cpu-add-entry-points=abi=iree | FileCheck %s --check-prefix=IREE

// doc: kernel
// Two bindings (bytes and f32), then the workgroup id.
llvm.func @kernel(%w: !llvm.ptr, %y: !llvm.ptr, %wx: i64, %wy: i64, %wz: i64) attributes {headrace.kernel = {element_bytes = array<i64: 1, 4>}, sym_visibility = "private"} {
  llvm.return
}

// PLAN: llvm.func internal @kernel_body({{.*}}) attributes {sym_visibility = "private"}
// PLAN-LABEL: llvm.func @kernel(
// PLAN-SAME: %[[BINDINGS:.*]]: !llvm.ptr, %[[CONSTANTS:.*]]: !llvm.ptr, %[[WORKGROUP:.*]]: !llvm.ptr) attributes {headrace.kernel =
// PLAN: %[[A0:.*]] = llvm.getelementptr %[[BINDINGS]][0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// PLAN: %[[W:.*]] = llvm.load %[[A0]] : !llvm.ptr -> !llvm.ptr
// PLAN: %[[A1:.*]] = llvm.getelementptr %[[BINDINGS]][1] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
// PLAN: %[[Y:.*]] = llvm.load %[[A1]] : !llvm.ptr -> !llvm.ptr
// PLAN: llvm.getelementptr %[[WORKGROUP]][0] : (!llvm.ptr) -> !llvm.ptr, i32
// PLAN: %[[ID:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i32
// PLAN: %[[WX:.*]] = llvm.zext %[[ID]] : i32 to i64
// PLAN: llvm.getelementptr %[[WORKGROUP]][1]
// PLAN: %[[WY:.*]] = llvm.zext
// PLAN: llvm.getelementptr %[[WORKGROUP]][2]
// PLAN: %[[WZ:.*]] = llvm.zext
// PLAN: llvm.call @kernel_body(%[[W]], %[[Y]], %[[WX]], %[[WY]], %[[WZ]])

// Offsets are in elements, so they are multiplied by the size of one.
// IREE: llvm.func internal @kernel_body
// IREE-LABEL: llvm.func @kernel_iree(
// IREE-SAME: %[[B0:.*]]: !llvm.ptr, %[[O0:.*]]: i64, %[[B1:.*]]: !llvm.ptr, %[[O1:.*]]: i64, %[[WX:.*]]: i64, %[[WY:.*]]: i64, %[[WZ:.*]]: i64)
// IREE: %[[ONE:.*]] = llvm.mlir.constant(1 : i64)
// IREE: %[[S0:.*]] = llvm.mul %[[O0]], %[[ONE]]
// IREE: %[[W:.*]] = llvm.getelementptr %[[B0]][%[[S0]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// IREE: %[[FOUR:.*]] = llvm.mlir.constant(4 : i64)
// IREE: %[[S1:.*]] = llvm.mul %[[O1]], %[[FOUR]]
// IREE: %[[Y:.*]] = llvm.getelementptr %[[B1]][%[[S1]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
// IREE: llvm.call @kernel_body(%[[W]], %[[Y]], %[[WX]], %[[WY]], %[[WZ]])
// doc: end

// Other functions are left alone.
// PLAN: llvm.func @helper()
// IREE: llvm.func @helper()
llvm.func @helper() {
  llvm.return
}
