//===- AIEX.td - the aiex dialect: transfers of a runtime sequence ---------===//

#ifndef HEADRACE_AIEX
#define HEADRACE_AIEX

include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"

def AIEX_Dialect : Dialect {
  let name = "aiex";
  let cppNamespace = "::headrace::aiex";
  let summary = "transfers of a runtime sequence";
  let description = [{
    The operations of mlir-aie's `aiex` dialect that Headrace emits, in the body
    of an `aie.runtime_sequence`. A task is a transfer that the DMA of a shim tile
    does: it is configured, started (which queues it), and then awaited or freed.
  }];
}

class AIEX_Op<string mnemonic, list<Trait> traits = []> : Op<AIEX_Dialect, mnemonic,
    traits # [HasParent<"::headrace::aie::RuntimeSequenceOp">]>;

def AIEX_DMAConfigureTaskForOp : AIEX_Op<"dma_configure_task_for", [
    DeclareOpInterfaceMethods<InferTypeOpInterface>,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "a transfer between a buffer of the host and an objectFifo";
  let description = [{
    The fifo has one end in a shim tile, whose DMA reads or writes what the
    `aie.dma_bd` of the region says, and again `repeat_count` times. A task that
    is awaited has `issue_token`.

    <!-- lit: tests/dialects/AIEX/examples.mlir#task -->
  }];
  let arguments = (ins FlatSymbolRefAttr:$alloc,
                       DefaultValuedOptionalAttr<BoolAttr, "false">:$issue_token,
                       DefaultValuedOptionalAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$repeat_count);
  let results = (outs Index:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$alloc $body attr-dict";
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    aie::DmaBdOp getDescriptor();
    aie::ObjectFifoOp getObjectFifo();
  }];
}

class AIEX_TaskOp<string mnemonic> : AIEX_Op<mnemonic> {
  let arguments = (ins Index:$task);
  let assemblyFormat = "`(` $task `)` attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    DMAConfigureTaskForOp getTaskOp();
  }];
}

def AIEX_DMAStartTaskOp : AIEX_TaskOp<"dma_start_task"> {
  let summary = "queue a task for its DMA";
}
def AIEX_DMAAwaitTaskOp : AIEX_TaskOp<"dma_await_task"> {
  let summary = "wait until a task has ended; its descriptor is free then";
}
def AIEX_DMAFreeTaskOp : AIEX_TaskOp<"dma_free_task"> {
  let summary = "declare that a task has ended: its descriptor may be used again";
}

#endif // HEADRACE_AIEX
