// RUN: %headrace_opt %s --aie-assign-objectfifos --split-input-file | FileCheck %s
// RUN: %headrace_opt %s --aie-assign-objectfifos="device=npu1 stack=2048 object=own.o" --split-input-file | FileCheck %s --check-prefix=OWN

// CHECK-LABEL: aie.device(npu2) @product {
// CHECK-NEXT: func.func private @sum(memref<8xbf16>, memref<4xf32>) attributes {link_with = "cores.o"}
// CHECK-NEXT: func.func private @add(memref<8xi8>, memref<4xf32>, memref<8xf32>) attributes {link_with = "cores.o"}
// CHECK-NEXT: %[[SHIM:.*]] = aie.tile(0, 0)
// CHECK-NEXT: %[[MEM:.*]] = aie.tile(0, 1)
// CHECK-NEXT: %[[A:.*]] = aie.tile(0, 2)
// CHECK-NEXT: %[[B:.*]] = aie.tile(0, 3)
// CHECK-NEXT: aie.objectfifo @x(%[[SHIM]], {%[[MEM]]}, 1 : i32) : !aie.objectfifo<memref<8xbf16>>
// CHECK-NEXT: aie.objectfifo @x_all(%[[MEM]], {%[[A]], %[[B]]}, [1, 1, 2]) : !aie.objectfifo<memref<8xbf16>>
// CHECK-NEXT: aie.objectfifo @w(%[[SHIM]], {%[[MEM]]}, 2 : i32) : !aie.objectfifo<memref<16xi8>>
// CHECK-NEXT: aie.objectfifo @w0(%[[MEM]], {%[[A]]}, 2 : i32) : !aie.objectfifo<memref<8xi8>>
// CHECK-NEXT: aie.objectfifo @w1(%[[MEM]], {%[[B]]}, 2 : i32) : !aie.objectfifo<memref<8xi8>>
// CHECK-NEXT: aie.objectfifo @y0(%[[A]], {%[[MEM]]}, 2 : i32) : !aie.objectfifo<memref<8xf32>>
// CHECK-NEXT: aie.objectfifo @y1(%[[B]], {%[[MEM]]}, 2 : i32) : !aie.objectfifo<memref<4xf32>>
// CHECK-NEXT: aie.objectfifo @y(%[[MEM]], {%[[SHIM]]}, 2 : i32) : !aie.objectfifo<memref<12xf32>>
// CHECK-NEXT: aie.objectfifo.link [@x] -> [@x_all]([] [])
// CHECK-NEXT: aie.objectfifo.link [@w] -> [@w0, @w1]([] [0, 8])
// CHECK-NEXT: aie.objectfifo.link [@y0, @y1] -> [@y]([0, 8] [])

// OWN-LABEL: aie.device(npu1) @product {
// OWN: attributes {link_with = "own.o"}
// OWN: {stack_size = 2048 : i32}

func.func private @sum(memref<8xbf16>, memref<4xf32>)
func.func private @add(memref<8xi8>, memref<4xf32>, memref<8xf32>)

