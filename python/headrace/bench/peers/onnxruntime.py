"""ONNX Runtime's `MatMulNBits` with 8-bit activations (accuracy level 4).

One session for each weight copy; they share one thread pool, as the layers of a model do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from headrace.bench.peers.base import Problem, ProductPeer, Unavailable
from headrace.bench.peers.groups import BITS, GROUP, pairs, quantize
from headrace.bench.peers.installed import load

INT8_COMPUTE = 4
# threads of the pool that all sessions of this process share, once there is one
_pool: list[int] = []


def _share_threads(ort: Any, threads: int) -> None:
    if not _pool:
        ort.set_global_thread_pool_sizes(threads, 1)
        _pool.append(threads)
    if _pool != [threads]:
        raise Unavailable(f"its shared pool was made for {_pool[0]} threads in this process")


class OnnxRuntime(ProductPeer):
    """`MatMulNBits` over rotated weights."""

    name = "onnxruntime"
    bound = 2e-2

    def __init__(self, problem: Problem) -> None:
        if problem.format not in BITS or problem.k % GROUP:
            raise Unavailable("MatMulNBits has no equivalent of this format")
        ort, onnx = load("onnxruntime"), load("onnx")
        bits = BITS[problem.format]
        self._problem = problem
        self.note = (
            f"{ort.__version__}, MatMulNBits of {bits} bits in groups of {GROUP} with zero points, "
            "8-bit activations"
        )
        codes, scales, zeros, self._band = quantize(problem.weights.band, bits)
        repeats = problem.m // len(codes)
        blocks = codes.reshape(len(codes), -1, GROUP)
        weight = np.tile(pairs(blocks) if bits == 4 else blocks, (repeats, 1, 1))
        zero = np.tile(pairs(zeros) if bits == 4 else zeros, (repeats, 1))
        _share_threads(ort, problem.threads)
        options = ort.SessionOptions()
        options.use_per_session_threads = False
        options.log_severity_level = 3
        parts = {"w": weight, "s": np.tile(scales, (repeats, 1)), "z": zero}
        values = [ort.OrtValue.ortvalue_from_numpy(part) for part in parts.values()]
        options.add_external_initializers(list(parts), values)
        model = _model(onnx, problem, bits)
        # rearranges the weights for its kernel: each session has bytes of its own
        self._sessions = [
            ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
            for _ in range(problem.copies(weight.nbytes))
        ]
        self._xs = [np.atleast_2d(x) for x in problem.xs]
        self._turn = 0

    def stage(self, index: int) -> None:
        self._turn = (self._turn + 1) % len(self._sessions)
        self._session = self._sessions[self._turn]
        self._feed = {"x": self._xs[index % len(self._xs)]}

    def run(self) -> None:
        (self._result,) = self._session.run(None, self._feed)

    def output(self) -> np.ndarray:
        return np.array(self._result)


def _model(onnx: Any, p: Problem, bits: int) -> bytes:
    """The model; weights are given to the session."""
    helper, kinds = onnx.helper, onnx.TensorProto
    groups = p.k // GROUP
    shapes = {
        "w": (kinds.UINT8, [p.m, groups, GROUP * bits // 8]),
        "s": (kinds.FLOAT, [p.m, groups]),
        "z": (kinds.UINT8, [p.m, groups if bits == 8 else -(-groups // 2)]),
    }
    initializers = []
    for name, (kind, shape) in shapes.items():
        tensor = kinds(name=name, data_type=kind, dims=shape)
        tensor.data_location = kinds.EXTERNAL
        tensor.external_data.add(key="location", value="given")
        initializers.append(tensor)
    node = helper.make_node(
        "MatMulNBits",
        ["x", *shapes],
        ["y"],
        domain="com.microsoft",
        K=p.k,
        N=p.m,
        bits=bits,
        block_size=GROUP,
        accuracy_level=INT8_COMPUTE,
    )
    inputs = [helper.make_tensor_value_info("x", kinds.FLOAT, [p.n, p.k])]
    outputs = [helper.make_tensor_value_info("y", kinds.FLOAT, [p.n, p.m])]
    graph = helper.make_graph([node], "product", inputs, outputs, initializers)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return bytes(made.SerializeToString())
