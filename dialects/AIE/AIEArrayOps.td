//===- AIEArrayOps.td - devices, tiles, buffers and cores ------------------===//

#ifndef HEADRACE_AIE_ARRAYOPS
#define HEADRACE_AIE_ARRAYOPS

include "dialects/AIE/AIEDialect.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

class AIE_Op<string mnemonic, list<Trait> traits = []> : Op<AIE_Dialect, mnemonic, traits>;

def AIE_DeviceOp : AIE_Op<"device", [
    HasParent<"::mlir::ModuleOp">, IsolatedFromAbove, Symbol, SymbolTable,
    SingleBlockImplicitTerminator<"EndOp">]> {
  let summary = "a design for one device";
  let description = [{
    Tiles, buffers, objectFifos, cores, declarations of the functions that cores
    call, and runtime sequences. A tile is declared once.

    <!-- lit: tests/dialects/AIE/examples.mlir#device -->
  }];
  let arguments = (ins AIE_Device:$device, DefaultValuedAttr<SymbolNameAttr, "\"main\"">:$sym_name);
  let regions = (region AnyRegion:$body_region);
  let assemblyFormat = "`(` $device `)` ($sym_name^)? $body_region attr-dict";
  let hasRegionVerifier = 1;
}

def AIE_EndOp : AIE_Op<"end", [Terminator]> {
  let summary = "ends the region of a core or of a DMA task";
  let assemblyFormat = "attr-dict";
}

def AIE_TileOp : AIE_Op<"tile", [
    Pure, HasParent<"DeviceOp">, DeclareOpInterfaceMethods<InferTypeOpInterface>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmResultNames"]>]> {
  let summary = "the tile of a column and a row";
  let description = [{
    Row 0 has the shim tiles, row 1 the memory tiles, and the rows behind them
    the core tiles. Whether the device has that tile is for `aie-check-tiles`.
  }];
  let arguments = (ins ConfinedAttr<I32Attr, [IntNonNegative]>:$col,
                       ConfinedAttr<I32Attr, [IntNonNegative]>:$row);
  let results = (outs Index:$result);
  let assemblyFormat = "`(` $col `,` $row `)` attr-dict";
  let extraClassDeclaration = [{
    bool isShim() { return getRow() == 0; }
    bool isMemory() { return getRow() == 1; }
    bool isCore() { return getRow() > 1; }
    /// "core tile (1, 2)", for messages.
    std::string describe();
    /// The operation of a tile; null where it is another one, or one that
    /// verification has yet to refuse.
    static TileOp of(mlir::Value tile);
  }];
}

def AIE_BufferOp : AIE_Op<"buffer", [HasParent<"DeviceOp">]> {
  let summary = "memory of a memory or core tile";
  let arguments = (ins Index:$tile, OptionalAttr<StrAttr>:$sym_name);
  let results = (outs AnyStaticShapeMemRef:$buffer);
  let assemblyFormat = "`(` $tile `)` attr-dict `:` type($buffer)";
  let hasVerifier = 1;
  let extraClassDeclaration = [{ TileOp getTileOp(); }];
}

def AIE_CoreOp : AIE_Op<"core", [
    HasParent<"DeviceOp">, DeclareOpInterfaceMethods<InferTypeOpInterface>]> {
  let summary = "the program of a core tile";
  let description = [{
    Runs once after the array is configured, so a core that serves any number of
    runs loops for ever (in text: to the largest `index`). `stack_size` is in
    bytes, of the tile's own memory. A function that is called is declared in the
    device with its object file as `link_with`.

    <!-- lit: tests/dialects/AIE/examples.mlir#core -->
  }];
  let arguments = (ins Index:$tile,
                       DefaultValuedAttr<ConfinedAttr<I32Attr, [IntNonNegative]>, "0x400">:$stack_size,
                       OptionalAttr<StrAttr>:$link_with);
  let results = (outs Index:$result);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "`(` $tile `)` $body attr-dict";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{ TileOp getTileOp(); }];
}

#endif // HEADRACE_AIE_ARRAYOPS
