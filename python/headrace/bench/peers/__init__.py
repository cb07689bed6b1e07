"""The implementations that our kernels are measured beside, by the name a row gives them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping

from headrace.bench.peers import ggml
from headrace.bench.peers.attention import Attention
from headrace.bench.peers.base import Contender, Problem, Unavailable
from headrace.bench.peers.ggml import Ggml
from headrace.bench.peers.ggml_attention import GgmlAttention
from headrace.bench.peers.iree import Iree
from headrace.bench.peers.onnxruntime import OnnxRuntime
from headrace.bench.peers.openvino import OpenVino
from headrace.bench.peers.torch import TorchBf16, TorchF32, TorchInt4, TorchInt8
from headrace.bench.peers.torch_attention import TorchAttention
from headrace.errors import unknown

__all__ = ["ATTENTION", "PEERS", "Attention", "Contender", "Problem", "Unavailable", "select"]


def _ggml(name: str) -> Callable[[Problem], Contender]:
    return lambda problem: Ggml(name, problem)


PEERS: Mapping[str, Callable[[Problem], Contender]] = {
    "iree": Iree,
    **{name: _ggml(name) for name in ggml.PEERS},
    "onnxruntime": OnnxRuntime,
    "openvino": OpenVino,
    "torch.f32": TorchF32,
    "torch.bf16": TorchBf16,
    "torch.int4": TorchInt4,
    "torch.int8": TorchInt8,
}

ATTENTION: Mapping[str, Callable[[Attention], Contender]] = {
    **{f"llama.cpp.{kind}": functools.partial(GgmlAttention, kind) for kind in ("f16", "q8_0")},
    **{f"torch.sdpa.{kind}": functools.partial(TorchAttention, kind) for kind in ("bf16", "f32")},
}


def select(names: Iterable[str] | None, among: Mapping[str, object] | None = None) -> list[str]:
    """Peers to measure: all by default; `iree`, `torch` or `llama.cpp` stand for all of theirs.

    among: the peers of one kind of row, `PEERS` or `ATTENTION`; both by default

    Raises `UsageError` for a name that is no peer of any row.
    """
    every = [*PEERS, *ATTENTION]
    offered = every if among is None else list(among)
    if names is None:
        return offered
    chosen: list[str] = []
    for name in names:
        if not any(_stands_for(name, peer) for peer in every):
            raise unknown("peer", name, [*every, "torch"])
        chosen += [p for p in offered if _stands_for(name, p) and p not in chosen]
    return chosen


def _stands_for(name: str, peer: str) -> bool:
    return peer == name or peer.startswith(f"{name}.")
