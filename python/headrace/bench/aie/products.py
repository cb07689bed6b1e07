"""Products of models as designs for an array: what they take in its simulator.

Each goes the way of a user: compiled, packed with weights and activations that are drawn, run as
the text that its artifact carries, and compared with float64.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import ml_dtypes
import numpy as np
import numpy.typing as npt

from headrace import formats, reference
from headrace.bench.session import compiled
from headrace.check import storage
from headrace.ops import OpSpec
from headrace.sim.aie_device import AieTiming
from headrace.targets.aie.simulate import run_timed

__all__ = [
    "BOUND",
    "KINDS",
    "MODELS",
    "Item",
    "Modelled",
    "Product",
    "cap_gb_per_s",
    "draw_weights",
    "draw_x",
    "expected",
    "model_products",
    "prefill_products",
    "simulated",
]

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]

FORMAT = "q4nx"
PROMPT = 1024
# Products of one token's activations and of many, and all products of a token.
KINDS = ("vector", "matrix", "token")
# Of results in the simulator, by float64: activations are bf16, sums f32.
BOUND = reference.BOUNDS["bf16"]
# Rows that are decoded at a time for the reference; whole blocks of every format.
_BAND = 1024
# Largest scale of the weights that are drawn.
_SCALE = 0.01
_GATED = "gated_matvec"

# Hidden size, FFN, width of queries, of keys and of values, vocabulary, gate function.
MODELS = {
    "gemma3-4b": (2560, 10240, 2048, 1024, 262144, "gelu_tanh"),
    "gemma3-1b": (1152, 6912, 1024, 256, 262144, "gelu_tanh"),
    "llama3.2-1b": (2048, 8192, 2048, 512, 128256, "silu"),
}


class Item(Protocol):
    """What the suite simulates."""

    @property
    def model(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str:
        """One of `KINDS`."""
        ...

    @property
    def label(self) -> str:
        """What `--filter` looks at."""
        ...

    @property
    def stored_bytes(self) -> int:
        """Of weights in their format; what a design pads or repeats is not in it."""
        ...

    @property
    def operations(self) -> int:
        """Multiplications and additions, none of them of padding."""
        ...

    def describe(self) -> dict[str, Any]:
        """What reports say of it."""
        ...

    def simulate(self, device: str, seed: int) -> Modelled: ...


@dataclass(frozen=True)
class Modelled:
    """An item in the simulator. us: from the first step of its sequence to the last, without the
    dispatch. seconds: of this machine, to pack, load and simulate it. error: of its results."""

    item: Item
    us: float
    dispatch_us: float
    read_bytes: int
    written_bytes: int
    seconds: float
    error: float

    @property
    def gb_per_s(self) -> float:
        """Of stored weights, so that nothing a design moves beside them makes it better."""
        return self.item.stored_bytes / self.us * 1e-3

    @property
    def tflop_per_s(self) -> float:
        """With the dispatch."""
        return self.item.operations / self.total_ms * 1e-9

    @property
    def total_ms(self) -> float:
        """With the dispatch."""
        return (self.us + self.dispatch_us) * 1e-3


@dataclass(frozen=True)
class Product:
    """A projection of a model, or its head."""

    model: str
    name: str
    operation: str

    @property
    def spec(self) -> OpSpec:
        return OpSpec.parse(self.operation, activations="bf16")

    @property
    def label(self) -> str:
        return f"{self.model} {self.name} {self.operation}"

    @property
    def stored_bytes(self) -> int:
        spec = self.spec
        return formats.get(spec.format).storage_bytes(spec.m, spec.k) * len(spec.weights)

    @property
    def kind(self) -> str:
        return "matrix" if self.spec.op == "matmul" else "vector"

    @property
    def operations(self) -> int:
        spec = self.spec
        return 2 * spec.n * spec.m * spec.k * len(spec.weights)

    def describe(self) -> dict[str, Any]:
        spec = self.spec
        return {
            "kernel": spec.op,
            "shape": f"{spec.m}x{spec.k}" + (f", {spec.n} tokens" if spec.n > 1 else ""),
            "format": spec.format,
            "activations": spec.activations,
            "op": self.operation,
        }

    def simulate(self, device: str, seed: int) -> Modelled:
        spec = self.spec
        artifact = compiled(spec, f"aie:{device}")
        draw = np.random.default_rng([seed, spec.m, spec.k])
        weights = draw_weights(spec, draw)
        x = draw_x(spec, draw)
        found, (y,) = simulated(self, artifact, [x, *weights], 1)
        return replace(found, error=reference.relative_l2(y, expected(spec, x, weights)))


def model_products(model: str) -> list[Product]:
    """What a token of the model multiplies with: a layer's projections, and the head."""
    hidden, ffn, queries, keys, words, act = MODELS[model]
    made = {
        "q": f"matvec:m={queries},k={hidden}",
        "k, v": f"matvec:m={keys},k={hidden}",
        "o": f"matvec:m={hidden},k={queries}",
        "gate, up": f"gated_matvec:m={ffn},k={hidden},act={act}",
        "down": f"matvec:m={hidden},k={ffn}",
        "head": f"matvec:m={words},k={hidden}",
    }
    return [Product(model, name, f"{text},format={FORMAT}") for name, text in made.items()]


