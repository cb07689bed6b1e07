//===- Dataflow.td - the dataflow dialect ----------------------------------===//

#ifndef HEADRACE_DATAFLOW
#define HEADRACE_DATAFLOW

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinTypes.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/FunctionInterfaces.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Dataflow_Dialect : Dialect {
  let name = "dataflow";
  let cppNamespace = "::headrace::dataflow";
  let summary = "tasks connected by bounded streams";
  let description = [{
    A spatial program, for an array of cores or for logic: a graph of tasks that
    run at the same time and exchange *elements*, pieces of memory of one type, by
    streams of a fixed depth. Ports move elements between memory and streams.

    How often each task takes and puts elements is known from its loops. So the
    verifier knows that what goes into a stream comes out of it, and that the
    streams are deep enough for the graph to end.
  }];
  let useDefaultTypePrinterParser = 1;
  let useDefaultAttributePrinterParser = 1;
}

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

def Dataflow_StreamType : TypeDef<Dataflow_Dialect, "Stream"> {
  let mnemonic = "stream";
  let summary = "a bounded queue of elements";
  let description = [{
    `!dataflow.stream<memref<256xbf16>>` has elements of 256 numbers. The first
    element put in is the first that comes out; each comes out once.
  }];
  let parameters = (ins "::mlir::MemRefType":$element);
  let assemblyFormat = "`<` $element `>`";
  let genVerifyDecl = 1;
}

class Dataflow_Op<string mnemonic, list<Trait> traits = []>
    : Op<Dataflow_Dialect, mnemonic, traits>;

def Dataflow_Place : OptionalAttr<ConfinedAttr<DenseI64ArrayAttr, [DenseArrayCount<2>]>>;

//===----------------------------------------------------------------------===//
// Structure
//===----------------------------------------------------------------------===//

def Dataflow_GraphOp : Dataflow_Op<"graph",
    [FunctionOpInterface, IsolatedFromAbove, NoTerminator, SingleBlock, Symbol]> {
  let summary = "a spatial program";
  let description = [{
    Its arguments are pieces of memory; its body has streams, and what they
    connect. All tasks of a graph start together, and the graph ends when all of
    them have ended.

    <!-- lit: tests/dialects/Dataflow/ops.mlir#graph -->

    Of each stream there is one producer and one consumer; several ports count as
    one. An operation that violates this, a stream that gets another number of
    elements than are taken out, and a stream that is too shallow are errors:

    <!-- lit: tests/dialects/Dataflow/invalid_depths.mlir#cycle -->
  }];
  let arguments = (ins SymbolNameAttr:$sym_name,
                       TypeAttrOf<FunctionType>:$function_type,
                       OptionalAttr<StrAttr>:$sym_visibility,
                       OptionalAttr<DictArrayAttr>:$arg_attrs,
                       OptionalAttr<DictArrayAttr>:$res_attrs);
  let regions = (region SizedRegion<1>:$body);
  let builders = [OpBuilder<(ins "::llvm::StringRef":$name, "::mlir::TypeRange":$memory)>];
  let skipDefaultBuilders = 1;
  let hasCustomAssemblyFormat = 1;
  let hasRegionVerifier = 1;
  let extraClassDeclaration = [{
    ::llvm::ArrayRef<::mlir::Type> getArgumentTypes() { return getFunctionType().getInputs(); }
    ::llvm::ArrayRef<::mlir::Type> getResultTypes() { return getFunctionType().getResults(); }
    ::mlir::Region *getCallableRegion() { return &getBody(); }
    ::mlir::Block &getBlock() { return getBody().front(); }
    /// Arguments are memory, results there are none.
    ::llvm::LogicalResult verifyType();
  }];
}

def Dataflow_StreamOp : Dataflow_Op<"stream"> {
  let summary = "a stream of a graph";
  let description = [{
    `depth` elements at most are in the stream, those included that a window of
    `push` or `pop` is open on. `name` appears in messages and in what is generated.

    ```mlir
    %w = dataflow.stream "w" depth 2 : !dataflow.stream<memref<5120xi8>>
    ```
  }];
  let arguments = (ins StrAttr:$name, ConfinedAttr<I64Attr, [IntPositive]>:$depth);
  let results = (outs Dataflow_StreamType:$stream);
  let assemblyFormat = "$name `depth` $depth attr-dict `:` qualified(type($stream))";
}