// doc: core
dataflow.graph @product(%x: memref<8xbf16>, %w: memref<64xi8>, %y: memref<48xf32>) {
  %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<8xbf16>>
  %x0 = dataflow.stream "x0" depth 1 : !dataflow.stream<memref<8xbf16>>
  %x1 = dataflow.stream "x1" depth 2 : !dataflow.stream<memref<8xbf16>>
  %ws = dataflow.stream "w" depth 2 : !dataflow.stream<memref<16xi8>>
  %w0 = dataflow.stream "w0" depth 2 : !dataflow.stream<memref<8xi8>>
  %w1 = dataflow.stream "w1" depth 2 : !dataflow.stream<memref<8xi8>>
  %y0 = dataflow.stream "y0" depth 2 : !dataflow.stream<memref<8xf32>>
  %y1 = dataflow.stream "y1" depth 2 : !dataflow.stream<memref<4xf32>>
  %ys = dataflow.stream "y" depth 2 : !dataflow.stream<memref<12xf32>>
  dataflow.port read %x offset 0 sizes [8] strides [1] stream %xs at [0, 0] : memref<8xbf16>, !dataflow.stream<memref<8xbf16>>
  dataflow.port read %w offset 0 sizes [64] strides [1] stream %ws at [0, 0] : memref<64xi8>, !dataflow.stream<memref<16xi8>>
  dataflow.port write %y offset 0 sizes [48] strides [1] stream %ys at [0, 0] : memref<48xf32>, !dataflow.stream<memref<12xf32>>
  dataflow.broadcast %xs to %x0, %x1 at [0, 1] : !dataflow.stream<memref<8xbf16>> to !dataflow.stream<memref<8xbf16>>, !dataflow.stream<memref<8xbf16>>
  dataflow.distribute %ws to %w0, %w1 at [0, 1] : !dataflow.stream<memref<16xi8>> to !dataflow.stream<memref<8xi8>>, !dataflow.stream<memref<8xi8>>
  dataflow.join %y0, %y1 to %ys at [0, 1] : !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<4xf32>> to !dataflow.stream<memref<12xf32>>
  // CHECK: %[[SUM:.*]] = aie.buffer(%[[A]]) {sym_name = "core0_0"} : memref<4xf32>
  // CHECK: aie.core(%[[A]]) {
  dataflow.task "core0" at [0, 2] {
    // CHECK: %[[FOREVER:.*]] = arith.constant 9223372036854775806 : index
    // CHECK: scf.for %{{.*}} = %{{.*}} to %[[FOREVER]]
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    %sum = memref.alloca() : memref<4xf32>
    // CHECK: %[[XS:.*]] = aie.objectfifo.acquire @x_all(Consume, 1) : !aie.objectfifosubview<memref<8xbf16>>
    // CHECK: %[[X:.*]] = aie.objectfifo.subview.access %[[XS]][0] : !aie.objectfifosubview<memref<8xbf16>> -> memref<8xbf16>
    dataflow.pop %x0 as %xe: memref<8xbf16> {
      // CHECK: call @sum(%[[X]], %[[SUM]])
      func.call @sum(%xe, %sum) : (memref<8xbf16>, memref<4xf32>) -> ()
      // CHECK: scf.for
      scf.for %i = %c0 to %c4 step %c1 {
        // CHECK: aie.objectfifo.acquire @y0(Produce, 1)
        // CHECK: %[[Y:.*]] = aie.objectfifo.subview.access
        dataflow.push %y0 as %ye: memref<8xf32> {
          // CHECK: aie.objectfifo.acquire @w0(Consume, 1)
          // CHECK: %[[W:.*]] = aie.objectfifo.subview.access
          dataflow.pop %w0 as %we: memref<8xi8> {
            // CHECK: call @add(%[[W]], %[[SUM]], %[[Y]])
            func.call @add(%we, %sum, %ye) : (memref<8xi8>, memref<4xf32>, memref<8xf32>) -> ()
          }
          // CHECK-NEXT: aie.objectfifo.release @w0(Consume, 1)
        }
        // CHECK-NEXT: aie.objectfifo.release @y0(Produce, 1)
      }
    }
    // CHECK: aie.objectfifo.release @x_all(Consume, 1)
  }
  // doc: end
  // CHECK: aie.end
  // CHECK-NEXT: } {stack_size = 3328 : i32}

  // CHECK: aie.core(%[[B]]) {
  dataflow.task "core1" at [0, 3] {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    dataflow.pop %x1 as %xe: memref<8xbf16> {
      scf.for %i = %c0 to %c4 step %c1 {
        dataflow.pop %w1 as %we: memref<8xi8> {
          dataflow.push %y1 as %ye: memref<4xf32> {
          }
        }
      }
    }
  }
}
// Ports are left for aie-assign-dma.
// CHECK: aie.runtime_sequence @sequence(%[[XM:.*]]: memref<8xbf16>, %[[WM:.*]]: memref<64xi8>, %[[YM:.*]]: memref<48xf32>) {
// CHECK: %[[S:.*]] = dataflow.stream "w" depth 2 : !dataflow.stream<memref<16xi8>>
// CHECK: dataflow.port read %[[WM]] offset 0 sizes [64] strides [1] stream %[[S]] at [0, 0]

// -----

// What a broadcast gives to memory goes through the fifo of all its outputs, and
// without a task in between from tile to tile.
// CHECK-LABEL: aie.device(npu2) @copies {
// CHECK: aie.objectfifo @in(%[[S0:.*]], {%[[M0:.*]]}, 1 : i32)
// CHECK: aie.objectfifo @in_all(%[[M0]], {%[[S0]], %{{.*}}}, 1 : i32)
// CHECK: aie.runtime_sequence @sequence(
// CHECK: %[[OUT:.*]] = dataflow.stream "in_all" depth 1
// CHECK: dataflow.port write %{{.*}} stream %[[OUT]]
dataflow.graph @copies(%m: memref<8xf32>, %n: memref<8xf32>) {
  %in = dataflow.stream "in" depth 1 : !dataflow.stream<memref<8xf32>>
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  %b = dataflow.stream "b" depth 1 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %in at [0, 0] : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.broadcast %in to %a, %b at [0, 1] : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>
  dataflow.port write %n offset 0 sizes [8] strides [1] stream %a at [0, 0] : memref<8xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.task "drop" at [0, 2] {
    dataflow.pop %b as %e: memref<8xf32> {
    }
  }
}

