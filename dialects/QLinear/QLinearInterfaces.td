//===- QLinearInterfaces.td - what a storage format must say ---------------===//

#ifndef HEADRACE_QLINEAR_INTERFACES
#define HEADRACE_QLINEAR_INTERFACES

include "mlir/IR/OpBase.td"

def QLinear_QuantFormatAttrInterface : AttrInterface<"QuantFormatAttrInterface"> {
  let cppNamespace = "::headrace::qlinear";
  let description = [{
    A storage format of quantized values: how a matrix of `rows` x `cols` real
    numbers lies in bytes, and what number each position stands for. Everything
    that the verifiers, the decomposition and the targets know of a format comes
    from here.

    Storage is an optional *header* (what the whole matrix shares: a scale, a
    codebook), then rows of blocks. A *block* is the smallest piece that can be
    read by itself. A matrix whose sides are not multiples of the block is either
    refused or padded, as the format says; padding is part of the packed type.
    All sizes below are of padded matrices.
  }];
  let methods = [
    InterfaceMethod<"The name used in Python, on the command line and in reports; interned in the context.",
      "::llvm::StringRef", "getFormatName">,
    InterfaceMethod<"Rows of one block.", "int64_t", "getBlockRows">,
    InterfaceMethod<"Columns of one block.", "int64_t", "getBlockCols">,
    InterfaceMethod<"Bytes of one block.", "int64_t", "getBlockBytes">,
    InterfaceMethod<"Bytes of a row of blocks over `cols` columns: its blocks, and what the row has once.",
      "int64_t", "getBlockRowBytes", (ins "int64_t":$cols), [{}], [{
        return cols / $_attr.getBlockCols() * $_attr.getBlockBytes();
      }]>,
    InterfaceMethod<"Bytes before the first row of blocks.",
      "int64_t", "getHeaderBytes", (ins "int64_t":$rows, "int64_t":$cols), [{}], [{
        return 0;
      }]>,
    InterfaceMethod<"Whether a matrix is padded up to whole blocks; if not, other shapes are refused.",
      "bool", "padsToBlock", (ins), [{}], [{ return false; }]>,
    InterfaceMethod<"Whether the format holds activations (it can be quantized to at run time) rather than weights.",
      "bool", "isActivationFormat", (ins), [{}], [{ return false; }]>,
    InterfaceMethod<[{
        Builds the f32 value at (`row`, `col`), both of index type, of a matrix
        stored in `bytes`, a tensor of i8 of the padded shape `rows` x `cols`.
      }],
      "::mlir::Value", "decode",
      (ins "::mlir::OpBuilder &":$builder, "::mlir::Location":$loc,
           "::mlir::Value":$bytes, "int64_t":$rows, "int64_t":$cols,
           "::mlir::Value":$row, "::mlir::Value":$col)>,
  ];
}

#endif // HEADRACE_QLINEAR_INTERFACES
