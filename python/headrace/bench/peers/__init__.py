"""The implementations that our kernels are measured beside, by the name a row gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from headrace.bench.peers import ggml
from headrace.bench.peers.base import Contender, Problem, Unavailable
from headrace.bench.peers.ggml import Ggml
from headrace.bench.peers.iree import Iree
from headrace.bench.peers.onnxruntime import OnnxRuntime
from headrace.bench.peers.openvino import OpenVino
from headrace.bench.peers.torch import TorchBf16, TorchF32, TorchInt4, TorchInt8
from headrace.errors import unknown

__all__ = ["PEERS", "Contender", "Problem", "Unavailable", "select"]


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


def select(names: Iterable[str] | None) -> list[str]:
    """Peers to measure: all by default; `iree`, `torch` or `llama.cpp` stand for all of theirs.

    Raises `UsageError` for a name that is not a peer.
    """
    if names is None:
        return list(PEERS)
    chosen: list[str] = []
    for name in names:
        matching = [peer for peer in PEERS if peer == name or peer.startswith(f"{name}.")]
        if not matching:
            raise unknown("peer", name, [*PEERS, "torch"])
        chosen += [peer for peer in matching if peer not in chosen]
    return chosen
