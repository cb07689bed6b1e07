// RUN: %headrace_opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{stream: expected elements of a static, contiguous memref of numbers, but got 'memref<?xf32>'; allowed: for example memref<256xbf16>}}
func.func private @dynamic_element(!dataflow.stream<memref<?xf32>>)

// -----

// expected-error@+1 {{'dataflow.graph' op expected arguments to be memrefs, but got 'tensor<4xf32>'}}
dataflow.graph @tensor(%x: tensor<4xf32>) {
}

// -----

dataflow.graph @other_operation() {
  // expected-error@+1 {{'arith.constant' op expected no such operation in a dataflow.graph; allowed: stream, task, port, broadcast, distribute and join}}
  %c = arith.constant 0 : index
}

// -----

dataflow.graph @no_consumer(%m: memref<8xf32>) {
  // expected-error@+1 {{'dataflow.stream' op expected a producer and a consumer of "s", but got no consumer}}
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @two_consumers(%m: memref<8xf32>) {
  // expected-error@+1 {{expected one consumer of "s", but got task "b" and task "a"; dataflow.broadcast gives it to several}}
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.pop %s as %e: memref<8xf32> {
    }
  }
  dataflow.task "b" {
    dataflow.pop %s as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @one_task() {
  // expected-error@+1 {{expected two ends of "s", but got task "a" at both; its own memory is memref.alloca}}
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.push %s as %e: memref<8xf32> {
    }
    dataflow.pop %s as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @same_name(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{'dataflow.stream' op expected names that differ, but another stream is "s" too}}
  %t = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @rates(%m: memref<64xf32>) {
  // expected-error@+1 {{expected as many elements to leave "s" as enter it, but got 8 from dataflow.port and 6 to task "a"}}
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [64] strides [1] stream %s : memref<64xf32>, !dataflow.stream<memref<8xf32>>
  // expected-note@+1 {{this takes them out}}
  dataflow.task "a" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c6 = arith.constant 6 : index
    scf.for %i = %c0 to %c6 step %c1 {
      dataflow.pop %s as %e: memref<8xf32> {
      }
    }
  }
}

// -----

// What a join takes is what goes out of it.
dataflow.graph @rates_of_join(%m: memref<64xf32>) {
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected as many elements to leave "b" as enter it, but got 2 from task "twice" and 4 to dataflow.join}}
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<8xf32>>
  %y = dataflow.stream "y" depth 1 : !dataflow.stream<memref<16xf32>>
  dataflow.task "four" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.push %a as %e: memref<8xf32> {
      }
    }
  }
  dataflow.task "twice" {
    dataflow.push %b as %e: memref<8xf32> {
    }
    dataflow.push %b as %e: memref<8xf32> {
    }
  }
  // expected-note@+1 {{this takes them out}}
  dataflow.join %a, %b to %y : !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<16xf32>>
  dataflow.port write %m offset 0 sizes [64] strides [1] stream %y : memref<64xf32>, !dataflow.stream<memref<16xf32>>
}

// -----

dataflow.graph @unknown_bounds(%m: memref<8xf32>, %n: memref<1xi32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %t = dataflow.stream "t" depth 1 : !dataflow.stream<memref<1xi32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %n offset 0 sizes [1] strides [1] stream %t : memref<1xi32>, !dataflow.stream<memref<1xi32>>
  dataflow.task "a" {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    dataflow.pop %t as %count: memref<1xi32> {
      %number = memref.load %count[%c0] : memref<1xi32>
      %n1 = arith.index_cast %number : i32 to index
      scf.for %i = %c0 to %n1 step %c1 {
        // expected-error@+1 {{'dataflow.pop' op expected loops with constant bounds around it, but got bounds that are not known; then its rate is not known}}
        dataflow.pop %s as %e: memref<8xf32> {
        }
      }
    }
  }
}

// -----

dataflow.graph @conditional(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    %true = arith.constant true
    scf.if %true {
      // expected-error@+1 {{expected a dataflow.task, and in it scf.for, dataflow.pop and dataflow.push around it, but got scf.if}}
      dataflow.pop %s as %e: memref<8xf32> {
      }
    }
  }
}

// -----

dataflow.graph @two_windows(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 2 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [16] strides [1] stream %s : memref<16xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.pop %s as %e: memref<8xf32> {
      // expected-error@+1 {{'dataflow.pop' op expected one window at a time on a stream, but one is open around it}}
      dataflow.pop %s as %f: memref<8xf32> {
      }
    }
  }
}

// -----

func.func @no_task(%s: !dataflow.stream<memref<8xf32>>) {
  // expected-error@+1 {{'dataflow.pop' op expected a dataflow.task, and in it scf.for, dataflow.pop and dataflow.push around it, but got func.func}}
  dataflow.pop %s as %e: memref<8xf32> {
  }
  return
}

// -----

dataflow.graph @memory_in_a_task(%m: memref<8xf32>) {
  dataflow.task "a" {
    %c0 = arith.constant 0 : index
    // expected-error@+1 {{'memref.load' op expected values of task "a" only, but got operand #0 from outside; a task sees streams by dataflow.pop and dataflow.push}}
    %v = memref.load %m[%c0] : memref<8xf32>
  }
}

// -----

dataflow.graph @type_of_memory(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xbf16>>
  // expected-error@+1 {{'dataflow.port' op expected a stream of 'f32', as the memory has, but got elements of 'bf16'}}
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xbf16>>
}

