//===- AIEHostOps.td - what the host runs ----------------------------------===//

#ifndef HEADRACE_AIE_HOSTOPS
#define HEADRACE_AIE_HOSTOPS

include "dialects/AIE/AIEArrayOps.td"

def AIE_RuntimeSequenceOp : AIE_Op<"runtime_sequence", [
    HasParent<"DeviceOp">, SingleBlock, NoTerminator]> {
  let summary = "transfers between the memory of the host and the array";
  let description = [{
    The arguments are buffers of the host, in the order in which it gives them.
    The body has operations of `aiex` and runs once each time that the host
    starts it.

    <!-- lit: tests/dialects/AIE/examples.mlir#sequence -->
  }];
  let arguments = (ins OptionalAttr<SymbolNameAttr>:$sym_name);
  let regions = (region SizedRegion<1>:$body);
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
}

def AIE_DmaBdOp : AIE_Op<"dma_bd", []> {
  let summary = "a buffer descriptor: what a DMA reads or writes";
  let description = [{
    `len` elements from `offset` on, all of the buffer without them. With
    dimensions (the outermost first), element `(i, j, ...)` is that at
    `offset + i * stride_0 + j * stride_1 + ...`.
  }];
  let arguments = (ins AnyStaticShapeMemRef:$buffer,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0">:$offset,
                       OptionalAttr<ConfinedAttr<I32Attr, [IntPositive]>>:$len,
                       OptionalAttr<AIE_DimsAttr>:$dimensions);
  let hasCustomAssemblyFormat = 1;
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Elements to move.
    int64_t getLength();
    mlir::MemRefType getBufferType() { return mlir::cast<mlir::MemRefType>(getBuffer().getType()); }
  }];
}

#endif // HEADRACE_AIE_HOSTOPS
