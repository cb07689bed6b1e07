"""IREE's own compilation of the same product: the baseline a user gets without Headrace.

The weights are integers in groups of 32 with a float scale (and minimum) per group; one generic
dequantizes them, one multiplies with float32 activations and sums. At `--iree-opt-level=O3` IREE
fuses the two and vectorizes; below that level it is not a fair baseline. It runs on `local-task`,
which takes every CPU, or on `local-sync` when one thread is asked for.
"""

from __future__ import annotations

import functools
import os
from typing import Any

import numpy as np

from headrace.bench import weights
from headrace.bench.peers.base import Problem, ProductPeer, Unavailable

GROUP = 32
# our format -> bits and whether the groups have a minimum besides the scale
EQUIVALENTS = {
    "q4_0": (4, False),
    "q4_1": (4, True),
    "q4_k": (4, True),
    "q4nx": (4, True),
    "int4:g32": (4, False),
    "q8_0": (8, False),
    "int8:g32": (8, False),
}
FLAGS = ("--iree-opt-level=O3", "--iree-llvmcpu-target-cpu=host")

_TEMPLATE = """
#block = affine_map<(n, g, k) -> (n, g, k)>
#group = affine_map<(n, g, k) -> (n, g)>
#vector = affine_map<(n, g, k) -> (g, k)>
#row = affine_map<(n, g, k) -> (n)>
func.func @matvec(%w: {weight}, {scale_args}, %x: tensor<{k}xf32>) -> tensor<{m}xf32> {{
  %zero = arith.constant 0.0 : f32
  %middle = arith.constant {middle} : i32
  %xg = tensor.expand_shape %x [[0, 1]] output_shape [{groups}, {group}]
      : tensor<{k}xf32> into tensor<{groups}x{group}xf32>
  %space = tensor.empty() : {values}
  %d = linalg.generic {{indexing_maps = [#block, {scale_maps}, #block],
                        iterator_types = ["parallel", "parallel", "parallel"]}}
      ins(%w, {scale_names} : {weight}, {scale_types}) outs(%space : {values}) {{
  ^bb0(%q: i{bits}, {scale_elements}, %old: f32):
    %wide = arith.extui %q : i{bits} to i32
    %i = arith.subi %wide, %middle : i32
    %f = arith.sitofp %i : i32 to f32
    %p = arith.mulf %f, %s0 : f32
    {minimum}
    linalg.yield %v : f32
  }} -> {values}
  %out = tensor.empty() : tensor<{m}xf32>
  %init = linalg.fill ins(%zero : f32) outs(%out : tensor<{m}xf32>) -> tensor<{m}xf32>
  %y = linalg.generic {{indexing_maps = [#block, #vector, #row],
                        iterator_types = ["parallel", "reduction", "reduction"]}}
      ins(%d, %xg : {values}, tensor<{groups}x{group}xf32>) outs(%init : tensor<{m}xf32>) {{
  ^bb0(%a: f32, %b: f32, %old: f32):
    %p = arith.mulf %a, %b : f32
    %t = arith.addf %p, %old : f32
    linalg.yield %t : f32
  }} -> tensor<{m}xf32>
  return %y : tensor<{m}xf32>
}}
"""


def source(m: int, k: int, bits: int, minimum: bool) -> str:
    """The module's text. Weights are unsigned; without a minimum their middle is subtracted."""
    groups, count = k // GROUP, 2 if minimum else 1
    scale = f"tensor<{m}x{groups}xf32>"
    last = "%v = arith.subf %p, %s1 : f32" if minimum else "%v = arith.addf %p, %zero : f32"
    return _TEMPLATE.format(
        m=m,
        k=k,
        bits=bits,
        group=GROUP,
        groups=groups,
        weight=f"tensor<{m}x{groups}x{GROUP}xi{bits}>",
        values=f"tensor<{m}x{groups}x{GROUP}xf32>",
        middle=0 if minimum else 1 << (bits - 1),
        minimum=last,
        scale_args=", ".join(f"%scale{i}: {scale}" for i in range(count)),
        scale_maps=", ".join(["#group"] * count),
        scale_names=", ".join(f"%scale{i}" for i in range(count)),
        scale_types=", ".join([scale] * count),
        scale_elements=", ".join(f"%s{i}: f32" for i in range(count)),
    )


