//===- MappingPasses.td - spatial programs on an array of AI Engines -------===//

#ifndef HEADRACE_PASSES_AIE_MAPPING
#define HEADRACE_PASSES_AIE_MAPPING

include "mlir/Pass/PassBase.td"

def AiePlace : Pass<"aie-place", "::mlir::ModuleOp"> {
  let summary = "Give tasks cores, and what moves elements memory and shim tiles";
  let description = [{
    What distributions and joins connect is placed in one column: its tasks on
    cores, distributions and joins on the memory tile, ports on the shim tile.
    Columns are limited by their cores and by the channels by which their shim
    tile reads and writes memory. Broadcasts come first, as they need a channel
    wherever they are; then whatever needs most cores, each to the column that has
    the least channels left of those where it fits.

    A graph in which something is placed already is left alone.

    Before:
    ```mlir
    dataflow.port read %w offset 0 sizes [20480] strides [1] stream %ws : ...
    dataflow.distribute %ws to %w0, %w1 : ...
    dataflow.task "core0" { ... }
    ```
    After:
    ```mlir
    dataflow.port read %w offset 0 sizes [20480] strides [1] stream %ws at [0, 0] : ...
    dataflow.distribute %ws to %w0, %w1 at [0, 1] : ...
    dataflow.task "core0" at [0, 2] { ... }
    ```

    <!-- lit: tests/passes/aie/place.mlir#place -->
  }];
  let options = [
    Option<"columns", "columns", "int64_t", /*default=*/"8", "Columns of the array">,
    Option<"rows", "rows", "int64_t", /*default=*/"4", "Cores of a column">,
    Option<"channels", "channels", "int64_t", /*default=*/"2",
           "Channels of a column that read memory, and that write it">];
}

def AieAssignObjectFifos : Pass<"aie-assign-objectfifos", "::mlir::ModuleOp"> {
  let summary = "Turn a graph into cores that are connected by objectFifos";
  let description = [{
    Each placed graph becomes an `aie.device`: streams are objectFifos between the
    tiles of their ends, distributions, joins and broadcasts links in memory tiles.
    All outputs of a broadcast are one fifo, as an objectFifo gives each element to
    all of its consumers. Tasks are cores that do the same for ever; their windows
    become acquiring and releasing, their own memory buffers of the tile.

    Ports are left, with their streams, in the runtime sequence, for
    `aie-assign-dma`. How weights are packed (`headrace.packing`) becomes an
    attribute of the module, by the name of the graph.

    Before:
    ```mlir
    dataflow.task "core0" at [0, 2] {
      dataflow.pop %w0 as %ws: memref<5120xi8> {
        func.call @use(%ws) : (memref<5120xi8>) -> ()
      }
    }
    ```
    After:
    ```mlir
    %core = aie.core(%core_0_2) {
      scf.for %run = %c0 to %c9223372036854775806 step %c1 {
        %w = aie.objectfifo.acquire @w0(Consume, 1) : !aie.objectfifosubview<memref<5120xi8>>
        %ws = aie.objectfifo.subview.access %w[0] : !aie.objectfifosubview<memref<5120xi8>> -> memref<5120xi8>
        func.call @use(%ws) : (memref<5120xi8>) -> ()
        aie.objectfifo.release @w0(Consume, 1)
      }
      aie.end
    } {stack_size = 3328 : i32}
    ```

    <!-- lit: tests/passes/aie/assign_objectfifos.mlir#core -->
  }];
  let options = [
    Option<"device", "device", "std::string", /*default=*/"\"npu2\"", "Name of the device">,
    Option<"stack", "stack", "int64_t", /*default=*/"3328", "Bytes of a core's stack">,
    Option<"object", "object", "std::string", /*default=*/"\"cores.o\"",
           "Object file of the functions that cores call">];
  let dependentDialects = ["::headrace::aie::AIEDialect", "::mlir::arith::ArithDialect",
    "::mlir::func::FuncDialect", "::mlir::scf::SCFDialect"];
}