def prefill_products(model: str) -> list[Product]:
    """Projections of a prompt of `PROMPT` tokens; the head takes only the last of them."""
    hidden, ffn, queries, keys, *_ = MODELS[model]
    shapes = {
        "q": (queries, hidden),
        "k, v": (keys, hidden),
        "o": (hidden, queries),
        "gate": (ffn, hidden),
        "down": (hidden, ffn),
    }
    return [
        Product(model, f"{name}, 1k tokens", f"matmul:m={m},k={k},n={PROMPT},format={FORMAT}")
        for name, (m, k) in shapes.items()
    ]


def cap_gb_per_s(timing: AieTiming) -> float:
    """What an array can read at most: all that its memory gives, or that its channels take."""
    channels = timing.columns * timing.most_channels("shim", "MM2S")
    return min(timing.ddr_gb_per_s, channels * timing.stream_bytes * timing.clock_ghz)


def draw_weights(spec: OpSpec, draw: np.random.Generator) -> list[Bytes]:
    """Any bytes with sane scales, for each of its matrices."""
    form = formats.get(spec.format)
    return [storage.near(form, spec.m, spec.k, draw, _SCALE) for _ in spec.weights]


def draw_x(spec: OpSpec, draw: np.random.Generator) -> Array:
    """Normal activations in bf16."""
    return draw.standard_normal(spec.x_shape, dtype=np.float32).astype(ml_dtypes.bfloat16)


def simulated(
    item: Item, artifact: Any, inputs: list[Array], results: int
) -> tuple[Modelled, list[Array]]:
    """A run, and its last arguments; the error is for the caller to say."""
    start = time.perf_counter()
    arguments, run = run_timed(artifact, inputs)
    seconds = time.perf_counter() - start
    found = Modelled(
        item, run.us, run.dispatch_us, run.ddr_read, run.ddr_written, seconds, float("nan")
    )
    return found, arguments[-results:]


def expected(spec: OpSpec, x: Array, weights: Sequence[Bytes]) -> npt.NDArray[np.float64]:
    """In float64, for one row of x or several; decoded in bands, as a head would not fit."""
    want = np.empty((*x.shape[:-1], spec.m))
    size = formats.get(spec.format).storage_bytes(_BAND, spec.k)
    for index, first in enumerate(range(0, spec.m, _BAND)):
        rows = min(_BAND, spec.m - first)
        band = [data.reshape(-1)[index * size : (index + 1) * size] for data in weights]
        # A gated product of several rows takes and gives them as columns.
        got = reference.evaluate(replace(spec, m=rows), x.T if spec.op == _GATED else x, band)
        want[..., first : first + rows] = got.T if spec.op == _GATED else got
    return want
