//===- CheckPasses.td - whether a design fits its device and cannot hang ---===//

#ifndef HEADRACE_PASSES_AIE_CHECK
#define HEADRACE_PASSES_AIE_CHECK

include "mlir/Pass/PassBase.td"

defvar devicesOption = [
  Option<"devices", "devices", "std::string", /*default=*/"\"\"",
         "File that describes devices: targets/aie/devices.json of the package">];

def AieCheckTiles : Pass<"aie-check-tiles", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "Tiles are in the device";
  let description = [{
    A design may be for an array with more columns or rows than the device has.

    <!-- lit: tests/passes/aie/check_tiles.mlir#tiles -->
  }];
}

def AieCheckMemory : Pass<"aie-check-memory", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "Stack, buffers and objectFifos fit the memory of their tile";
  let description = [{
    A core tile holds the stack of its core, its buffers and the buffers of the
    objectFifos that end there; a memory tile holds the same but the stack. Fifos
    of a link share buffers, and so do the ends of a fifo between neighbours. The
    message says what the tile holds, and for the largest fifo the depth that
    would fit. A core uses buffers of its own tile only, and its stack fits a
    bank.

    <!-- lit: tests/passes/aie/check_memory.mlir#memory -->
  }];
}

def AieCheckChannels : Pass<"aie-check-channels", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "DMA channels of each tile suffice";
  let description = [{
    Each end of an objectFifo takes a channel of its tile, in (a consumer) or out
    (a producer), but where neighbours share memory. A broadcast takes one channel
    out. Of a shim tile, a channel holds some tasks that were started and have not
    ended; one more is lost, so it is an error.

    <!-- lit: tests/passes/aie/check_channels.mlir#channels -->
  }];
}

def AieCheckAlignment : Pass<"aie-check-alignment", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "Buffers of cores suit vector loads";
  let description = [{
    A core rounds the address of a vector down to a multiple of its size, so buffers
    must begin at one. The compiler of the array does not see to that: it puts
    buffers behind the stack, the largest first, and one behind the other in a bank.
    So the sizes of the stack, of buffers and of elements of objectFifos in core
    tiles must be multiples of the widest load.

    <!-- lit: tests/passes/aie/check_alignment.mlir#alignment -->
  }];
}

def AieCheckDescriptors : Pass<"aie-check-descriptors", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "Buffer descriptors of each tile suffice";
  let description = [{
    An end of an objectFifo takes a descriptor for each buffer, and in a link for
    each part of each buffer. The even channels of a memory tile use one half of
    its descriptors, and the odd ones the other. In a shim tile, a task takes one
    from where it is configured until it is awaited or freed.

    <!-- lit: tests/passes/aie/check_descriptors.mlir#descriptors -->
  }];
}

def AieCheckLocks : Pass<"aie-check-locks", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "Locks of each tile suffice";
  let description = [{
    An end of an objectFifo takes two locks, and a link two for each part. A lock
    counts the elements that are free or filled, so the depth is at most the
    largest value of a lock.

    <!-- lit: tests/passes/aie/check_locks.mlir#locks -->
  }];
}

def AieCheckAccessPatterns : Pass<"aie-check-access-patterns", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "DMAs can do the access patterns, within their buffers";
  let description = [{
    DMAs count in granules of 4 bytes: lengths, offsets and strides are multiples
    of one, whatever the elements are. Sizes, strides and the number of dimensions
    have limits, which differ by the kind of tile. A pattern must lie within the
    argument of the sequence or the element of the fifo, and move as many elements
    as it has; in a shim tile the outermost of four dimensions is a repetition.

    <!-- lit: tests/passes/aie/check_access_patterns.mlir#access-patterns -->
  }];
}

def AieCheckReleases : Pass<"aie-check-releases", "::mlir::ModuleOp"> {
  let summary = "Cores release what they acquire, on every path";
  let description = [{
    Walks each core with the number of elements that it holds of each objectFifo:
    a release of more than that is an error, and so are branches that end with
    different numbers, a loop that acquires and never releases, or that holds more
    with every iteration, and an operation that uses an element behind its release.

    <!-- lit: tests/passes/aie/check_releases.mlir#releases -->
  }];
}

def AieCheckFeed : Pass<"aie-check-feed", "::mlir::ModuleOp"> {
  let summary = "Each objectFifo gets as many elements as are taken from it";
  let description = [{
    A run of the sequence moves a number of bytes into or out of each fifo that
    ends in a shim tile. Links hand on elements, and a core that loops for ever
    takes and gives fixed numbers of them in each iteration. So one number of
    iterations must fit all fifos of a core: a feed that is too short, or a result
    that is not collected, leaves a core waiting for ever.

    <!-- lit: tests/passes/aie/check_feed.mlir#feed -->
  }];
}

def AieCheckProgress : Pass<"aie-check-progress", "::mlir::ModuleOp"> {
  let summary = "A run of the sequence comes to its end";
  let description = [{
    Follows one run without its data: cores, DMAs and the sequence wait for
    elements and for room in fifos, as deep as these are declared, and for nothing
    else, so if one run ends, every run does, however fast each of them is. Where
    the sequence waits for ever, the message says for what, and its notes who waits
    for whom: results that are awaited before what they need was started, fifos
    that are too shallow, cores that take elements in an order in which they do not
    come.

    <!-- lit: tests/passes/aie/check_progress.mlir#progress -->
  }];
}

def AieCheckArguments : Pass<"aie-check-arguments", "::mlir::ModuleOp"> {
  let summary = "Transfers move all of their arguments, and write nothing twice";
  let description = [{
    Each value of an argument of the runtime sequence is read or written by a task:
    a descriptor at a wrong offset leaves some out. A task that writes places each
    value of its own, and neither writes what a task that runs may read or write
    nor reads what one may write: the sequence awaits that one first.

    <!-- lit: tests/passes/aie/check_arguments.mlir#arguments -->
  }];
}

def AieCheckProgramMemory : Pass<"aie-check-program-memory", "::mlir::ModuleOp"> {
  let options = devicesOption;
  let summary = "Programs of cores fit (an estimate)";
  let description = [{
    The bytes of each operation come from the device's description: loops are
    counted as often as the compiler of the array unrolls them (by the least
    common multiple of the depths of the fifos that are acquired in it), a
    function once for each core that calls it, with the attribute `code_bytes` of
    its declaration, or else the description's assumption. An upper estimate for
    designs of this target: mlir-aie 979629649 also unrolls loops inside and around
    such a loop, so that where fifos of several elements are acquired in nested
    loops, there are more copies than are counted.

    <!-- lit: tests/passes/aie/check_program_memory.mlir#program-memory -->
  }];
}

#endif // HEADRACE_PASSES_AIE_CHECK
