"""llama.cpp's kernels, called through ggml's C API (built by benchmarks/install_peers.sh).

One graph per weight copy, each a single `mul_mat`; ggml quantizes the activations to 8 bits inside
the call, as ours does. `llama.cpp` keeps the weights as they are in a GGUF file;
`llama.cpp.repack` and `llama.cpp.amx` let ggml rearrange them into its faster buffers.
"""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from headrace.bench import memory
from headrace.bench.peers.base import Contender, Problem, Unavailable

ENVIRONMENT = "HEADRACE_PEERS"
# our format -> ggml_type
TYPES = {"q4_0": 2, "q5_0": 6, "q8_0": 8, "q4_k": 12, "q6_k": 14}
F32 = 0
BUFFERS = {"llama.cpp": "CPU", "llama.cpp.repack": "CPU_REPACK", "llama.cpp.amx": "AMX"}
ALIGNMENT = 64

_P = ctypes.c_void_p
_SIGNATURES = {
    "ggml_log_set": (None, [_P, _P]),
    "ggml_init": (_P, None),  # takes a structure, see _InitParams
    "ggml_free": (None, [_P]),
    "ggml_new_tensor_2d": (_P, [_P, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]),
    "ggml_mul_mat": (_P, [_P, _P, _P]),
    "ggml_new_graph_custom": (_P, [_P, ctypes.c_size_t, ctypes.c_bool]),
    "ggml_build_forward_expand": (None, [_P, _P]),
    "ggml_nbytes": (ctypes.c_size_t, [_P]),
    "ggml_backend_buft_name": (ctypes.c_char_p, [_P]),
    "ggml_backend_buft_alloc_buffer": (_P, [_P, ctypes.c_size_t]),
    "ggml_backend_buft_get_alloc_size": (ctypes.c_size_t, [_P, _P]),
    "ggml_backend_buffer_get_base": (_P, [_P]),
    "ggml_backend_buffer_free": (None, [_P]),
    "ggml_backend_cpu_buffer_from_ptr": (_P, [_P, ctypes.c_size_t]),
    "ggml_backend_tensor_alloc": (ctypes.c_int, [_P, _P, _P]),
    "ggml_backend_tensor_set": (None, [_P, _P, ctypes.c_size_t, ctypes.c_size_t]),
    "ggml_backend_reg_dev_get": (_P, [_P, ctypes.c_size_t]),
    "ggml_backend_reg_get_proc_address": (_P, [_P, ctypes.c_char_p]),
    "ggml_backend_dev_supports_op": (ctypes.c_bool, [_P, _P]),
    "ggml_backend_graph_compute": (ctypes.c_int, [_P, _P]),
    "ggml_backend_free": (None, [_P]),
    "ggml_backend_cpu_init": (_P, []),
    "ggml_backend_cpu_set_n_threads": (None, [_P, ctypes.c_int]),
    "ggml_backend_cpu_reg": (_P, []),
    "ggml_backend_cpu_buffer_type": (_P, []),
}


# it reports every repacked tensor on stderr
_QUIET = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, _P)(lambda *_: None)


class _InitParams(ctypes.Structure):
    _fields_ = (
        ("mem_size", ctypes.c_size_t),
        ("mem_buffer", ctypes.c_void_p),
        ("no_alloc", ctypes.c_bool),
    )


def library_folder() -> Path | None:
    """Folder of ggml's shared libraries: $HEADRACE_PEERS, or benchmarks/peers of a source tree."""
    roots = [Path(os.environ[ENVIRONMENT])] if os.environ.get(ENVIRONMENT) else []
    here = Path(__file__).resolve()
    roots += [parent / "benchmarks" / "peers" for parent in [Path.cwd(), *here.parents]]
    for root in roots:
        folder = root / "llama.cpp" / "lib"
        if (folder / "libggml-cpu.so").exists():
            return folder
    return None


@functools.cache
def library() -> dict[str, Any]:
    """ggml's functions by name. Raises `Unavailable` if it is not installed or lacks one."""
    folder = library_folder()
    if folder is None:
        raise Unavailable("not installed; `make bench-peers` builds it")
    loaded = [ctypes.CDLL(str(folder / f"lib{name}.so")) for name in ("ggml-base", "ggml-cpu")]
    functions = {}
    for name, (result, arguments) in _SIGNATURES.items():
        for shared in loaded:
            if hasattr(shared, name):
                function = getattr(shared, name)
                function.restype = result
                function.argtypes = [_InitParams] if arguments is None else arguments
                functions[name] = function
                break
        else:
            raise Unavailable(f"the installed ggml does not export '{name}'")
    functions["ggml_log_set"](ctypes.cast(_QUIET, _P), None)
    return functions


def _buffer_types() -> dict[str, int]:
    """Buffer types of the CPU device by name: the plain one and ggml's own extras."""
    g = library()
    plain = g["ggml_backend_cpu_buffer_type"]()
    found = {g["ggml_backend_buft_name"](plain).decode(): plain}
    registry = g["ggml_backend_cpu_reg"]()
    address = g["ggml_backend_reg_get_proc_address"](registry, b"ggml_backend_dev_get_extra_bufts")
    if address:
        extras = ctypes.CFUNCTYPE(ctypes.POINTER(_P), _P)(address)
        pointer = extras(g["ggml_backend_reg_dev_get"](registry, 0))
        index = 0
        while pointer and pointer[index]:
            found[g["ggml_backend_buft_name"](pointer[index]).decode()] = pointer[index]
            index += 1
    return found


