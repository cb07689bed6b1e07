"""The manifest of a compiled program: what it takes and returns, and what a call of it costs."""

from __future__ import annotations

import math
import re
from typing import Any

import headrace
from headrace.errors import CompileError
from headrace.interop.iree import versions
from headrace.interop.iree.executables import Executable, Step
from headrace.interop.iree.importer import ImportedModel, LinearCall
from headrace.interop.iree.runtime import LOADER, SCHEMA
from headrace.interop.iree.splice import SCOPE


def make_manifest(
    imported: ImportedModel, executables: dict[str, Executable], flow: str, target: str
) -> dict[str, Any]:
    """The contents of manifest.json, except for the checksums.

    flow: the program as IREE's text after dispatches were formed. Dispatches are counted there
    and not in what was given to IREE, because IREE merges equal ones: layers that read the same
    activations share one quantization.
    """
    body = flow[flow.index("util.func public @main") :]
    body = body[: body.index("\n  }\n")]
    kernels = [
        _kernel(call, executable, step, body)
        for call in imported.linears
        for executable in [executables[call.symbol]]
        for step in executable.steps
    ]
    ours = sum(kernel["dispatches"] for kernel in kernels)
    every = len(re.findall(r"\bflow\.dispatch @", body))
    return {
        "schema": SCHEMA,
        "loader": LOADER,
        "headrace": headrace.__version__,
        "iree": versions.RUNTIME["iree-base-runtime"],
        "target": target,
        "scope": SCOPE,
        "inputs": imported.inputs,
        "outputs": imported.outputs,
        "kernels": kernels,
        "dispatches": {"headrace": ours, "iree": every - ours},
        "parameters": {
            "count": len(imported.data),
            "bytes": sum(value.nbytes for value in imported.data.values()),
        },
    }


def _kernel(call: LinearCall, executable: Executable, step: Step, body: str) -> dict[str, Any]:
    export = executable.export(step)
    dispatches = len(re.findall(rf"::@{re.escape(export)}\b", body))
    if dispatches == 0:
        raise CompileError(f"iree: the compiled program does not call the kernel {export}")
    cost = next(k for k in executable.manifest["kernels"] if k["name"] == step.kernel)
    arguments = executable.manifest["arguments"]
    weights = {f"a{i}" for i, argument in enumerate(arguments) if "packed" in argument}
    read = [math.prod(slot.shape) for key, slot, _ in step.reads if key in weights]
    return {
        "name": export,
        "op": cost["op"],
        "format": cost["format"],
        "rows": call.shape.rows,
        "cols": call.shape.cols,
        "tokens": call.shape.tokens,
        "grid": list(step.grid),
        "dispatches": dispatches,
        "weight_bytes": sum(read) * dispatches,
    }
