// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

dataflow.graph @twice(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected an order that has each of the 8 numbers of an element once, but got sizes [4, 2] with strides [1, 2]}}
  dataflow.broadcast %s to %a order sizes [4, 2] strides [1, 2] : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>
  dataflow.task "t" {
    dataflow.pop %a as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @too_few(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected an order that has each of the 8 numbers of an element once, but got sizes [2, 2] with strides [1, 2]}}
  dataflow.broadcast %s to %a order sizes [2, 2] strides [1, 2] : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>
  dataflow.task "t" {
    dataflow.pop %a as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @too_many(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected an order that has each of the 8 numbers of an element once, but got sizes [9223372036854775807, 8] with strides [8, 1]}}
  dataflow.broadcast %s to %a order sizes [9223372036854775807, 8] strides [8, 1] : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>
  dataflow.task "t" {
    dataflow.pop %a as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @unequal(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected an order with as many sizes as strides, but got 2 and 1}}
  dataflow.broadcast %s to %a order sizes [4, 2] strides [1] : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>
  dataflow.task "t" {
    dataflow.pop %a as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @parts(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<4xf32>>
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<4xf32>>
  dataflow.task "t" {
    dataflow.push %a as %e: memref<4xf32> {
    }
    dataflow.push %b as %f: memref<4xf32> {
    }
  }
  // The order is that of a part, not that of the whole element.
  // expected-error@+1 {{expected an order that has each of the 4 numbers of an element once, but got sizes [4, 2] with strides [2, 1]}}
  dataflow.join %a, %b to %s order sizes [4, 2] strides [2, 1] : !dataflow.stream<memref<4xf32>>, !dataflow.stream<memref<4xf32>> to !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
}