def AieAssignDma : Pass<"aie-assign-dma", "::mlir::ModuleOp"> {
  let summary = "Turn the ports of a runtime sequence into tasks of shim DMAs";
  let description = [{
    A port is one buffer descriptor, repeated as the port says. Of a step, tasks
    that read start first, in their order, then those that write; the sequence
    waits for the latter, and then the others have ended too. Each task starts when
    it is configured. Each wait takes its time, so results are awaited last in the
    column that reads most.

    A step starts before those in front of it have ended, as long as the channels
    hold its tasks and the shim tiles have descriptors for them. The sequence thus
    takes all that it reads to be there from its beginning. Steps end in their
    order.

    Ports that are contiguous keep no dimensions: one long transfer is what memory
    serves best.

    Before:
    ```mlir
    %ws = dataflow.stream "w" depth 2 : !dataflow.stream<memref<10240xi8>>
    dataflow.port read %w offset 0 sizes [20480] strides [1] stream %ws at [0, 0] : ...
    ```
    After:
    ```mlir
    %task = aiex.dma_configure_task_for @w {
      aie.dma_bd(%w : memref<20480xi8>, 0, 20480)
      aie.end
    }
    aiex.dma_start_task(%task)
    ```

    <!-- lit: tests/passes/aie/assign_dma.mlir#tasks -->
  }];
  let options = [
    Option<"queue", "queue", "int64_t", /*default=*/"4",
           "Tasks that a channel of a shim tile holds">,
    Option<"descriptors", "descriptors", "int64_t", /*default=*/"16",
           "Buffer descriptors of a shim tile">];
  let dependentDialects = ["::headrace::aie::AIEDialect", "::headrace::aiex::AIEXDialect"];
}

def AieUnrollShortLoops : Pass<"aie-unroll-short-loops", "::mlir::ModuleOp"> {
  let summary = "Unrolls loops of cores that vanish when objectFifos are lowered";
  let description = [{
    The compiler of the array unrolls a loop of a core until each acquire in it has
    a buffer of its own, and with it the loops next to it. One of few iterations is
    no loop any more after that; where it follows the first one, mlir-aie 979629649
    visits it all the same, and crashes. So loops of fewer iterations than twice the
    least common multiple of the depths of a core's fifos are unrolled here.

    Before:
    ```mlir
    scf.for %i = %c0 to %c2 step %c1 {
      %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
      aie.objectfifo.release @y(Produce, 1)
    }
    ```
    After:
    ```mlir
    %ys = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
    aie.objectfifo.release @y(Produce, 1)
    %ys_0 = aie.objectfifo.acquire @y(Produce, 1) : !aie.objectfifosubview<memref<16xi32>>
    aie.objectfifo.release @y(Produce, 1)
    ```

    <!-- lit: tests/passes/aie/unroll_short_loops.mlir#short -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def AieGenerateCores : Pass<"aie-generate-cores", "::mlir::ModuleOp"> {
  let summary = "Bodies, on vectors, of the functions that cores call";
  let description = [{
    Declarations with `headrace.core` get a body in a module of their own, `cores`.
    It multiplies bf16 and adds f32, as cores do; from here functions go to this
    machine, where they are tested, or to C++ for the array.

    A block of q4nx stays in 4 bits until it is multiplied: a code in the low bits
    of the bf16 128 is the number 128 + code. What is too much comes off with the
    sums of the activations, from which minima get their part too.

    For many tokens, blocks become bf16 first (`dequantize_FORMAT_TILE`), in the
    order of the tiles in which cores multiply matrices (`multiply_TILE`). Where
    these are of bfp16, whose numbers share exponents in eights, factors are split
    into two, and three products are added.

    Before:
    ```mlir
    func.func private @zero_32(memref<32xf32>) attributes {headrace.core = {kind = "zero", size = 32 : i64}}
    ```
    After:
    ```mlir
    module @cores {
      func.func @zero_32(%y: memref<32xf32>) {
        %zeros = arith.constant dense<0.0> : vector<16xf32>
        vector.store %zeros, %y[%c0] : memref<32xf32>, vector<16xf32>
        vector.store %zeros, %y[%c16] : memref<32xf32>, vector<16xf32>
        return
      }
    }
    ```

    <!-- lit: tests/passes/aie/generate_cores.mlir#accumulate -->
    <!-- lit: tests/passes/aie/generate_matmul_cores.mlir#dequantize -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
    "::mlir::math::MathDialect", "::mlir::memref::MemRefDialect", "::mlir::scf::SCFDialect",
    "::mlir::vector::VectorDialect"];
}

def AieExpandProducts : Pass<"aie-expand-products", "::mlir::ModuleOp"> {
  let summary = "Products of small matrices as products of vectors, for this machine";
  let description = [{
    A product of the tiles that cores multiply becomes one `vector.fma` for each
    column and 16 sums. Each product is added on its own, in the order of the
    columns: that is what products of cores are taken to be.

    Before:
    ```mlir
    %r = vector.contract {...} %a, %b, %c : vector<4x8xbf16>, vector<8x4xbf16> into vector<4x4xf32>
    ```
    After:
    ```mlir
    %left = vector.shuffle %a32, %a32 [0, 0, 0, 0, 8, 8, 8, 8, 16, 16, 16, 16, 24, 24, 24, 24] : ...
    %right = vector.shuffle %b32, %b32 [0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3] : ...
    %sum = vector.fma %left, %right, %c32 : vector<16xf32>
    ...
    ```

    <!-- lit: tests/passes/aie/expand_products.mlir#product -->
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::vector::VectorDialect"];
}

#endif // HEADRACE_PASSES_AIE_MAPPING
