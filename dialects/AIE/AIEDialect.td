//===- AIEDialect.td - the aie dialect, its enums, attributes and types ----===//

#ifndef HEADRACE_AIE_DIALECT
#define HEADRACE_AIE_DIALECT

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"

def AIE_Dialect : Dialect {
  let name = "aie";
  let cppNamespace = "::headrace::aie";
  let summary = "an array of AI Engine tiles";
  let description = [{
    The operations of mlir-aie's `aie` dialect that Headrace emits, with the
    assembly of its commit 979629649 (April 2026): a module that verifies here
    is text for that version's tools.

    An array has a row of shim tiles (row 0: DMA to the memory of the host), a
    row of memory tiles (row 1: DMA and 512 KB, no processor), and rows of core
    tiles (a processor with its own program, 64 KB and a DMA). **ObjectFifos**
    are bounded queues of memrefs between tiles: the producer acquires elements,
    fills and releases them, and consumers do likewise. Where both ends are not
    neighbours, DMAs move the elements over streams. A link in a memory tile
    joins fifos into one (parts lie side by side in an element) or distributes
    one over several. The **runtime sequence** is what the host runs: transfers
    between its memory and the fifos that end in shim tiles (dialect `aiex`).

    Whether a design fits a device and cannot hang is for the passes
    `aie-check-*`, which read the device's description; verifiers check what
    needs none.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

class AIE_Enum<string name, string text, list<I32EnumAttrCase> cases>
    : I32EnumAttr<name, text, cases> {
  let cppNamespace = "::headrace::aie";
}

def AIE_Device : AIE_Enum<"Device", "device", [
    I32EnumAttrCase<"npu1", 4>, I32EnumAttrCase<"npu2", 8>]>;
def AIE_Port : AIE_Enum<"Port", "end of an objectFifo", [
    I32EnumAttrCase<"Produce", 0>, I32EnumAttrCase<"Consume", 1>]>;

//===----------------------------------------------------------------------===//
// Attributes
//===----------------------------------------------------------------------===//

def AIE_DimAttr : AttrDef<AIE_Dialect, "Dim"> {
  let mnemonic = "bd_dim_layout";
  let summary = "one dimension of a DMA's access pattern, in elements";
  let parameters = (ins "uint32_t":$size, "uint32_t":$stride);
  let assemblyFormat = "`<` struct(params) `>`";
}
def AIE_DimsAttr : ArrayOfAttr<AIE_Dialect, "Dims", "bd_dim_layout_array", "DimAttr"> {
  let summary = "dimensions of a DMA's access pattern, the outermost first";
}
def AIE_DimsPerConsumerAttr
    : ArrayOfAttr<AIE_Dialect, "DimsPerConsumer", "bd_dim_layout_array_array", "DimsAttr"> {
  let summary = "dimensions for each consumer of an objectFifo";
}

/// One number for both ends, or one for the producer and each consumer.
def AIE_DepthAttr : Attr<Or<[I32Attr.predicate, I64ArrayAttr.predicate]>,
                         "depth (i32), or depths of the producer and each consumer"> {
  let storageType = "::mlir::Attribute";
  let returnType = "::mlir::Attribute";
  let convertFromStorage = "$_self";
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

class AIE_Type<string name, string typeMnemonic> : TypeDef<AIE_Dialect, name> {
  let mnemonic = typeMnemonic;
  let parameters = (ins "::mlir::MemRefType":$element);
  let assemblyFormat = "`<` $element `>`";
  let genVerifyDecl = 1;
}

def AIE_ObjectFifoType : AIE_Type<"ObjectFifo", "objectfifo"> {
  let summary = "a queue of memrefs of one type";
}
def AIE_SubviewType : AIE_Type<"ObjectFifoSubview", "objectfifosubview"> {
  let summary = "elements of an objectFifo that a core has acquired";
}

#endif // HEADRACE_AIE_DIALECT