def Dataflow_TaskOp : Dataflow_Op<"task",
    [AutomaticAllocationScope, HasParent<"GraphOp">, NoTerminator, SingleBlock]> {
  let summary = "what one core or one piece of logic does";
  let description = [{
    Runs once in each run of its graph. It sees the graph's streams, by `push` and
    `pop`, and nothing else from outside; `memref.alloca` is memory of its own,
    which keeps no values from one run to the next. Windows may be in `scf.for` with
    constant bounds, so that rates are known.

    `at` is where the task is placed: column and row of an array.

    <!-- lit: tests/dialects/Dataflow/ops.mlir#task -->
  }];
  let arguments = (ins StrAttr:$name, Dataflow_Place:$place);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = "$name (`at` $place^)? attr-dict-with-keyword $body";
  let hasVerifier = 1;
  let hasRegionVerifier = 1;
}

//===----------------------------------------------------------------------===//
// Windows
//===----------------------------------------------------------------------===//

class Dataflow_WindowOp<string mnemonic> : Dataflow_Op<mnemonic, [NoTerminator, SingleBlock]> {
  let arguments = (ins Dataflow_StreamType:$stream);
  let regions = (region SizedRegion<1>:$body);
  let builders = [OpBuilder<(ins "::mlir::Value":$stream)>];
  let skipDefaultBuilders = 1;
  let assemblyFormat = "$stream `as` custom<Window>(type($stream), $body) attr-dict";
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The memory of the element, in the body.
    ::mlir::Value getWindow() { return getBody().getArgument(0); }
    ::mlir::Block &getBlock() { return getBody().front(); }
  }];
  let extraClassDefinition = [{
    void $cppClass::build(::mlir::OpBuilder &builder, ::mlir::OperationState &state,
                          ::mlir::Value stream) {
      state.addOperands(stream);
      ::mlir::Block &block = state.addRegion()->emplaceBlock();
      block.addArgument(::llvm::cast<StreamType>(stream.getType()).getElement(), state.location);
    }
  }];
}

def Dataflow_PopOp : Dataflow_WindowOp<"pop"> {
  let summary = "use the oldest element, then take it out";
  let description = [{
    Waits for an element. The body reads it where it is: in an array of cores this
    is the buffer that a DMA has filled, in logic the memory or the register at the
    end of the queue. Its place is free for another one when the body ends.

    <!-- lit: tests/dialects/Dataflow/ops.mlir#task -->
  }];
}

