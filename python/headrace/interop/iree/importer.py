"""torch model -> linalg text, with quantized layers and parameters left as calls (`outline`).

The declarations of these calls are erased before printing; whoever splices the program (`splice`)
defines them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from headrace.errors import CompileError, HeadraceError, UsageError
from headrace.interop.iree.outline import (
    Collected,
    LinearShape,
    erase_declarations,
    outline_linears,
    parameter_hooks,
)

# torch dialect -> linalg on tensors. The same order as torch-mlir's own linalg pipeline, without
# its final verification, which would reject calls it cannot account for.
_CANONICALIZE = "func.func(canonicalize)"
_LINALG_PASSES = (
    "func.func(torch-restructure-non-constant-axes)",
    "func.func(convert-torch-to-tmtensor{allow-non-finites=true})",
    _CANONICALIZE,
    "func.func(convert-torch-to-linalg{allow-non-finites=true})",
    _CANONICALIZE,
    "func.func(convert-torch-to-scf)",
    "func.func(convert-torch-to-arith)",
    "func.func(convert-torch-to-tensor)",
    "convert-torch-conversion-to-mlprogram",
    "func.func(memref-expand)",
    _CANONICALIZE,
    "func.func(resolve-shaped-type-result-dims{error-on-pattern-iteration-limit=true})",
    "func.func(cse)",
    "torch-func-backend-type-conversion",
    _CANONICALIZE,
    "func.func(torch-finalizing-backend-type-conversion)",
)
PIPELINE = (
    "builtin.module(torchdynamo-export-to-torch-backend-pipeline{extra-library=},"
    + ",".join(_LINALG_PASSES)
    + ")"
)

# What can cross the boundary of the program, by its name in NumPy.
BOUNDARY_TYPES = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "bool")


@dataclass(frozen=True)
class LinearCall:
    """One outlined `headrace.linear`, shared by all calls of the same shape and format."""

    symbol: str
    shape: LinearShape
    operand_types: tuple[str, ...]
    result_type: str


@dataclass(frozen=True)
class Parameter:
    """A tensor that the program reads from its parameter archive."""

    symbol: str
    key: str
    type: str


@dataclass(frozen=True)
class ImportedModel:
    """The program as text, and what its open declarations stand for.

    data: archive key -> values. inputs, outputs: as in program.json.
    """

    text: str
    linears: list[LinearCall]
    parameters: list[Parameter]
    data: dict[str, np.ndarray[Any, Any]]
    inputs: list[dict[str, Any]]
    outputs: dict[str, Any]


def import_model(model: torch.nn.Module, example_inputs: Sequence[torch.Tensor]) -> ImportedModel:
    """Export `model` (put in eval mode) and lower it to linalg text with outlined calls.

    Raises UsageError for inputs that are not tensors, CompileError (with the reason from torch or
    torch-mlir) for models that these cannot handle.
    """
    from torch_mlir import fx, ir
    from torch_mlir.passmanager import PassManager

    _check_inputs(example_inputs)
    exported = _export(model, example_inputs)
    outputs = _describe_outputs(exported)
    collected = Collected()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            module = fx.export_and_import(
                exported,
                output_type="raw",
                func_name="main",
                decomposition_table={},  # done by _export
                # The import that knows non-persistent buffers; _export refuses mutation itself.
                experimental_support_mutation=True,
                hooks=parameter_hooks(collected),
            )
            shapes = outline_linears(module)
            with module.context:
                PassManager.parse(PIPELINE).run(module.operation)
        except HeadraceError:
            raise
        except (ir.MLIRError, RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            raise CompileError(f"iree: torch-mlir cannot lower the model: {error}") from error
    types = erase_declarations(module)
    text = module.operation.get_asm(assume_verified=True)
    _check_lowered(text)
    return ImportedModel(
        text=text,
        linears=[LinearCall(s, shapes[s], types[s][0], types[s][1][0]) for s in shapes],
        parameters=[Parameter(s, key, types[s][1][0]) for key, s in collected.symbols.items()],
        data={key: _to_numpy(tensor) for key, tensor in collected.tensors.items()},
        inputs=[_describe(value) for value in example_inputs],
        outputs=outputs,
    )


def _export(
    model: torch.nn.Module, example_inputs: Sequence[torch.Tensor]
) -> torch.export.ExportedProgram:
    from torch_mlir.extras.fx_decomp_util import get_decomposition_table

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            exported = torch.export.export(model.eval(), tuple(example_inputs), strict=False)
            # Also what makes in-place operations visible as mutations in the signature.
            exported = exported.run_decompositions(get_decomposition_table())
        except Exception as error:  # torch raises many unrelated types here
            raise CompileError(f"iree: torch.export cannot trace the model: {error}") from error
    signature = exported.graph_signature
    mutated = [*signature.buffers_to_mutate.values(), *signature.user_inputs_to_mutate.values()]
    if mutated:
        raise CompileError(
            f"iree: expected a model without side effects, but got one that writes '{mutated[0]}'. "
            "Allowed: pass state in as arguments and return it"
        )
    return exported


def _check_lowered(text: str) -> None:
    """The check that the skipped verification would make, without our calls in its way."""
    for line in text.splitlines():
        op = line.split(" = ", 1)[-1].strip().strip('"')
        if op.startswith(("torch.", "torch_c.", "tm_tensor.")):
            name = op.split()[0].split("(")[0].strip('"')
            raise CompileError(
                f"iree: torch-mlir left '{name}' in the program: it has no lowering to linalg. "
                "Tip: give the model explicit masks and position ids"
            )


def _check_inputs(example_inputs: Sequence[torch.Tensor]) -> None:
    if not isinstance(example_inputs, tuple | list):
        raise UsageError(
            "iree: expected example inputs as a tuple or list of tensors, but got "
            f"{type(example_inputs).__name__}"
        )
    for index, value in enumerate(example_inputs):
        if not isinstance(value, torch.Tensor):
            raise UsageError(
                f"iree: expected example input {index} to be a torch.Tensor, but got "
                f"{type(value).__name__}. Allowed: tensors, passed by position"
            )
        _check_boundary(f"input {index}", value)


def _check_boundary(what: str, value: torch.Tensor) -> None:
    if str(value.dtype).removeprefix("torch.") not in BOUNDARY_TYPES:
        raise UsageError(
            f"iree: {what}: expected a type that NumPy and IREE share, but got {value.dtype}. "
            f"Allowed: {', '.join(BOUNDARY_TYPES)}"
        )


def _describe(value: torch.Tensor) -> dict[str, Any]:
    return {"dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape)}


def _describe_outputs(exported: torch.export.ExportedProgram) -> dict[str, Any]:
    """How the flat results form what the model returns: a tensor, a tuple or a dict."""
    returned = next(node for node in exported.graph.nodes if node.op == "output").args[0]
    values = [getattr(node, "meta", {}).get("val") for node in returned]
    spec = exported.call_spec.out_spec
    template = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    flat = list(template.values()) if isinstance(template, dict) else template
    flat = [flat] if isinstance(flat, int) else flat
    plain = isinstance(flat, (tuple, list)) and all(isinstance(item, int) for item in flat)
    if not plain or not all(isinstance(value, torch.Tensor) for value in values):
        raise CompileError(
            "iree: expected the model to return a tensor, or a flat tuple or dict of tensors, but "
            f"got {type(template).__name__}. Tip: wrap the model and return plain tensors"
        )
    for index, value in enumerate(values):
        _check_boundary(f"output {index}", value)
    if isinstance(template, int):
        return {"kind": "tensor"}
    if isinstance(template, dict):
        return {"kind": "dict", "names": list(template)}
    return {"kind": "tuple"}


def _to_numpy(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    """The values of a tensor; those of bf16, which NumPy lacks, as int16 of the same bytes."""
    tensor = tensor.detach().cpu().contiguous()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
