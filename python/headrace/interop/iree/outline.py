"""Outlining, on torch-mlir's raw import: our operators and all parameters become plain calls.

Each is a `func.call` of a private declaration called `headrace.*`, which every later pass leaves
alone. So torch-mlir never has to know our operators, and no weight becomes a literal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from headrace.errors import CompileError

# Tensors up to this size may stay literals: scalars and shape-like vectors, which folding needs.
LITERAL_BYTES = 64

PREFIX = "headrace."


@dataclass(frozen=True)
class LinearShape:
    """What the attributes of one `headrace.linear` say: x is [tokens, cols], w rows x cols."""

    tokens: int
    rows: int
    cols: int
    format: str
    activations: str


@dataclass
class Collected:
    """Parameters seen by the import: archive key -> tensor, and -> symbol of the declaration."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)
    keys: dict[tuple[Any, ...], str] = field(default_factory=dict)

    def key_of(self, tensor: torch.Tensor, info: Any) -> str:
        """The archive key of a tensor. Tensors that share memory share one key."""
        identity = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if identity not in self.keys:
            name = info.input_spec.target if info is not None else None
            key = name or f"constant.{len(self.keys)}"
            self.keys[identity] = key
            self.tensors[key] = tensor
        return self.keys[identity]


def parameter_hooks(collected: Collected) -> Any:
    """Import hooks that turn every tensor above LITERAL_BYTES into a call of a declaration."""
    from torch_mlir import ir
    from torch_mlir.dialects import func
    from torch_mlir.extras.fx_importer import FxImporterHooks

    class Hooks(FxImporterHooks):
        def resolve_literal(self, gni: Any, literal: Any, info: Any) -> Any:
            if not isinstance(literal, torch.Tensor) or literal.nbytes <= LITERAL_BYTES:
                return None
            key = collected.key_of(literal, info)
            tensor_type = gni.fx_importer._cc.tensor_to_vtensor_type(literal)
            if key not in collected.symbols:
                symbol = f"{PREFIX}parameter.{len(collected.symbols)}"
                collected.symbols[key] = symbol
                signature = ir.FunctionType.get([], [tensor_type])
                with ir.InsertionPoint.at_block_begin(gni.fx_importer.module.body):
                    func.FuncOp(symbol, signature, visibility="private")
            return func.CallOp([tensor_type], collected.symbols[key], []).result

    return Hooks()


def outline_linears(module: Any) -> dict[str, LinearShape]:
    """Replace each `torch.headrace.linear` by a call; equal shapes and formats share a symbol."""
    from torch_mlir import ir
    from torch_mlir.dialects import func

    symbols: dict[str, str] = {}
    linears: dict[str, LinearShape] = {}
    with module.context, ir.Location.unknown(module.context):
        for op in _find_linears(module):
            x, weight, *constants = op.operands
            rows, cols, fmt, activations = [c.owner.attributes["value"].value for c in constants]
            result_type = op.results[0].type
            signature = ir.FunctionType.get([x.type, weight.type], [result_type])
            key = f"{signature} {fmt} {activations}"
            if key not in symbols:
                symbol = symbols[key] = f"{PREFIX}linear.{len(symbols)}"
                linears[symbol] = LinearShape(_tokens(x), rows, cols, fmt, activations)
                with ir.InsertionPoint.at_block_begin(module.body):
                    func.FuncOp(symbol, signature, visibility="private")
            with ir.InsertionPoint(op):
                call = func.CallOp([result_type], symbols[key], [x, weight])
            op.results[0].replace_all_uses_with(call.operation.results[0])
            op.erase()
    return linears


def erase_declarations(module: Any) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Drop our declarations from the module; symbol -> (operand types, result types) as text."""
    types = {}
    for op in list(module.body.operations):
        name = op.attributes["sym_name"].value if "sym_name" in op.attributes else ""
        if name.startswith(PREFIX):
            inputs, results = op.type.inputs, op.type.results
            types[name] = (tuple(str(t) for t in inputs), tuple(str(t) for t in results))
            op.operation.erase()
    return types


def _find_linears(module: Any) -> list[Any]:
    from torch_mlir import ir

    found = []

    def visit(op: Any) -> Any:
        op = op.operation
        if op.name == "torch.operator" and op.attributes["name"].value == "torch.headrace.linear":
            found.append(op)
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    return found


def _tokens(x: Any) -> int:
    text = str(x.type)  # !torch.vtensor<[32,384],f32>
    first = text[text.index("[") + 1 : text.index(",")]
    if not first.isdigit():
        raise CompileError(
            f"iree: expected a static count of tokens at headrace.linear, but got {text}. "
            "Allowed: example inputs of a fixed shape"
        )
    return int(first)
