// RUN: %headrace_opt %s --aie-generate-cores --split-input-file | FileCheck %s
// RUN: not %headrace_opt %S/Inputs/unknown_core.mlir --aie-generate-cores 2>&1 | FileCheck %s --check-prefix=UNKNOWN

// UNKNOWN: error: 'func.func' op expected a function that cores have, but got kind "negate"; allowed: zero, copy, take_FORMAT, accumulate_FORMAT (q4nx, q4_0, q4_k), gate_silu, gate_gelu_tanh, dequantize_FORMAT_TILE, multiply_TILE (4x8x4, 8x8x8)

// doc: accumulate
// CHECK: module @cores {
// CHECK: func.func @accumulate_q4nx_512(%[[X:.*]]: memref<512xbf16>, %[[BIAS:.*]]: memref<16xf32>, %[[PARTS:.*]]: memref<32xbf16>, %[[W:.*]]: memref<2560xi8>, %[[Y:.*]]: memref<16xf32>, %[[BLOCK:.*]]: i32)
func.func private @accumulate_q4nx_512(memref<512xbf16>, memref<16xf32>, memref<32xbf16>, memref<2560xi8>, memref<16xf32>, i32)
    attributes {headrace.core = {kind = "accumulate_q4nx", size = 512 : i64}}
// Eight groups of 32 columns; in each, four columns at a time, in four sums.
// CHECK: scf.for %{{.*}} iter_args({{.*}}) -> (vector<16xf32>) {
// CHECK: %[[START:.*]] = memref.load %[[BIAS]]
// CHECK: vector.broadcast %[[START]] : f32 to vector<16xf32>
// CHECK: scf.for %{{.*}} iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
// CHECK: %[[XS:.*]] = vector.load %[[X]][{{.*}}] : memref<512xbf16>, vector<4xbf16>
// CHECK: %[[BYTES:.*]] = vector.load %[[W]][{{.*}}] : memref<2560xi8>, vector<32xi8>
// CHECK: %[[CODES:.*]] = vector.bitcast %[[BYTES]] : vector<32xi8> to vector<64xi4>
// CHECK: %[[WIDE:.*]] = arith.extui %[[CODES]] : vector<64xi4> to vector<64xi8>
// CHECK: %[[UPPER:.*]] = arith.constant dense<67> : vector<64xi8>
// CHECK: %[[BITS:.*]] = vector.interleave %[[WIDE]], %[[UPPER]] : vector<64xi8> -> vector<128xi8>
// CHECK: %[[NUMBERS:.*]] = vector.bitcast %[[BITS]] : vector<128xi8> to vector<64xbf16>
// CHECK: vector.extract_strided_slice %[[NUMBERS]] {offsets = [0], sizes = [16], strides = [1]}
// CHECK-COUNT-4: vector.fma
// The sum, in two parts of bf16, times the scale; the minimum times that of x.
// CHECK: arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
// CHECK: arith.subf
// CHECK-COUNT-4: vector.fma
// CHECK: vector.store %{{.*}}, %[[Y]]
// doc: end

// -----

// CHECK: func.func @zero_32(%[[Y:.*]]: memref<32xf32>)
// CHECK: %[[ZERO:.*]] = arith.constant dense<0.000000e+00> : vector<16xf32>
// CHECK-COUNT-2: vector.store %[[ZERO]], %[[Y]]
// CHECK: func.func @take_q4_0_512(%[[PIECE:.*]]: memref<512xi8>, %[[X:.*]]: memref<512xbf16>, %[[BIAS:.*]]: memref<16xf32>, %[[PARTS:.*]]: memref<32xbf16>, %{{.*}}: i32)
// CHECK: %[[BYTES:.*]] = vector.load %[[PIECE]][{{.*}}] : memref<512xi8>, vector<32xi8>
// CHECK: %[[LOW:.*]] = vector.bitcast %[[BYTES]] : vector<32xi8> to vector<16xbf16>
// CHECK: vector.store %[[LOW]], %[[X]]
// CHECK-COUNT-4: vector.shuffle
// CHECK: arith.constant dense<-1.360000e+02> : vector<16xf32>
// CHECK: memref.store %{{.*}}, %[[BIAS]]
// CHECK-COUNT-2: memref.store %{{.*}}, %[[PARTS]]
// CHECK: func.func @copy_512(%[[FROM:.*]]: memref<512xi8>, %[[TO:.*]]: memref<512xi8>)
// CHECK: %[[COPIED:.*]] = vector.load %[[FROM]][{{.*}}] : memref<512xi8>, vector<64xi8>
// CHECK: vector.store %[[COPIED]], %[[TO]]
// CHECK: func.func @gate_silu_32(%[[GATE:.*]]: memref<32xf32>, %[[UP:.*]]: memref<32xf32>)
// CHECK: math.exp
// CHECK: arith.divf
// CHECK: vector.store %{{.*}}, %[[UP]]
func.func private @zero_32(memref<32xf32>) attributes {headrace.core = {kind = "zero", size = 32 : i64}}
func.func private @take_q4_0_512(memref<512xi8>, memref<512xbf16>, memref<16xf32>, memref<32xbf16>, i32)
    attributes {headrace.core = {kind = "take_q4_0", size = 512 : i64}}
