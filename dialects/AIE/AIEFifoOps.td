//===- AIEFifoOps.td - objectFifos and what cores do with them -------------===//

#ifndef HEADRACE_AIE_FIFOOPS
#define HEADRACE_AIE_FIFOOPS

include "dialects/AIE/AIEArrayOps.td"

def AIE_ObjectFifoOp : AIE_Op<"objectfifo", [HasParent<"DeviceOp">, Symbol]> {
  let summary = "a queue of elements from one tile to one or more others";
  let description = [{
    Every consumer gets every element (a broadcast). The depth is the number of
    elements at each end, or a list with one number for the producer and for each
    consumer. With access patterns, the DMA reorders the elements of a memref:
    `dimensionsToStream` in the order in which the producer's leave,
    `dimensionsFromStream` where a consumer puts those that arrive. In a memory
    tile, `repeat_count` sends each element that often. `via_DMA` keeps
    neighbours from sharing memory.

    <!-- lit: tests/dialects/AIE/examples.mlir#objectfifo -->
  }];
  let arguments = (ins
    SymbolNameAttr:$sym_name, Index:$producerTile, Variadic<Index>:$consumerTiles,
    AIE_DepthAttr:$elemNumber, TypeAttrOf<AIE_ObjectFifoType>:$elemType,
    AIE_DimsAttr:$dimensionsToStream, AIE_DimsPerConsumerAttr:$dimensionsFromStreamPerConsumer,
    DefaultValuedAttr<BoolAttr, "false">:$via_DMA,
    OptionalAttr<ConfinedAttr<I32Attr, [IntPositive]>>:$repeat_count);
  let assemblyFormat = [{
    $sym_name `(` custom<Producer>($producerTile, $dimensionsToStream) `,`
    `{` custom<Consumers>($consumerTiles, $dimensionsFromStreamPerConsumer) `}` `,` $elemNumber `)`
    attr-dict `:` $elemType
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    mlir::MemRefType getElementMemRef();
    int64_t getElementBytes();
    TileOp getProducerTileOp();
    TileOp getConsumerTileOp(unsigned consumer);
    /// Elements at an end, as declared: 0 is the producer, 1 the first consumer.
    int64_t getDepth(unsigned end);
    bool hasDepthPerEnd();
    /// Index of the consumer on this tile.
    std::optional<unsigned> findConsumer(TileOp tile);
    /// The access pattern of an end, as in `getDepth`; empty if it is linear.
    llvm::ArrayRef<DimAttr> getDims(unsigned end);
  }];
}

def AIE_ObjectFifoLinkOp : AIE_Op<"objectfifo.link", [
    HasParent<"DeviceOp">, DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let summary = "joins or distributes objectFifos in the tile where they meet";
  let description = [{
    One fifo ends and another begins in the same tile, where they share elements.
    With several inputs (join), an element of the output holds one of each, at
    `src_offsets`; with several outputs (distribute), an element of the input is
    cut at `dst_offsets`. Offsets count values, begin at 0 and leave no gap.

    <!-- lit: tests/dialects/AIE/examples.mlir#link -->
  }];
  let arguments = (ins FlatSymbolRefArrayAttr:$fifoIns, FlatSymbolRefArrayAttr:$fifoOuts,
                       I64ArrayAttr:$src_offsets, I64ArrayAttr:$dst_offsets);
  let assemblyFormat = "$fifoIns `->` $fifoOuts `(` $src_offsets $dst_offsets `)` attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    bool isJoin() { return getFifoIns().size() > 1; }
    bool isDistribute() { return getFifoOuts().size() > 1; }
    /// The fifos, none where a name is not of one.
    std::vector<ObjectFifoOp> getInputs();
    std::vector<ObjectFifoOp> getOutputs();
    /// The tile where they meet, null where there is none.
    TileOp getTileOp();
  }];
}

class AIE_PortOp<string mnemonic> : AIE_Op<mnemonic, [
    DeclareOpInterfaceMethods<SymbolUserOpInterface>]> {
  let arguments = (ins AIE_Port:$port, FlatSymbolRefAttr:$objFifo_name,
                       ConfinedAttr<I32Attr, [IntPositive]>:$size);
}

def AIE_AcquireOp : AIE_PortOp<"objectfifo.acquire"> {
  let summary = "wait until the core holds the next elements of an objectFifo";
  let description = [{
    Waits until the core holds `size` elements, those included that it has
    acquired before and not yet released, and returns them, the oldest first.

    <!-- lit: tests/dialects/AIE/examples.mlir#acquire -->
  }];
  let results = (outs AIE_SubviewType:$subview);
  let assemblyFormat = [{
    attr-dict $objFifo_name `(` $port `,` $size `)` `:` qualified(type($subview))
  }];
}

def AIE_ReleaseOp : AIE_PortOp<"objectfifo.release"> {
  let summary = "give the oldest elements that the core holds to the other end";
  let assemblyFormat = "attr-dict $objFifo_name `(` $port `,` $size `)`";
}

def AIE_SubviewAccessOp : AIE_Op<"objectfifo.subview.access"> {
  let summary = "one of the elements that were acquired";
  let arguments = (ins AIE_SubviewType:$subview, ConfinedAttr<I32Attr, [IntNonNegative]>:$index);
  let results = (outs AnyMemRef:$output);
  let assemblyFormat = [{
    $subview `[` $index `]` attr-dict `:` qualified(type($subview)) `->` type($output)
  }];
  let hasVerifier = 1;
}

#endif // HEADRACE_AIE_FIFOOPS
