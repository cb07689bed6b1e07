// A whole design passes every check, and is printed as text that does so too.
// RUN: %headrace_opt %S/Inputs/product.mlir \
// RUN:   --aie-check-tiles=devices=%tests/../python/headrace/targets/aie/devices.json \
// RUN:   --aie-check-memory=devices=%tests/../python/headrace/targets/aie/devices.json \
// RUN:   --aie-check-channels=devices=%tests/../python/headrace/targets/aie/devices.json \
// RUN:   --aie-check-descriptors=devices=%tests/../python/headrace/targets/aie/devices.json \
// RUN:   --aie-check-locks=devices=%tests/../python/headrace/targets/aie/devices.json \
// RUN:   --aie-check-access-patterns=devices=%tests/../python/headrace/targets/aie/devices.json \
// RUN:   --aie-check-program-memory=devices=%tests/../python/headrace/targets/aie/devices.json \
// RUN:   --aie-check-releases --aie-check-feed --aie-check-progress --aie-check-arguments -o %t.mlir
// RUN: %headrace_opt %t.mlir --headrace-aie-check="devices=%tests/../python/headrace/targets/aie/devices.json" | diff %t.mlir -
// RUN: FileCheck %s < %t.mlir

// CHECK: aie.device(npu2)
// CHECK-COUNT-4: aie.core
// CHECK: aie.runtime_sequence @product

// The description is asked for, and says what it lacks.
// RUN: not %headrace_opt %S/Inputs/product.mlir --aie-check-memory 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: expected option devices=PATH of the pass, the file that describes devices, but got none
// RUN: not %headrace_opt %S/Inputs/product.mlir --aie-check-memory=devices=%S/absent.json 2>&1 | FileCheck %s --check-prefix=ABSENT
// ABSENT: expected a description of npu2 in '{{.*}}absent.json', but it cannot be read
// RUN: echo '{"devices": {"npu2": {"columns": 8, "repeat": 255}}}' > %t.json
// RUN: not %headrace_opt %S/Inputs/product.mlir --aie-check-memory=devices=%t.json 2>&1 | FileCheck %s --check-prefix=LACKS
// LACKS: but a number is missing or negative: granule_bytes
// RUN: echo '{"devices": {"npu1": {}}}' > %t.json
// RUN: not %headrace_opt %S/Inputs/product.mlir --aie-check-memory=devices=%t.json 2>&1 | FileCheck %s --check-prefix=OTHER
// OTHER: but it has no such entry of "devices"
// RUN: echo '{"devices": ' > %t.json
// RUN: not %headrace_opt %S/Inputs/product.mlir --aie-check-memory=devices=%t.json 2>&1 | FileCheck %s --check-prefix=BROKEN
// BROKEN: expected a description of npu2 in {{.*}}, but it is no JSON: [2:0, byte={{[0-9]+}}]: Unexpected EOF