// -----

dataflow.graph @out_of_memory(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected numbers 0 to 15 of the memory, but got number 16}}
  dataflow.port read %m offset 1 sizes [2, 8] strides [8, 1] stream %s : memref<16xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @partial_element(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected whole elements of 8 numbers, but got sizes that multiply to 12}}
  dataflow.port read %m offset 0 sizes [12] strides [1] stream %s : memref<16xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @no_sizes(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected as many sizes as strides, one at least, but got 1 and 2}}
  dataflow.port read %m offset 0 sizes [8] strides [1, 1] stream %s : memref<16xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @size_zero(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected sizes from 1 on, up to 2^40 together, and strides from 0 to 2^40, but got size 0 with stride 1}}
  dataflow.port read %m offset 0 sizes [8, 0] strides [1, 1] stream %s : memref<16xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @too_often(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected at most 2^40 numbers in all, but got 1099511627776 times 16}}
  dataflow.port read %m offset 0 sizes [16] strides [1] repeat 1099511627776 stream %s : memref<16xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @place(%m: memref<16xf32>) {
  // expected-error@+1 {{'dataflow.task' op expected a place of column and row, but got [0, -1]; allowed: numbers from 0 on}}
  dataflow.task "a" at [0, -1] {
  }
}

// -----

dataflow.graph @broadcast_types(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %t = dataflow.stream "t" depth 1 : !dataflow.stream<memref<4xf32>>
  // expected-error@+1 {{'dataflow.broadcast' op expected outputs of '!dataflow.stream<memref<8xf32>>', but got '!dataflow.stream<memref<4xf32>>'}}
  dataflow.broadcast %s to %t : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<4xf32>>
}

// -----

dataflow.graph @parts(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %t = dataflow.stream "t" depth 1 : !dataflow.stream<memref<3xf32>>
  %u = dataflow.stream "u" depth 1 : !dataflow.stream<memref<4xf32>>
  // expected-error@+1 {{'dataflow.distribute' op expected parts with 8 numbers together, but got 7}}
  dataflow.distribute %s to %t, %u : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<3xf32>>, !dataflow.stream<memref<4xf32>>
}

// -----

dataflow.graph @part_types(%m: memref<16xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  %t = dataflow.stream "t" depth 1 : !dataflow.stream<memref<8xi32>>
  // expected-error@+1 {{'dataflow.join' op expected parts of 'f32', but got elements of 'i32'}}
  dataflow.join %t to %s : !dataflow.stream<memref<8xi32>> to !dataflow.stream<memref<8xf32>>
}

// -----

// expected-error@+1 {{'dataflow.graph' op expected no results, but got 'f32'; write them to arguments by ports}}
dataflow.graph @result(%m: memref<8xf32>) -> f32 {
}

// -----

// expected-error@+1 {{'dataflow.graph' op expected streams and tasks, but got no body}}
dataflow.graph @empty(%m: memref<8xf32>) {
}

// -----

dataflow.graph @no_memory(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    // expected-error@+1 {{expected a memref as the window, but got 'tensor<8xf32>'}}
    dataflow.pop %s as %e: tensor<8xf32> {
    }
  }
}

// -----

dataflow.graph @other_window(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    // expected-error@+1 {{'dataflow.pop' op expected a body with one argument, 'memref<8xf32>'}}
    "dataflow.pop"(%s) ({
    ^bb0(%e: memref<4xf32>):
    }) : (!dataflow.stream<memref<8xf32>>) -> ()
  }
}

// -----

dataflow.graph @memory_with_gaps(%m: memref<8xf32, strided<[2]>>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{'dataflow.port' op expected contiguous memory, but got 'memref<8xf32, strided<[2]>>'}}
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32, strided<[2]>>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.pop %s as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @to_nobody(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{'dataflow.broadcast' op expected outputs, but got none}}
  "dataflow.broadcast"(%s) : (!dataflow.stream<memref<8xf32>>) -> ()
}

// -----

dataflow.graph @two_producers(%m: memref<8xf32>) {
  // expected-error@+1 {{expected one producer of "s", but got task "a" and dataflow.port}}
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.push %s as %e: memref<8xf32> {
    }
  }
}

// -----

dataflow.graph @steps(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s step 1 : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{expected a step from 1 on, which that of the port before it at this stream is, but got 0}}
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [8] strides [1] stream %s step 2 : memref<8xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @no_producer(%m: memref<8xf32>) {
  // expected-error@+1 {{'dataflow.stream' op expected a producer and a consumer of "s", but got no producer}}
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port write %m offset 0 sizes [8] strides [1] stream %s : memref<8xf32>, !dataflow.stream<memref<8xf32>>
}

// -----

// Rings of operations that only move elements: nobody ever puts one in.
dataflow.graph @ring() {
  // expected-error@+1 {{expected a task or a port that says how many elements pass "a", but got a ring without any}}
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.broadcast %a to %b : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>
  dataflow.broadcast %b to %a : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>
}

// -----

dataflow.graph @negative_place(%m: memref<8xf32>) {
  %s = dataflow.stream "s" depth 1 : !dataflow.stream<memref<8xf32>>
  // expected-error@+1 {{'dataflow.port' op expected a place of column and row, but got [-1, 0]; allowed: numbers from 0 on}}
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %s at [-1, 0] : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "a" {
    dataflow.pop %s as %e: memref<8xf32> {
    }
  }
}
