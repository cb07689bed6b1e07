"""Samples of what the linear layers of a torch model are given, for calibration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from headrace.errors import UsageError

__all__ = ["collect_inputs"]

F32 = npt.NDArray[np.float32]


class _Reservoir:
    """A uniform sample of at most `size` of all rows seen."""

    def __init__(self, size: int, seed: int) -> None:
        self.rows: list[F32] = []
        self.size, self.seen = size, 0
        self._random = np.random.default_rng(seed)

    def add(self, batch: F32) -> None:
        for row in batch:
            self.seen += 1
            if len(self.rows) < self.size:
                self.rows.append(row.copy())
                continue
            place = int(self._random.integers(self.seen))
            if place < self.size:
                self.rows[place] = row.copy()


def collect_inputs(
    model: nn.Module,
    batches: Iterable[Any],
    layers: Iterable[str],
    *,
    tokens: int = 1024,
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict[str, F32]:
    """Inputs [at most `tokens`, K] of the linear layers named `layers`, float32.

    batches: arguments of the model, a tuple for each call (or one tensor)
    tokens: how many rows of each layer are kept, a uniform sample of all, deterministic by `seed`
    progress: called with the number of batches done

    `UsageError` for a name that is no linear layer, and if the model uses one of them never.
    """
    modules = dict(model.named_modules())
    wanted = list(layers)
    for name in wanted:
        if not isinstance(modules.get(name), nn.Linear):
            linears = [n for n, m in modules.items() if isinstance(m, nn.Linear)]
            raise UsageError(
                f"calibration: expected the name of a linear layer, but got {name!r}; "
                f"allowed: {', '.join(linears[:8])}{', ...' if len(linears) > 8 else ''}"
            )
    samples = {name: _Reservoir(tokens, seed) for name in wanted}

    def hook(sample: _Reservoir) -> Callable[..., None]:
        def keep(
            module: nn.Linear, inputs: tuple[torch.Tensor, ...], named: dict[str, Any]
        ) -> None:
            x = inputs[0] if inputs else named["input"]
            x = x.detach().reshape(-1, module.in_features)
            sample.add(x.to(torch.float32).cpu().numpy())

        return keep

    with ExitStack() as hooks, torch.no_grad():
        for name, sample in samples.items():
            handle = modules[name].register_forward_pre_hook(hook(sample), with_kwargs=True)
            hooks.callback(handle.remove)
        for done, batch in enumerate(batches, start=1):
            model(*(batch if isinstance(batch, tuple) else (batch,)))
            if progress is not None:
                progress(done)
    for name, sample in samples.items():
        if not sample.rows:
            raise UsageError(
                f"calibration: expected the model to use the layer {name!r}, but it was not called"
            )
    return {name: np.stack(sample.rows) for name, sample in samples.items()}
