// RUN: %headrace_opt %s --aie-place="columns=1 rows=2" --split-input-file --verify-diagnostics

dataflow.graph @cores(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<24xf32>>
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<8xf32>>
  %c = dataflow.stream "c" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [3, 8] strides [0, 1] stream %s : memref<8xf32>, !dataflow.stream<memref<24xf32>>
  dataflow.distribute %s to %a, %b, %c : !dataflow.stream<memref<24xf32>> to !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{'dataflow.task' op needs a column with 3 free cores, 1 channels that read memory and 0 that write it for task "a" and what it shares distributions, joins and ports with, but columns have at most 2, 2 and 2 left, and none has them all; the array has 1 columns of 2 cores}}
  dataflow.task "a" {
    dataflow.pop %a as %e: memref<8xf32> {
    }
  }
  dataflow.task "b" {
    dataflow.pop %b as %e: memref<8xf32> {
    }
  }
  dataflow.task "c" {
    dataflow.pop %c as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @channels(%m: memref<8xf32>) {
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<8xf32>>
  %c = dataflow.stream "c" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %a : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %b : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %c : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{needs a column with 1 free cores, 3 channels that read memory and 0 that write it for task "a"}}
  dataflow.task "a" {
    dataflow.pop %a as %e: memref<8xf32> {
      dataflow.pop %b as %f: memref<8xf32> {
        dataflow.pop %c as %g: memref<8xf32> {
        }
      }
    }
  }
}
