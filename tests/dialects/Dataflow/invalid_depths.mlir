// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// The first task fills "even" before "odd", the second one empties both in turn.
// doc: cycle
// expected-error@+1 {{'dataflow.graph' op expected streams that are deep enough, but got a cycle of waits: task "split" waits for room in "even" (depth 2); task "merge" waits for an element of "odd"}}
dataflow.graph @cycle() {
  %even = dataflow.stream "even" depth 2 : !dataflow.stream<memref<8xf32>>
  %odd = dataflow.stream "odd" depth 2 : !dataflow.stream<memref<8xf32>>
  dataflow.task "split" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.push %even as %e: memref<8xf32> {
      }
    }
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.push %odd as %o: memref<8xf32> {
      }
    }
  }
  dataflow.task "merge" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %even as %e: memref<8xf32> {
        dataflow.pop %odd as %o: memref<8xf32> {
        }
      }
    }
  }
}
// doc: end

// -----

// One deeper, and it ends: "merge" holds one of "even" while it waits.
dataflow.graph @deep_enough() {
  %even = dataflow.stream "even" depth 4 : !dataflow.stream<memref<8xf32>>
  %odd = dataflow.stream "odd" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.task "split" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.push %even as %e: memref<8xf32> {
      }
    }
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.push %odd as %o: memref<8xf32> {
      }
    }
  }
  dataflow.task "merge" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %even as %e: memref<8xf32> {
        dataflow.pop %odd as %o: memref<8xf32> {
        }
      }
    }
  }
}

// -----

// Both wait for the other one's first element.
// expected-error@+1 {{a cycle of waits: task "a" waits for an element of "back"; task "b" waits for an element of "forth"}}
dataflow.graph @empty_ring() {
  %forth = dataflow.stream "forth" depth 1 : !dataflow.stream<memref<8xf32>>
  %back = dataflow.stream "back" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.pop %back as %e: memref<8xf32> {
      dataflow.push %forth as %o: memref<8xf32> {
      }
    }
  }
  dataflow.task "b" {
    dataflow.pop %forth as %e: memref<8xf32> {
      dataflow.push %back as %o: memref<8xf32> {
      }
    }
  }
}

// -----

// A broadcast goes to all of its outputs at once. One task wants all of "x" first.
// expected-error@+1 {{a cycle of waits: dataflow.broadcast of "x" waits for room in "late" (depth 1); task "sum" waits for an element of "early"}}
dataflow.graph @broadcast(%m: memref<32xf32>) {
  %x = dataflow.stream "x" depth 1 : !dataflow.stream<memref<8xf32>>
  %early = dataflow.stream "early" depth 1 : !dataflow.stream<memref<8xf32>>
  %late = dataflow.stream "late" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [32] strides [1] stream %x : memref<32xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.broadcast %x to %early, %late : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>
  dataflow.task "sum" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %early as %e: memref<8xf32> {
      }
    }
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %late as %e: memref<8xf32> {
      }
    }
  }
}

// -----

// Outputs of a distribution take their parts independently, as far as its input is deep.
dataflow.graph @distribute(%m: memref<64xf32>) {
  %x = dataflow.stream "x" depth 2 : !dataflow.stream<memref<16xf32>>
  %early = dataflow.stream "early" depth 1 : !dataflow.stream<memref<8xf32>>
  %late = dataflow.stream "late" depth 2 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [64] strides [1] stream %x : memref<64xf32>, !dataflow.stream<memref<16xf32>>
  dataflow.distribute %x to %early, %late : !dataflow.stream<memref<16xf32>> to !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>
  dataflow.task "sum" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %early as %e: memref<8xf32> {
      }
    }
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %late as %e: memref<8xf32> {
      }
    }
  }
}

// -----

// expected-error@+1 {{a cycle of waits: dataflow.port of "x" waits for room in "x" (depth 2); dataflow.distribute of "x" waits for room in "late" (depth 1); task "sum" waits for an element of "early"; dataflow.distribute of "x" waits for an element of "x"}}
dataflow.graph @shallow_distribute(%m: memref<64xf32>) {
  %x = dataflow.stream "x" depth 2 : !dataflow.stream<memref<16xf32>>
  %early = dataflow.stream "early" depth 1 : !dataflow.stream<memref<8xf32>>
  %late = dataflow.stream "late" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [64] strides [1] stream %x : memref<64xf32>, !dataflow.stream<memref<16xf32>>
  dataflow.distribute %x to %early, %late : !dataflow.stream<memref<16xf32>> to !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>
  dataflow.task "sum" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %early as %e: memref<8xf32> {
      }
    }
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %late as %e: memref<8xf32> {
      }
    }
  }
}

// -----

// expected-error@+1 {{expected a run to end within 134217728 steps, so that its streams can be checked}}
dataflow.graph @endless() {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.task "in" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %most = arith.constant 1000000000000 : index
    scf.for %i = %c0 to %most step %c1 {
      dataflow.push %s as %e: memref<8xf32> {
      }
    }
  }
  dataflow.task "out" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %most = arith.constant 1000000000000 : index
    scf.for %i = %c0 to %most step %c1 {
      dataflow.pop %s as %e: memref<8xf32> {
      }
    }
  }
}