// -----

// An order is an access pattern of the memory tile: of what leaves it to all, and
// of each part that arrives.

// CHECK-LABEL: aie.device(npu2) @tiles {
// CHECK: aie.objectfifo @x(%{{.*}}, {%{{.*}}}, 1 : i32) : !aie.objectfifo<memref<64xbf16>>
// CHECK: aie.objectfifo @x_all(%{{.*}} dimensionsToStream [<size = 4, stride = 4>, <size = 4, stride = 16>, <size = 4, stride = 1>], {%{{.*}}, %{{.*}}}, 1 : i32) : !aie.objectfifo<memref<64xbf16>>
// CHECK: aie.objectfifo @y0(%{{.*}}, {%{{.*}} dimensionsFromStream [<size = 4, stride = 2>, <size = 4, stride = 8>, <size = 2, stride = 1>]}, 1 : i32) : !aie.objectfifo<memref<32xf32>>
// CHECK: aie.objectfifo @y1(%{{.*}}, {%{{.*}} dimensionsFromStream [<size = 4, stride = 2>, <size = 4, stride = 8>, <size = 2, stride = 1>]}, 1 : i32) : !aie.objectfifo<memref<32xf32>>
// CHECK: aie.objectfifo @y(%{{.*}}, {%{{.*}}}, 1 : i32) : !aie.objectfifo<memref<64xf32>>
dataflow.graph @tiles(%x: memref<64xbf16>, %y: memref<64xf32>) {
  %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<64xbf16>>
  %x0 = dataflow.stream "x0" depth 1 : !dataflow.stream<memref<64xbf16>>
  %x1 = dataflow.stream "x1" depth 1 : !dataflow.stream<memref<64xbf16>>
  %y0 = dataflow.stream "y0" depth 1 : !dataflow.stream<memref<32xf32>>
  %y1 = dataflow.stream "y1" depth 1 : !dataflow.stream<memref<32xf32>>
  %ys = dataflow.stream "y" depth 1 : !dataflow.stream<memref<64xf32>>
  dataflow.port read %x offset 0 sizes [64] strides [1] stream %xs at [0, 0] : memref<64xbf16>, !dataflow.stream<memref<64xbf16>>
  dataflow.port write %y offset 0 sizes [64] strides [1] stream %ys at [0, 0] : memref<64xf32>, !dataflow.stream<memref<64xf32>>
  dataflow.broadcast %xs to %x0, %x1 order sizes [4, 4, 4] strides [4, 16, 1] at [0, 1] : !dataflow.stream<memref<64xbf16>> to !dataflow.stream<memref<64xbf16>>, !dataflow.stream<memref<64xbf16>>
  dataflow.join %y0, %y1 to %ys order sizes [4, 4, 2] strides [2, 8, 1] at [0, 1] : !dataflow.stream<memref<32xf32>>, !dataflow.stream<memref<32xf32>> to !dataflow.stream<memref<64xf32>>
  dataflow.task "a" at [0, 2] {
    dataflow.pop %x0 as %in: memref<64xbf16> {
    }
    dataflow.push %y0 as %out: memref<32xf32> {
    }
  }
  dataflow.task "b" at [0, 3] {
    dataflow.pop %x1 as %in: memref<64xbf16> {
    }
    dataflow.push %y1 as %out: memref<32xf32> {
    }
  }
}

// -----

