// RUN: %headrace_opt %s --cpu-bind-workgroup-ids | FileCheck %s --implicit-check-not=@main --implicit-check-not=gpu.

// The plan is gone; what is not a kernel stays as it is.

// doc: ids
func.func @main(%y: memref<64xindex>) attributes {headrace.plan} {
  call @kernel(%y) {headrace.grid = array<i64: 2, 3, 4>} : (memref<64xindex>) -> ()
  return
}

// CHECK-LABEL: func.func private @kernel(
// CHECK-SAME: %[[Y:.*]]: memref<64xindex>, %[[WX:.*]]: index, %[[WY:.*]]: index, %[[WZ:.*]]: index) attributes {headrace.kernel = {}}
// CHECK: memref.store %[[WZ]], %[[Y]][%[[WX]]]
// CHECK: memref.store %[[WY]], %[[Y]][%[[WX]]]
func.func private @kernel(%y: memref<64xindex>) attributes {headrace.kernel = {}} {
  %x = gpu.block_id x
  %z = gpu.block_id z
  memref.store %z, %y[%x] : memref<64xindex>
  %v = gpu.block_id y
  memref.store %v, %y[%x] : memref<64xindex>
  return
}
// doc: end

// A kernel that does not ask for its id gets the same signature.
// CHECK-LABEL: func.func private @single(
// CHECK-SAME: %{{.*}}: memref<64xindex>, %{{.*}}: index, %{{.*}}: index, %{{.*}}: index)
func.func private @single(%y: memref<64xindex>) attributes {headrace.kernel = {}} {
  return
}

// CHECK-LABEL: func.func private @helper(%{{.*}}: index) {
func.func private @helper(%i: index) {
  return
}
