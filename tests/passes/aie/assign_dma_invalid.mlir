// RUN: %headrace_opt %s --aie-assign-dma --verify-diagnostics

module {
aie.device(npu2) {
  %shim = aie.tile(0, 0)
  %core = aie.tile(0, 2)
  aie.objectfifo @w(%shim, {%core}, 2 : i32) : !aie.objectfifo<memref<16xi8>>
  aie.runtime_sequence @sequence(%w: memref<4294967296xi8>) {
    %ws = dataflow.stream "w" depth 2 : !dataflow.stream<memref<16xi8>>
    // expected-error@+1 {{'dataflow.port' op expected at most 2147483647 numbers in a transfer, and offset and strides up to that, but got 4294967296 from 0 on}}
    dataflow.port read %w offset 0 sizes [4294967296] strides [1] stream %ws at [0, 0] : memref<4294967296xi8>, !dataflow.stream<memref<16xi8>>
  }
}
}
