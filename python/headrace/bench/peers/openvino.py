"""OpenVINO's compressed products: u4 or u8 in groups of 32 with zero points.

One model for each weight copy; they share OpenVINO's thread pool. Its CPU plugin quantizes the
activations itself, in the groups of the weights.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.bench.peers.base import Problem, ProductPeer, Unavailable
from headrace.bench.peers.groups import BITS, GROUP, pairs, quantize
from headrace.bench.peers.installed import load


class OpenVino(ProductPeer):
    """`MatMul` with weights that the plugin keeps compressed, over rotated weights."""

    name = "openvino"
    bound = 2e-2

    def __init__(self, problem: Problem) -> None:
        if problem.format not in BITS or problem.k % GROUP:
            raise Unavailable("no equivalent of this format")
        ov = load("openvino")
        bits = BITS[problem.format]
        self._problem = problem
        version = ov.__version__.partition("-")[0]
        self.note = (
            f"{version}, u{bits} in groups of {GROUP} with zero points and "
            f"float16 scales, 8-bit activations in groups of {GROUP}"
        )
        codes, scales, zeros, self._band = quantize(problem.weights.band, bits)
        repeats = problem.m // len(codes)
        blocks = np.tile(codes.reshape(len(codes), -1, GROUP), (repeats, 1, 1))
        scales, zeros = (np.tile(part, (repeats, 1))[..., None] for part in (scales, zeros))
        core = ov.Core()
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": "1",
            "INFERENCE_NUM_THREADS": str(problem.threads),
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": str(GROUP),
        }
        self._requests = []
        for _ in range(problem.copies(problem.m * problem.k * bits // 8)):
            model = _model(ov, problem, bits, blocks, scales.astype(np.float16), zeros)
            self._requests.append(core.compile_model(model, "CPU", settings).create_infer_request())
        self._xs = [ov.Tensor(np.atleast_2d(x)) for x in problem.xs]
        self._turn = 0

    def stage(self, index: int) -> None:
        self._turn = (self._turn + 1) % len(self._requests)
        self._request = self._requests[self._turn]
        self._request.set_input_tensor(self._xs[index % len(self._xs)])

    def run(self) -> None:
        self._request.infer()

    def output(self) -> np.ndarray:
        return np.array(self._request.get_output_tensor().data)


def _model(
    ov: Any, p: Problem, bits: int, blocks: np.ndarray, scales: np.ndarray, zeros: np.ndarray
) -> Any:
    ops = ov.opset13

    def constant(codes: np.ndarray) -> Any:
        if bits == 8:
            return ops.constant(codes, ov.Type.u8)
        packed = pairs(codes.reshape(-1))
        tensor = ov.Tensor(packed, ov.Shape(list(codes.shape)), ov.Type.u4)
        return ops.constant(tensor, shared_memory=False)

    x = ops.parameter([p.n, p.k], ov.Type.f32)
    weight = ops.convert(constant(blocks), "f16")
    weight = ops.subtract(weight, ops.convert(constant(zeros), "f16"))
    weight = ops.multiply(weight, ops.constant(scales))
    weight = ops.reshape(weight, ops.constant(np.array([p.m, p.k], np.int64)), False)
    weight = ops.convert(weight, "f32")
    return ov.Model([ops.matmul(x, weight, False, True)], [x], "product")
