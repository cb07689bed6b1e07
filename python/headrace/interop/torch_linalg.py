"""PyTorch modules as linalg text, with their weights as arguments: what `raise-*` passes take.

    layer = import_layer(module, (hidden, cos, sin), keep_attention=True)
    headrace-opt --raise-torch-ops --raise-dequantize --raise-attention   # of layer.text

`torch.ops.headrace.*`, and with `keep_attention` PyTorch's own attention, are left as calls of
private declarations that say which operator they stand for (pass `raise-torch-ops`).
"""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from headrace import formats
from headrace.errors import CompileError
from headrace.interop.iree.importer import PIPELINE

__all__ = ["ImportedLayer", "import_layer"]

_ATTENTION = "aten.scaled_dot_product_attention"


@dataclass(frozen=True)
class ImportedLayer:
    """MLIR text of a function `main`; its arguments are the inputs, then `weights` by name."""

    text: str
    weights: dict[str, torch.Tensor]


class _WithWeights(torch.nn.Module):
    """A module whose parameters and buffers are inputs."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        # Not registered, so that export does not see the module's own parameters.
        self.__dict__["module"] = module
        named = [*module.named_parameters(), *module.named_buffers()]
        self.weights = {name: value.detach() for name, value in named}

    def forward(self, inputs: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> Any:
        named = dict(zip(self.weights, weights, strict=True))
        return torch.func.functional_call(self.__dict__["module"], named, tuple(inputs))


def import_layer(
    module: torch.nn.Module, inputs: Sequence[torch.Tensor], *, keep_attention: bool = False
) -> ImportedLayer:
    """Export `module` (put in eval mode) for inputs of these shapes, and lower it to linalg.

    Raises CompileError, with the reason from torch or torch-mlir, for what they cannot handle.
    """
    from torch_mlir import fx, ir
    from torch_mlir.passmanager import PassManager

    wrapped = _WithWeights(module.eval())
    exported = _export(wrapped, inputs, keep_attention)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            raw = fx.export_and_import(
                exported,
                output_type="raw",
                func_name="main",
                decomposition_table={},  # done by _export
                # The import that knows constants of a program that are not parameters.
                experimental_support_mutation=True,
            )
            _outline(raw, ir)
            with raw.context:
                PassManager.parse(PIPELINE).run(raw.operation)
        except (ir.MLIRError, RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            raise CompileError(f"torch: torch-mlir cannot lower the module: {error}") from error
    text = raw.operation.get_asm(assume_verified=True)
    left = re.search(r"\b(torch|torch_c|tm_tensor)\.[\w.]+", re.sub(r'"[^"]*"|@[\w.]+', "", text))
    if left:
        raise CompileError(
            f"torch: torch-mlir left '{left[0]}' in the program: it has no lowering to linalg. "
            "Tip: give the module explicit masks and position ids"
        )
    return ImportedLayer(text, wrapped.weights)


def _export(
    wrapped: _WithWeights, inputs: Sequence[torch.Tensor], keep_attention: bool
) -> torch.export.ExportedProgram:
    from torch._decomp import get_decompositions
    from torch_mlir.extras.fx_decomp_util import get_decomposition_table

    table: Any = torch.export.default_decompositions() if keep_attention else {}
    table.update(get_decomposition_table())
    # torch-mlir's own has 0.797724 for the square root of 2 / pi.
    table.update(get_decompositions([torch.ops.aten.gelu]))
    if keep_attention:
        for op in [op for op in table if "scaled_dot_product_attention" in str(op)]:
            del table[op]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            arguments = (tuple(inputs), tuple(wrapped.weights.values()))
            exported = torch.export.export(wrapped, arguments, strict=False)
            table.update(_composite(exported))
            return exported.run_decompositions(table)
        except Exception as error:  # torch raises many unrelated types here
            raise CompileError(f"torch: torch.export cannot trace the module: {error}") from error


def _composite(exported: torch.export.ExportedProgram) -> dict[Any, Any]:
    """Decompositions of operators that others define by PyTorch's own, as torchao does.

    PyTorch looks for such operators once in a process: those that are registered later need this.
    """
    implicit = torch._C.DispatchKey.CompositeImplicitAutograd
    found = {node.target for node in exported.graph.nodes if node.op == "call_function"}
    return {
        op: functools.partial(op._op_dk, implicit)
        for op in found
        if isinstance(op, torch._ops.OpOverload)
        and op.namespace not in ("aten", "prim", "headrace")
        and op.has_kernel_for_dispatch_key(implicit)
    }


def _operator(op: Any) -> str | None:
    """The operator that `op` is, if it is to be kept."""
    if op.name == "torch.operator":
        name = str(op.attributes["name"].value).removeprefix("torch.")
        return name if name.startswith("headrace.") else None
    return _ATTENTION if op.name == f"torch.{_ATTENTION}" else None


def _outline(module: Any, ir: Any) -> None:
    """Turn operators that are kept into calls; equal ones share a declaration."""
    from torch_mlir.dialects import func

    found: list[tuple[Any, str]] = []

    def visit(op: Any) -> Any:
        if name := _operator(op.operation):
            found.append((op.operation, name))
        return ir.WalkResult.ADVANCE

    module.operation.walk(visit)
    symbols: dict[str, str] = {}
    with module.context, ir.Location.unknown(module.context):
        for op, name in found:
            tensors = [value for value in op.operands if _is_tensor(value)]
            arguments = [_constant(v, name, ir) for v in op.operands if not _is_tensor(v)]
            if name == "headrace.linear":  # what MLIR calls the format
                written = formats.get(arguments[2].value).attribute
                arguments[2] = ir.StringAttr.get(written)
            results = [result.type for result in op.results]
            signature = ir.FunctionType.get([value.type for value in tensors], results)
            key = f"{name} {signature} {arguments}"
            if key not in symbols:
                symbols[key] = f"{name}.{len(symbols)}"
                with ir.InsertionPoint.at_block_begin(module.body):
                    function = func.FuncOp(symbols[key], signature, visibility="private")
                attributes = function.operation.attributes
                attributes["headrace.operator"] = ir.StringAttr.get(name)
                attributes["headrace.arguments"] = ir.ArrayAttr.get(arguments)
            with ir.InsertionPoint(op):
                call = func.CallOp(results, symbols[key], tensors)
            for old, new in zip(op.results, call.operation.results, strict=True):
                old.replace_all_uses_with(new)
            op.erase()


def _is_tensor(value: Any) -> bool:
    return str(value.type).startswith("!torch.vtensor")


def _constant(value: Any, name: str, ir: Any) -> Any:
    """The attribute of a constant operand; unit for None."""
    attributes = getattr(value.owner, "attributes", {})
    if "value" not in attributes:
        if str(value.type) == "!torch.none":
            return ir.UnitAttr.get()
        raise CompileError(
            f"torch: {name}: expected arguments that are tensors or constants, but got {value.type}"
        )
    return attributes["value"]
