"""PyTorch's own CPU paths: dense float32 and bfloat16 `linear`, and its packed 4 and 8-bit ops."""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.bench import weights
from headrace.bench.peers.base import Problem, ProductPeer, Unavailable
from headrace.bench.peers.iree import requantize

GROUP = 32
INT4_FORMATS = ("q4_0", "q4_1", "q4_k", "q4nx", "int4:g32")
INT8_FORMATS = ("q8_0", "int8:g32")


def import_torch() -> Any:
    """torch. Raises `Unavailable` if it is not installed."""
    try:
        import torch
    except ImportError:
        raise Unavailable("torch is not installed") from None
    return torch


class Torch(ProductPeer):
    """`y = op(x, weight)` in inference mode, over rotated weights."""

    def __init__(self, problem: Problem) -> None:
        self._torch = import_torch()
        self._torch.set_num_threads(problem.threads)
        self._problem = problem
        self._turn = 0
        with self._torch.inference_mode():
            self._weights, self._band = self._prepare(problem.weights.band)
            self._xs = [self._activations(x) for x in problem.xs]

    def _prepare(self, band: np.ndarray) -> tuple[list[Any], np.ndarray]:
        """The rotated weights, and the values float32 [rows, k] that they stand for."""
        raise NotImplementedError

    def _activations(self, x: np.ndarray) -> Any:
        return self._torch.from_numpy(np.atleast_2d(x))

    def _call(self, x: Any, weight: Any) -> Any:
        return self._torch.nn.functional.linear(x, weight)

    def _tensor(self, buffer: np.ndarray, dtype: Any, shape: tuple[int, ...]) -> Any:
        return self._torch.from_numpy(buffer).view(dtype).reshape(shape)

    def stage(self, index: int) -> None:
        self._turn = (self._turn + 1) % len(self._weights)
        self._x, self._weight = self._xs[index % len(self._xs)], self._weights[self._turn]

    def run(self) -> None:
        with self._torch.inference_mode():
            self._result = self._call(self._x, self._weight)

    def output(self) -> np.ndarray:
        return np.array(self._result.float().numpy())


class TorchF32(Torch):
    """The dequantized weights as dense float32."""

    name = "torch.f32"
    note = "dense float32 linear"
    bound = 1e-5

    def _prepare(self, band: np.ndarray) -> tuple[list[Any], np.ndarray]:
        p = self._problem
        total = 4 * p.m * p.k
        copies = [weights.fill(band, total) for _ in range(p.copies(total))]
        return [self._tensor(copy, self._torch.float32, (p.m, p.k)) for copy in copies], band


class TorchBf16(Torch):
    """The dequantized weights as dense bfloat16."""

    name = "torch.bf16"
    note = "dense bfloat16 linear, bfloat16 activations"
    bound = 1e-2  # its result is rounded to bfloat16 as well

    def _prepare(self, band: np.ndarray) -> tuple[list[Any], np.ndarray]:
        p, torch = self._problem, self._torch
        rounded = torch.from_numpy(band).bfloat16()
        total = 2 * p.m * p.k
        raw = rounded.view(torch.uint8).numpy()
        copies = [weights.fill(raw, total) for _ in range(p.copies(total))]
        views = [self._tensor(copy, torch.bfloat16, (p.m, p.k)) for copy in copies]
        return views, rounded.float().numpy()

    def _activations(self, x: np.ndarray) -> Any:
        return super()._activations(x).bfloat16()


class TorchInt4(TorchBf16):
    """`_weight_int4pack_mm_for_cpu`: 4-bit weights in groups of 32, bfloat16 activations."""

    name = "torch.int4"
    note = "aten::_weight_int4pack_mm_for_cpu, groups of 32, bfloat16 scales and activations"
    bound = 2e-2

    def _prepare(self, band: np.ndarray) -> tuple[list[Any], np.ndarray]:
        p, torch = self._problem, self._torch
        if p.format not in INT4_FORMATS:
            raise Unavailable("the op has no equivalent of this format")
        if not hasattr(torch.ops.aten, "_weight_int4pack_mm_for_cpu"):
            raise Unavailable("this torch has no aten::_weight_int4pack_mm_for_cpu")
        codes, scales, _ = requantize(band, 4, True)
        # torch: value = (code - 8) * scale + zero
        scale = torch.from_numpy(scales[0]).bfloat16()
        zero = (torch.from_numpy(8 * scales[0] - scales[1])).bfloat16()
        grouped = codes.reshape(len(band), -1, GROUP).astype(np.float32) - 8
        values = grouped * scale.float().numpy()[..., None] + zero.float().numpy()[..., None]
        repeats = p.m // len(band)
        whole = torch.from_numpy(np.tile(codes.astype(np.int32), (repeats, 1)))
        packed = torch.ops.aten._convert_weight_to_int4pack_for_cpu(whole, 1)
        # [k / group, m, 2]
        scale_zero = torch.stack([scale, zero], dim=2).repeat(repeats, 1, 1).transpose(0, 1)
        scale_zero = scale_zero.contiguous()
        raw = packed.numpy()
        copies = [weights.fill(raw, raw.nbytes) for _ in range(p.copies(raw.nbytes))]
        shape = tuple(packed.shape)
        return (
            [(self._tensor(c, torch.uint8, shape), scale_zero.clone()) for c in copies],
            values.reshape(band.shape),
        )

    def _call(self, x: Any, weight: Any) -> Any:
        packed, scale_zero = weight
        return self._torch.ops.aten._weight_int4pack_mm_for_cpu(x, packed, GROUP, scale_zero)


class TorchInt8(TorchBf16):
    """`_weight_int8pack_mm`: 8-bit weights with one scale a row, bfloat16 activations."""

    name = "torch.int8"
    note = "aten::_weight_int8pack_mm, one scale a row, bfloat16 activations"
    bound = 2e-2

    def _prepare(self, band: np.ndarray) -> tuple[list[Any], np.ndarray]:
        p, torch = self._problem, self._torch
        if p.format not in INT8_FORMATS:
            raise Unavailable("the op has no equivalent of this format")
        if not hasattr(torch.ops.aten, "_weight_int8pack_mm"):
            raise Unavailable("this torch has no aten::_weight_int8pack_mm")
        scale = torch.from_numpy(np.abs(band).max(1) / 127).bfloat16()
        wide = scale.float().numpy()[:, None]
        codes = np.clip(np.rint(band / wide), -128, 127).astype(np.int8)
        scales = scale.repeat(p.m // len(band))
        total = p.m * p.k
        copies = [weights.fill(codes, total) for _ in range(p.copies(total))]
        views = [(self._tensor(c, torch.int8, (p.m, p.k)), scales) for c in copies]
        return views, codes * wide

    def _call(self, x: Any, weight: Any) -> Any:
        return self._torch.ops.aten._weight_int8pack_mm(x, *weight)