def Dataflow_PushOp : Dataflow_WindowOp<"push"> {
  let summary = "make the next element, then put it in";
  let description = [{
    Waits for room. The body writes the element where it will be; what was there
    before is undefined. The element is in the stream when the body ends.

    <!-- lit: tests/dialects/Dataflow/ops.mlir#task -->
  }];
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

def Dataflow_Direction : I32EnumAttr<"Direction", "which way a port moves elements", [
    I32EnumAttrCase<"Read", 0, "read">, I32EnumAttrCase<"Write", 1, "write">]> {
  let cppNamespace = "::headrace::dataflow";
  let genSpecializedAttr = 0;
}
def Dataflow_DirectionAttr : EnumAttr<Dataflow_Dialect, Dataflow_Direction, "direction"> {
  let assemblyFormat = "$value";
}

def Dataflow_PortOp : Dataflow_Op<"port"> {
  let summary = "elements from memory, or to memory";
  let description = [{
    `read` puts into the stream the numbers at `offset + sum(i[d] * strides[d])`,
    where i counts through `sizes`, the last one fastest, and all of it `repeat`
    times. `write` takes elements out and stores them there. Offsets and strides
    count numbers of the memory, which is contiguous. The numbers fill whole
    elements.

    Several ports may be at one end of a stream: they move their elements one after
    the other, as they are listed. What a run does in turn is numbered by `step`:
    when all ports of a step that write have ended, what its other ports have read
    is used up.

    ```mlir
    dataflow.port read %w offset 0 sizes [20480] strides [1] stream %s : memref<20480xi8>, !dataflow.stream<memref<5120xi8>>
    dataflow.port read %x offset 0 sizes [256] strides [1] repeat 4 stream %s at [0, 0] : memref<256xbf16>, !dataflow.stream<memref<64xbf16>>
    ```
  }];
  let arguments = (ins Dataflow_DirectionAttr:$direction,
                       AnyStaticShapeMemRef:$memory, Dataflow_StreamType:$stream,
                       ConfinedAttr<I64Attr, [IntNonNegative]>:$offset,
                       DenseI64ArrayAttr:$sizes, DenseI64ArrayAttr:$strides,
                       DefaultValuedAttr<ConfinedAttr<I64Attr, [IntPositive]>, "1">:$repeat,
                       Dataflow_Place:$place,
                       DefaultValuedAttr<ConfinedAttr<I64Attr, [IntNonNegative]>, "0">:$step);
  let assemblyFormat = [{
    `` $direction $memory `offset` $offset `sizes` $sizes `strides` $strides (`repeat` $repeat^)?
    `stream` $stream (`at` $place^)? (`step` $step^)? attr-dict `:` type($memory) `,` qualified(type($stream))
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// Elements that it moves in a run.
    int64_t getElementCount();
    /// Whether the numbers follow each other in memory.
    bool isContiguous();
  }];
}

def Dataflow_BroadcastOp : Dataflow_Op<"broadcast", [HasParent<"GraphOp">]> {
  let summary = "each element to several streams";
  let description = [{
    Moves an element when there is room for it in all outputs.

    ```mlir
    dataflow.broadcast %x to %x0, %x1 : !dataflow.stream<memref<256xbf16>> to !dataflow.stream<memref<256xbf16>>, !dataflow.stream<memref<256xbf16>>
    ```

    With an order, the numbers of an element leave in another one: next is always
    that at `sum(i[d] * strides[d])`, where i counts through `sizes`, the last one
    fastest. So rows of 64 become tiles of 4 by 8:

    <!-- lit: tests/dialects/Dataflow/order.mlir#broadcast -->
  }];
  let arguments = (ins Dataflow_StreamType:$input, Variadic<Dataflow_StreamType>:$outputs,
                       Dataflow_Place:$place, OptionalAttr<DenseI64ArrayAttr>:$sizes,
                       OptionalAttr<DenseI64ArrayAttr>:$strides);
  let assemblyFormat = [{
    $input `to` $outputs (`order` `sizes` $sizes^ `strides` $strides)? (`at` $place^)? attr-dict
    `:` qualified(type($input)) `to` qualified(type($outputs))
  }];
  let builders = [OpBuilder<(ins "::mlir::Value":$input, "::mlir::ValueRange":$outputs,
                                 "::mlir::DenseI64ArrayAttr":$place), [{
    build($_builder, $_state, input, outputs, place, /*sizes=*/nullptr, /*strides=*/nullptr);
  }]>];
  let hasVerifier = 1;
}

def Dataflow_DistributeOp : Dataflow_Op<"distribute", [HasParent<"GraphOp">]> {
  let summary = "the parts of each element to one stream each";
  let description = [{
    The parts follow each other in the element. Outputs take theirs independently;
    an element leaves the input when all of its parts have been taken.

    ```mlir
    dataflow.distribute %w to %w0, %w1 : !dataflow.stream<memref<10240xi8>> to !dataflow.stream<memref<5120xi8>>, !dataflow.stream<memref<5120xi8>>
    ```
  }];
  let arguments = (ins Dataflow_StreamType:$input, Variadic<Dataflow_StreamType>:$outputs,
                       Dataflow_Place:$place);
  let assemblyFormat = [{
    $input `to` $outputs (`at` $place^)? attr-dict `:` qualified(type($input)) `to`
    qualified(type($outputs))
  }];
  let hasVerifier = 1;
}

def Dataflow_JoinOp : Dataflow_Op<"join", [HasParent<"GraphOp">]> {
  let summary = "elements put together from those of several streams";
  let description = [{
    The parts follow each other in the element. Inputs put theirs independently; an
    element is in the output when it has all of its parts.

    ```mlir
    dataflow.join %y0, %y1 to %y : !dataflow.stream<memref<32xf32>>, !dataflow.stream<memref<32xf32>> to !dataflow.stream<memref<64xf32>>
    ```

    With an order, the numbers of a part are put in another one: next is always
    that at `sum(i[d] * strides[d])` of the part. So tiles become rows again:

    <!-- lit: tests/dialects/Dataflow/order.mlir#join -->
  }];
  let arguments = (ins Variadic<Dataflow_StreamType>:$inputs, Dataflow_StreamType:$output,
                       Dataflow_Place:$place, OptionalAttr<DenseI64ArrayAttr>:$sizes,
                       OptionalAttr<DenseI64ArrayAttr>:$strides);
  let assemblyFormat = [{
    $inputs `to` $output (`order` `sizes` $sizes^ `strides` $strides)? (`at` $place^)? attr-dict
    `:` qualified(type($inputs)) `to` qualified(type($output))
  }];
  let builders = [OpBuilder<(ins "::mlir::ValueRange":$inputs, "::mlir::Value":$output,
                                 "::mlir::DenseI64ArrayAttr":$place), [{
    build($_builder, $_state, inputs, output, place, /*sizes=*/nullptr, /*strides=*/nullptr);
  }]>];
  let hasVerifier = 1;
}

#endif // HEADRACE_DATAFLOW