def requantize(
    band: np.ndarray, bits: int, minimum: bool
) -> tuple[np.ndarray, list[np.ndarray], np.ndarray]:
    """Codes uint8 [rows, k], scales float32 [rows, k / 32] and the values they stand for."""
    groups = band.reshape(len(band), -1, GROUP)
    top = (1 << bits) - 1
    if minimum:
        low = groups.min(2)
        scale = np.maximum(groups.max(2) - low, 1e-12) / top
        codes = np.clip(np.rint((groups - low[..., None]) / scale[..., None]), 0, top)
        values = codes * scale[..., None] + low[..., None]
        scales = [scale, -low]
    else:
        middle = 1 << (bits - 1)
        scale = np.maximum(np.abs(groups).max(2), 1e-12) / (middle - 1)
        codes = np.clip(np.rint(groups / scale[..., None]) + middle, 0, top)
        values = (codes - middle) * scale[..., None]
        scales = [scale]
    return (
        codes.astype(np.uint8).reshape(band.shape),
        [np.ascontiguousarray(s, dtype=np.float32) for s in scales],
        values.astype(np.float32).reshape(band.shape),
    )


@functools.lru_cache(maxsize=32)
def _compiled(text: str) -> bytes:
    try:
        import iree.compiler as compiler
    except ImportError:
        raise Unavailable("iree-base-compiler is not installed") from None
    result = compiler.compile_str(text, target_backends=["llvm-cpu"], extra_args=list(FLAGS))
    assert isinstance(result, bytes)
    return result


def _driver(threads: int) -> str:
    cpus = len(os.sched_getaffinity(0))
    if threads == cpus:
        return "local-task"
    if threads == 1:
        return "local-sync"
    raise Unavailable(f"IREE runs on one thread or on all {cpus} CPUs, not on {threads} threads")


class Iree(ProductPeer):
    """Dequantize and dot as two linalg generics, compiled by IREE."""

    name = "iree"
    bound = 1e-5

    def __init__(self, problem: Problem) -> None:
        if problem.format not in EQUIVALENTS or problem.k % GROUP:
            raise Unavailable("no equivalent of this format is written in linalg")
        if problem.n != 1:
            raise Unavailable("written for products of one token only")
        self._problem = problem
        driver = _driver(problem.threads)
        bits, minimum = EQUIVALENTS[problem.format]
        self.note = (
            f"{FLAGS[0]}, {driver}, linalg i{bits} in groups of {GROUP} with float32 "
            f"scale{' and minimum' if minimum else ''}, float32 activations"
        )
        image = _compiled(source(problem.m, problem.k, bits, minimum))
        try:
            import iree.runtime as runtime
        except ImportError:
            raise Unavailable("iree-base-runtime is not installed") from None
        self._runtime = runtime
        self._config = runtime.Config(driver)
        context = runtime.SystemContext(config=self._config)
        module = runtime.VmModule.copy_buffer(context.instance, image)
        context.add_vm_module(module)
        self._function = context.modules[module.name].matvec
        codes, scales, self._band = requantize(problem.weights.band, bits, minimum)
        self._upload(codes, scales, bits)
        self._xs = [runtime.asdevicearray(self._config.device, x) for x in problem.xs]
        self._turn = 0

    def _upload(self, codes: np.ndarray, scales: list[np.ndarray], bits: int) -> None:
        p, element = self._problem, self._runtime.HalElementType
        packed = codes[:, 0::2] | (codes[:, 1::2] << 4) if bits == 4 else codes
        shape = (p.m, p.k // GROUP, GROUP)
        repeats = p.m // len(codes)
        weight_bytes = packed.nbytes * repeats
        kind = element.INT_4 if bits == 4 else element.INT_8
        self._weights = []
        self._kept: list[Any] = []
        for _ in range(p.copies(weight_bytes)):
            codes_view = self._view(packed, weight_bytes, shape, kind)
            scale_views = [
                self._view(scale, scale.nbytes * repeats, shape[:2], element.FLOAT_32)
                for scale in scales
            ]
            self._weights.append([codes_view, *scale_views])

    def _view(self, band: np.ndarray, nbytes: int, shape: tuple[int, ...], kind: Any) -> Any:
        """A device array over our own huge-page memory, filled with the repeated band."""
        rt = self._runtime
        memory = weights.fill(band, nbytes)
        buffer = self._config.device.allocator.import_host_allocation(
            memory,
            memory_type=rt.MemoryType.HOST_LOCAL | rt.MemoryType.DEVICE_VISIBLE,
            allowed_usage=rt.BufferUsage.DEFAULT | rt.BufferUsage.MAPPING,
        )
        # the view alone does not keep the imported memory alive
        self._kept.append((memory, buffer))
        return rt.DeviceArray(self._config.device, rt.HalBufferView(buffer, shape, kind))

    def stage(self, index: int) -> None:
        self._turn = (self._turn + 1) % len(self._weights)
        self._arguments = [*self._weights[self._turn], self._xs[index % len(self._xs)]]

    def run(self) -> None:
        self._result = self._function(*self._arguments).to_host()

    def output(self) -> np.ndarray:
        return np.array(self._result, dtype=np.float32)
