"""Thresholds of a torch model: groups of layers, and what skipping does to its outputs."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from headrace.errors import UsageError
from headrace.quantize.sparsity_model import ModelThresholds, calibrate_model, shared_inputs

WIDTH, HIDDEN = 32, 96


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than such small products."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


class Block(nn.Module):
    """The projections of a transformer block, with simple stand-ins between them."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            setattr(self, name, nn.Linear(WIDTH, WIDTH))
        self.gate_proj, self.up_proj = nn.Linear(WIDTH, HIDDEN), nn.Linear(WIDTH, HIDDEN)
        self.down_proj = nn.Linear(HIDDEN, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = self.norm(x)
        mixed = torch.softmax(self.q_proj(h) @ self.k_proj(h).mT, -1) @ self.v_proj(h)
        x = x + self.o_proj(mixed)
        h = self.norm(x)
        return x + self.down_proj(nn.functional.silu(self.gate_proj(h)) * self.up_proj(h))


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(WIDTH, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.head(x)


def model() -> Model:
    torch.manual_seed(0)
    return Model().eval()


def batches(seed: int, count: int = 6) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(4, 16, WIDTH, generator=generator) for _ in range(count)]


def run_skipping(net: nn.Module, found: ModelThresholds, x: torch.Tensor) -> torch.Tensor:
    """The output of the model where columns below the threshold are left out."""
    handles = []
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear):
            t = found.of(name).threshold
            handles.append(
                module.register_forward_pre_hook(
                    lambda _m, args, t=t: (torch.where(args[0].abs() > t, args[0], 0.0),)
                )
            )
    try:
        with torch.no_grad():
            return net(x)
    finally:
        for handle in handles:
            handle.remove()


def test_groups_by_name() -> None:
    groups = shared_inputs(model())
    assert len(groups) == 2 * 4 + 1
    assert groups["blocks.0.{q_proj,k_proj,v_proj}"] == [
        f"blocks.0.{name}" for name in ("q_proj", "k_proj", "v_proj")
    ]
    assert groups["blocks.1.{gate_proj,up_proj}"] == ["blocks.1.gate_proj", "blocks.1.up_proj"]
    assert groups["blocks.1.down_proj"] == ["blocks.1.down_proj"]
    assert groups["head"] == ["head"]
    only = nn.ModuleDict({"query": nn.Linear(2, 2), "key": nn.Linear(2, 2)})
    assert shared_inputs(only) == {"{query,key}": ["query", "key"]}
    assert shared_inputs(nn.Linear(2, 2)) == {"": [""]}


def test_a_model_reaches_the_target_on_other_data() -> None:
    net = model()
    found = calibrate_model(net, batches(1), 0.4)
    one, two, three = (found.of(f"blocks.1.{n}_proj") for n in "qkv")
    assert one == two == three
    sizes = {
        name: sum(net.get_submodule(n).weight.numel() for n in group)
        for name, group in found.groups.items()
    }
    mean = sum(found.thresholds[n].sparsity * size for n, size in sizes.items())
    assert mean / sum(sizes.values()) == pytest.approx(0.4, abs=5e-3)

    seen: dict[str, list[float]] = {}
    for name, module in net.named_modules():
        if isinstance(module, nn.Linear):
            module.register_forward_pre_hook(
                lambda _m, args, name=name: seen.setdefault(name, []).append(
                    float((args[0].abs() <= found.of(name).threshold).float().mean())
                )
            )
    for x in batches(2):
        net(x)
    for name, shares in seen.items():
        assert np.mean(shares) == pytest.approx(found.of(name).sparsity, abs=0.03), name


def test_more_sparsity_costs_more() -> None:
    net = model()
    x = torch.cat(batches(3))
    with torch.no_grad():
        exact = net(x)
    errors = []
    for target in (0.0, 0.3, 0.6):
        got = run_skipping(net, calibrate_model(net, batches(1), target), x)
        errors.append(float((got - exact).norm() / exact.norm()))
    assert errors[0] == 0.0
    assert errors == sorted(errors) and 0.0 < errors[1] < 0.2 and errors[2] < 0.6


def test_own_groups_and_json() -> None:
    net = model()
    groups = {"first": ["blocks.0.q_proj", "blocks.0.v_proj"], "head": ["head"]}
    found = calibrate_model(net, batches(1), 0.3, groups=groups)
    assert dict(found.groups) == groups and set(found.thresholds) == set(groups)
    again = ModelThresholds.loads(found.dumps())
    assert again == found
    row = json.loads(found.dumps())["groups"]["first"]
    assert row["layers"] == groups["first"] and row["threshold"] > 0
    with pytest.raises(UsageError, match=r"expected a calibrated layer, but got 'blocks.0.k_proj'"):
        found.of("blocks.0.k_proj")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        '{"groups": 3}',
        '{"groups": {"a": {"layers": ["a"], "threshold": 1, "sparsity": 0.5}}}',
        '{"groups": {"a": {"layers": ["a"], "threshold": NaN, "sparsity": 0.5, "error": 0}}}',
        '{"groups": {"a": {"layers": ["a"], "threshold": 1, "sparsity": 1.5, "error": 0}}}',
    ],
)
def test_other_texts(text: str) -> None:
    with pytest.raises(UsageError, match="sparsity: "):
        ModelThresholds.loads(text)


def test_bad_groups() -> None:
    net = model()
    cases: list[tuple[dict[str, list[str]], str]] = [
        ({"a": ["blocks.0.q_proj", "blocks.0.o_proj"]}, "expected the same activations"),
        ({"a": ["head"], "b": ["head"]}, "expected each layer in one group, but got 'head' twice"),
        ({"a": []}, "expected at least one linear layer in each group"),
        ({"a": ["blocks.0.norm"]}, "expected the name of a linear layer"),
    ]
    for groups, message in cases:
        with pytest.raises(UsageError, match=message):
            calibrate_model(net, batches(1), groups=groups)
    with pytest.raises(UsageError, match="expected at least one linear layer"):
        calibrate_model(nn.LayerNorm(4), batches(1))
    # Of another width, and the same tokens.
    other = {"a": ["blocks.0.q_proj", "blocks.0.down_proj"]}
    with pytest.raises(UsageError, match="expected the same activations"):
        calibrate_model(net, batches(1), groups=other)