class Ggml(Contender):
    """`mul_mat` of ggml on one of its CPU buffer types."""

    bound = 1.2e-2

    def __init__(self, name: str, problem: Problem) -> None:
        if problem.format not in TYPES:
            raise Unavailable("llama.cpp does not have this format")
        g = self._g = library()
        types = _buffer_types()
        if BUFFERS[name] not in types:
            raise Unavailable(
                f"this ggml has no {BUFFERS[name]} buffer on this machine; it has: "
                + ", ".join(types)
            )
        self.name = name
        self.note = f"8-bit activations, quantized inside the call; {BUFFERS[name]} buffer"
        self._problem = problem
        self._buffers: list[int] = []
        self._kept: list[np.ndarray] = []
        self._backend = g["ggml_backend_cpu_init"]()
        g["ggml_backend_cpu_set_n_threads"](self._backend, problem.threads)
        self._context = g["ggml_init"](_InitParams(16 << 20, None, True))
        try:
            self._prepare(types[BUFFERS[name]])
        except BaseException:
            self.close()
            raise

    def _prepare(self, buffer_type: int) -> None:
        g, p = self._g, self._problem
        plain = BUFFERS[self.name] == "CPU"
        self._x = g["ggml_new_tensor_2d"](self._context, F32, p.k, 1)
        self._place(self._x, 4 * p.k)
        count = len(p.weights.copies) if plain else p.copies(p.weights.nbytes)
        self._graphs, self._outputs = [], []
        for index in range(count):
            weight = g["ggml_new_tensor_2d"](self._context, TYPES[p.format], p.k, p.m)
            stored = p.weights.copies[index % len(p.weights.copies)]
            if g["ggml_nbytes"](weight) != stored.nbytes:
                raise Unavailable(
                    f"ggml stores {p.format} in {g['ggml_nbytes'](weight)} bytes, "
                    f"ours are {stored.nbytes}"
                )
            if plain:  # the very buffers our kernel reads
                self._place_at(weight, stored)
            else:
                self._place_repacked(weight, stored, buffer_type)
            result = g["ggml_mul_mat"](self._context, weight, self._x)
            if not plain and index == 0:
                self._check_support(result)
            if not plain:
                g["ggml_backend_tensor_set"](weight, stored.ctypes.data, 0, stored.nbytes)
            self._outputs.append(self._place(result, 4 * p.m))
            graph = g["ggml_new_graph_custom"](self._context, 8, False)
            g["ggml_build_forward_expand"](graph, result)
            self._graphs.append(graph)
        self._count, self._turn, self._current = count, 0, 0

    def _check_support(self, result: int) -> None:
        device = self._g["ggml_backend_reg_dev_get"](self._g["ggml_backend_cpu_reg"](), 0)
        if not self._g["ggml_backend_dev_supports_op"](device, result):
            raise Unavailable(f"its {BUFFERS[self.name]} buffer does not take this format here")

    def _place(self, tensor: int, nbytes: int) -> np.ndarray:
        return self._place_at(tensor, memory.allocate(-(-nbytes // ALIGNMENT) * ALIGNMENT))

    def _place_at(self, tensor: int, data: np.ndarray) -> np.ndarray:
        buffer = self._g["ggml_backend_cpu_buffer_from_ptr"](data.ctypes.data, data.nbytes)
        self._buffers.append(buffer)
        self._kept.append(data)
        self._g["ggml_backend_tensor_alloc"](buffer, tensor, data.ctypes.data)
        return data

    def _place_repacked(self, tensor: int, stored: np.ndarray, buffer_type: int) -> None:
        g = self._g
        size = g["ggml_backend_buft_get_alloc_size"](buffer_type, tensor)
        buffer = g["ggml_backend_buft_alloc_buffer"](buffer_type, max(size, stored.nbytes))
        if not buffer:
            raise Unavailable(f"ggml could not allocate a {BUFFERS[self.name]} buffer")
        self._buffers.append(buffer)
        base = g["ggml_backend_buffer_get_base"](buffer)
        memory.advise_huge(base, size)
        g["ggml_backend_tensor_alloc"](buffer, tensor, base)

    def stage(self, index: int) -> None:
        p = self._problem
        x = p.xs[index % len(p.xs)]
        self._g["ggml_backend_tensor_set"](self._x, x.ctypes.data, 0, x.nbytes)
        if BUFFERS[self.name] == "CPU":
            self._current = p.weights.take()
        else:
            self._current = self._turn = (self._turn + 1) % self._count

    def run(self) -> None:
        status = self._g["ggml_backend_graph_compute"](self._backend, self._graphs[self._current])
        if status != 0:
            raise RuntimeError(f"{self.name}: ggml's graph compute returned status {status}")

    def output(self) -> np.ndarray:
        return self._outputs[self._current][: 4 * self._problem.m].view(np.float32).copy()

    def reference(self, x: np.ndarray) -> np.ndarray:
        return self._problem.weights.reference(x)

    def close(self) -> None:
        for buffer in self._buffers:
            self._g["ggml_backend_buffer_free"](buffer)
        self._buffers = []
        if self._context:
            self._g["ggml_free"](self._context)
            self._g["ggml_backend_free"](self._backend)
            self._context = None