func.func private @copy_512(memref<512xi8>, memref<512xi8>) attributes {headrace.core = {kind = "copy", size = 512 : i64}}
func.func private @gate_silu_32(memref<32xf32>, memref<32xf32>)
    attributes {headrace.core = {kind = "gate_silu", size = 32 : i64}}

// What tasks call stays declared while there are tasks.
// CHECK: func.func private @zero_16(memref<16xf32>)
// CHECK: dataflow.task
// CHECK-NOT: func.func private @zero_32
func.func private @zero_16(memref<16xf32>) attributes {headrace.core = {kind = "zero", size = 16 : i64}}
dataflow.graph @zeros(%y: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<16xf32>>
  dataflow.port write %y offset 0 sizes [16] strides [1] stream %s : memref<16xf32>, !dataflow.stream<memref<16xf32>>
  dataflow.task "zero" {
    dataflow.push %s as %e: memref<16xf32> {
      func.call @zero_16(%e) : (memref<16xf32>) -> ()
    }
  }
}

// -----

// A block of 64 columns: two groups of them.
// CHECK: func.func @accumulate_q4nx_128(
// CHECK: %[[GROUPS:.*]] = arith.constant 2 : index
// CHECK: scf.for %{{.*}} = %{{.*}} to %[[GROUPS]] step
func.func private @accumulate_q4nx_128(memref<128xbf16>, memref<4xf32>, memref<8xbf16>, memref<640xi8>, memref<16xf32>, i32)
    attributes {headrace.core = {kind = "accumulate_q4nx", size = 128 : i64}}

// -----

// Integer scales and minima are summed up first; then d and dmin of a row, in two
// parts each.
// CHECK: func.func @accumulate_q4_k_256({{.*}}, %[[W:.*]]: memref<2432xi8>, %[[Y:.*]]: memref<16xf32>,
// CHECK: scf.for %{{.*}} iter_args({{.*}}) -> (vector<16xf32>, vector<16xf32>) {
// CHECK: %[[BYTES:.*]] = vector.load %[[W]][{{.*}}] : memref<2432xi8>, vector<16xi8>
// CHECK: arith.extui %[[BYTES]] : vector<16xi8> to vector<16xi16>
// CHECK: scf.yield {{.*}} : vector<16xf32>, vector<16xf32>
// CHECK-COUNT-6: vector.fma
// CHECK: vector.store %{{.*}}, %[[Y]]
func.func private @accumulate_q4_k_256(memref<256xbf16>, memref<8xf32>, memref<16xbf16>, memref<2432xi8>, memref<16xf32>, i32)
    attributes {headrace.core = {kind = "accumulate_q4_k", size = 256 : i64}}

// -----

// What a function takes of program memory, for the check of it: two stores and a return.
module {
  func.func private @zero_32(memref<32xf32>) attributes {headrace.core = {kind = "zero", size = 32 : i64}}
  // CHECK: aie.device(npu2)
  // CHECK: func.func private @zero_32(memref<32xf32>) attributes {code_bytes = 48 : i32}
  aie.device(npu2) {
    func.func private @zero_32(memref<32xf32>)
  }
}
