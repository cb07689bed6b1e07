"""Writes the IR of tests/passes/common/gemma3_decoder_layer.mlir anew, with torch-mlir.

    python scripts/gemma3_layer.py

The file's first part, up to the line that says where the IR begins, stays as it is. There are two
functions, `prefill` and `decode_step`: see `headrace.models.gemma3_layer`.
"""

from __future__ import annotations

from pathlib import Path

import torch

from headrace import ir
from headrace.interop.torch_linalg import import_layer
from headrace.models import gemma3_layer
from headrace.modules import parse_text

FILE = Path(__file__).parents[1] / "tests/passes/common/gemma3_decoder_layer.mlir"
BEGIN = "// From here on as scripts/gemma3_layer.py writes it.\n"


def layer_text() -> str:
    """Both functions in one module."""
    draw = torch.Generator().manual_seed(0)
    position = torch.tensor([0], dtype=torch.int32)
    step_inputs = [*gemma3_layer.inputs(1, 0, draw), gemma3_layer.empty_cache(), position]
    imports = {
        "prefill": (gemma3_layer.Prefill(), gemma3_layer.inputs(gemma3_layer.TOKENS, 0, draw)),
        "decode_step": (gemma3_layer.DecodeStep(), step_inputs),
    }
    with ir.Context() as context, ir.Location.unknown():
        whole = ir.Module.create()
        for name, (module, inputs) in imports.items():
            text = import_layer(module, inputs).text.replace("@main(", f"@{name}(")
            part = parse_text(text, context)
            for op in list(part.body.operations):
                op.detach_from_parent()
                whole.body.append(op)
        whole.operation.verify()
        return str(whole)


def main() -> None:
    head, found, _ = FILE.read_text().partition(BEGIN)
    if not found:
        raise SystemExit(f"{FILE}: expected a line '{BEGIN.strip()}'")
    FILE.write_text(f"{head}{BEGIN}\n{layer_text()}")


if __name__ == "__main__":
    main()