// What a task puts into a broadcast goes from its core to all of them, without a
// link. Ports in turn share a stream.
// CHECK-LABEL: aie.device(npu2) @passed_on {
// CHECK: aie.objectfifo @a(%{{.*}}, {%[[FIRST:.*]]}, 1 : i32)
// CHECK: aie.objectfifo @all(%[[FIRST]], {%{{.*}}, %{{.*}}}, [1, 2, 2]) : !aie.objectfifo<memref<8xf32>>
// CHECK-NOT: aie.objectfifo.link
// CHECK: aie.core(%[[FIRST]]) {
// CHECK: aie.objectfifo.acquire @a(Consume, 1)
// CHECK: aie.objectfifo.acquire @all(Produce, 1)
// CHECK: aie.runtime_sequence @sequence(
// CHECK-COUNT-1: dataflow.stream
// CHECK-NOT: dataflow.stream "
// CHECK: dataflow.port read %{{.*}} step 1
dataflow.graph @passed_on(%m: memref<16xf32>) {
  %a = dataflow.stream "a" depth 1 : !dataflow.stream<memref<8xf32>>
  %all = dataflow.stream "all" depth 1 : !dataflow.stream<memref<8xf32>>
  %b = dataflow.stream "b" depth 2 : !dataflow.stream<memref<8xf32>>
  %c = dataflow.stream "c" depth 2 : !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 0 sizes [8] strides [1] stream %a at [0, 0] : memref<16xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.port read %m offset 8 sizes [8] strides [1] stream %a at [0, 0] step 1 : memref<16xf32>, !dataflow.stream<memref<8xf32>>
  dataflow.broadcast %all to %b, %c at [0, 2] : !dataflow.stream<memref<8xf32>> to !dataflow.stream<memref<8xf32>>, !dataflow.stream<memref<8xf32>>
  dataflow.task "first" at [0, 2] {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    scf.for %i = %c0 to %c2 step %c1 {
      dataflow.pop %a as %e: memref<8xf32> {
        dataflow.push %all as %f: memref<8xf32> {
        }
      }
    }
  }
  dataflow.task "b" at [1, 2] {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    scf.for %i = %c0 to %c2 step %c1 {
      dataflow.pop %b as %e: memref<8xf32> {
      }
    }
  }
  dataflow.task "c" at [0, 4] {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    scf.for %i = %c0 to %c2 step %c1 {
      dataflow.pop %c as %e: memref<8xf32> {
      }
    }
  }
}

// -----

// A task that is one loop: the endless loop repeats it.

// CHECK-LABEL: aie.device(npu2) @loop {
// CHECK: aie.core(
// CHECK: scf.for
// CHECK-NOT: scf.for
// CHECK: aie.objectfifo.acquire @x(Consume, 1)
// CHECK: aie.objectfifo.release @x(Consume, 1)
// CHECK: aie.end
dataflow.graph @loop(%x: memref<64xbf16>) {
  %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<16xbf16>>
  dataflow.port read %x offset 0 sizes [64] strides [1] stream %xs at [0, 0] : memref<64xbf16>, !dataflow.stream<memref<16xbf16>>
  dataflow.task "a" at [0, 2] {
    %own = memref.alloca() : memref<16xbf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %xs as %in: memref<16xbf16> {
        memref.copy %in, %own : memref<16xbf16> to memref<16xbf16>
      }
    }
  }
}

// -----

// One whose iterations have numbers is copied.

// CHECK-LABEL: aie.device(npu2) @numbered {
// CHECK: scf.for
// CHECK: scf.for %[[I:.*]] =
// CHECK: call @use(%{{.*}}, %[[I]])
func.func private @use(memref<16xbf16>, index)
dataflow.graph @numbered(%x: memref<64xbf16>) {
  %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<16xbf16>>
  dataflow.port read %x offset 0 sizes [64] strides [1] stream %xs at [0, 0] : memref<64xbf16>, !dataflow.stream<memref<16xbf16>>
  dataflow.task "a" at [0, 2] {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c4 step %c1 {
      dataflow.pop %xs as %in: memref<16xbf16> {
        func.call @use(%in, %i) : (memref<16xbf16>, index) -> ()
      }
    }
  }
}

// -----

// What lies around the only loop is there for what lies in it.

// CHECK-LABEL: aie.device(npu2) @around {
// CHECK: aie.core
// CHECK: %[[FOUR:.*]] = arith.constant 4 : index
// CHECK: scf.for
// CHECK-NEXT: scf.for %{{.*}} = %{{.*}} to %[[FOUR]] step
// CHECK-NEXT: aie.objectfifo.acquire @x
dataflow.graph @around(%x: memref<128xbf16>) {
  %xs = dataflow.stream "x" depth 1 : !dataflow.stream<memref<16xbf16>>
  dataflow.port read %x offset 0 sizes [128] strides [1] stream %xs at [0, 0] : memref<128xbf16>, !dataflow.stream<memref<16xbf16>>
  dataflow.task "a" at [0, 2] {
    %own = memref.alloca() : memref<16xbf16>
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c2 = arith.constant 2 : index
    %c4 = arith.constant 4 : index
    scf.for %i = %c0 to %c2 step %c1 {
      scf.for %j = %c0 to %c4 step %c1 {
        dataflow.pop %xs as %in: memref<16xbf16> {
          memref.copy %in, %own : memref<16xbf16> to memref<16xbf16>
        }
      }
    }
  }
}
