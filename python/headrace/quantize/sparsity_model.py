"""Thresholds of activations for a torch model: which layers share one, and what they are given.

    found = calibrate_model(model, batches, target=0.5)
    found.of("layers.0.self_attn.k_proj").threshold       # that of q_proj and v_proj, too
    Path("sparsity.json").write_text(found.dumps())

Layers that read the same activations share a threshold, so that one list of columns serves all of
them (arXiv 2511.04477). Only linear layers take part, as others have no columns to skip.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from torch import nn

from headrace.errors import UsageError
from headrace.quantize.activations import collect_inputs
from headrace.quantize.sparsity import Layer, Threshold, calibrate_sparsity

__all__ = ["ModelThresholds", "calibrate_model", "shared_inputs"]

# Names, in one parent, of layers that are given the same activations.
_SHARED = (
    ("q_proj", "k_proj", "v_proj"),
    ("query", "key", "value"),
    ("gate_proj", "up_proj"),
)


@dataclass(frozen=True)
class ModelThresholds:
    """What was found for the groups of a model.

    groups: name -> names of the layers that share the list of columns
    thresholds: name of the group -> its threshold
    """

    groups: Mapping[str, Sequence[str]]
    thresholds: Mapping[str, Threshold]

    def of(self, layer: str) -> Threshold:
        """The threshold of a layer; `UsageError` if it has none."""
        for group, layers in self.groups.items():
            if layer in layers:
                return self.thresholds[group]
        raise UsageError(f"sparsity: expected a calibrated layer, but got '{layer}'")

    def dumps(self) -> str:
        """JSON: {"groups": {name: {"layers": [...], "threshold", "sparsity", "error"}}}."""
        rows = {
            name: {"layers": list(self.groups[name]), **asdict(found)}
            for name, found in self.thresholds.items()
        }
        return json.dumps({"groups": rows}, indent=2)

    @classmethod
    def loads(cls, text: str) -> ModelThresholds:
        """The inverse of `dumps`; `UsageError` for another text, and for numbers that are none."""
        try:
            rows = json.loads(text)["groups"]
            groups = {
                str(name): [str(layer) for layer in row["layers"]] for name, row in rows.items()
            }
            thresholds = {
                str(name): Threshold(
                    *(float(row[key]) for key in ("threshold", "sparsity", "error"))
                )
                for name, row in rows.items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                f'sparsity: expected {{"groups": {{name: ...}}}}, but got another text: {error}'
            ) from None
        for name, found in thresholds.items():
            if not (0.0 <= found.threshold < np.inf and 0.0 <= found.sparsity <= 1.0):
                raise UsageError(
                    f"sparsity: '{name}': expected a threshold of at least 0 and a sparsity from 0 "
                    f"to 1, but got {found.threshold} and {found.sparsity}"
                )
        return cls(groups, thresholds)


def shared_inputs(model: nn.Module) -> dict[str, list[str]]:
    """The linear layers of a model, those together that are given the same activations.

    Names of groups are those of their layers: "layers.0.self_attn.{q_proj,k_proj,v_proj}". Layers
    are known by name: query, key and value, and gate and up, of one parent.
    """
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    groups: dict[str, list[str]] = {}
    for name in linears:
        parent, dot, last = name.rpartition(".")
        family = next((names for names in _SHARED if last in names), (last,))
        members = [
            f"{parent}{dot}{other}" for other in family if f"{parent}{dot}{other}" in linears
        ]
        own = [member.removeprefix(f"{parent}{dot}") for member in members]
        groups[f"{parent}{dot}{{{','.join(own)}}}" if len(own) > 1 else name] = members
    return groups


def calibrate_model(
    model: nn.Module,
    batches: Iterable[Any],
    target: float = 0.5,
    *,
    groups: Mapping[str, Sequence[str]] | None = None,
    tokens: int = 512,
    step: float = 0.05,
    most: float = 0.9,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> ModelThresholds:
    """Thresholds for linear layers, whose mean sparsity, by weights, is `target`.

    batches: arguments of the model, a tuple for each call (or one tensor)
    groups: name -> layers that share a threshold; all linear layers, as `shared_inputs`, if None
    tokens: how many activation vectors of each layer are looked at, a uniform sample
    step, most, progress: as of `calibrate_sparsity`

    `UsageError` for names of other layers, a layer in two groups, layers of one group that are not
    given the same activations, and what `calibrate_sparsity` refuses.
    """
    chosen = {name: list(layers) for name, layers in (groups or shared_inputs(model)).items()}
    names = [layer for layers in chosen.values() for layer in layers]
    if not names or not all(chosen.values()):
        raise UsageError("sparsity: expected at least one linear layer in each group, but got none")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"sparsity: expected each layer in one group, but got '{twice[0]}' twice")
    inputs = collect_inputs(model, batches, names, tokens=tokens, seed=seed)
    modules = dict(model.named_modules())
    layers = {}
    for group, members in chosen.items():
        first = inputs[members[0]]
        for other in members[1:]:
            # The same tokens are sampled everywhere, so the same activations are equal here.
            if not np.array_equal(inputs[other], first):
                raise UsageError(
                    f"sparsity: '{group}': expected the same activations for '{members[0]}' and "
                    f"'{other}', but they differ"
                )
        weights = [_weight(modules[member]) for member in members]
        layers[group] = Layer(weights, first)
    found = calibrate_sparsity(layers, target, step=step, most=most, progress=progress)
    return ModelThresholds(chosen, found)


def _weight(linear: nn.Module) -> Any:
    assert isinstance(linear, nn.Linear)
    return linear.weight.detach().float().cpu().numpy()
