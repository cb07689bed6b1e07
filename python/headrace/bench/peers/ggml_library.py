"""ggml, llama.cpp's kernel library, through its C API (built by benchmarks/install_peers.sh)."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path
from typing import Any

import numpy as np

from headrace.bench import memory
from headrace.bench.peers.base import Unavailable

ENVIRONMENT = "HEADRACE_PEERS"
# our names -> ggml_type
TYPES = {
    "f32": 0,
    "f16": 1,
    "q4_0": 2,
    "q4_1": 3,
    "q5_0": 6,
    "q5_1": 7,
    "q8_0": 8,
    "q4_k": 12,
    "q5_k": 13,
    "q6_k": 14,
    "bf16": 30,
}
# the build for this machine, and the one for AVX2
NATIVE, AVX2 = "ggml-cpu", "ggml-cpu-avx2"
ALIGNMENT = 64

_P = ctypes.c_void_p
_I, _L, _F, _S = ctypes.c_int, ctypes.c_int64, ctypes.c_float, ctypes.c_size_t
_SIGNATURES = {
    "ggml_log_set": (None, [_P, _P]),
    "ggml_init": (_P, None),  # takes a structure, see _InitParams
    "ggml_free": (None, [_P]),
    "ggml_new_tensor_4d": (_P, [_P, _I, _L, _L, _L, _L]),
    "ggml_permute": (_P, [_P, _P, _I, _I, _I, _I]),
    "ggml_view_4d": (_P, [_P, _P, _L, _L, _L, _L, _S, _S, _S, _S]),
    "ggml_mul_mat": (_P, [_P, _P, _P]),
    "ggml_flash_attn_ext": (_P, [_P, _P, _P, _P, _P, _F, _F, _F]),
    "ggml_new_graph_custom": (_P, [_P, _S, ctypes.c_bool]),
    "ggml_build_forward_expand": (None, [_P, _P]),
    "ggml_nbytes": (_S, [_P]),
    "ggml_backend_buft_name": (ctypes.c_char_p, [_P]),
    "ggml_backend_buft_alloc_buffer": (_P, [_P, _S]),
    "ggml_backend_buft_get_alloc_size": (_S, [_P, _P]),
    "ggml_backend_buffer_get_base": (_P, [_P]),
    "ggml_backend_buffer_free": (None, [_P]),
    "ggml_backend_cpu_buffer_from_ptr": (_P, [_P, _S]),
    "ggml_backend_tensor_alloc": (_I, [_P, _P, _P]),
    "ggml_backend_tensor_set": (None, [_P, _P, _S, _S]),
    "ggml_backend_reg_dev_get": (_P, [_P, _S]),
    "ggml_backend_reg_get_proc_address": (_P, [_P, ctypes.c_char_p]),
    "ggml_backend_dev_supports_op": (ctypes.c_bool, [_P, _P]),
    "ggml_backend_graph_compute": (_I, [_P, _P]),
    "ggml_backend_free": (None, [_P]),
    "ggml_backend_cpu_init": (_P, []),
    "ggml_backend_cpu_set_n_threads": (None, [_P, _I]),
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


def roots() -> list[Path]:
    """Folders that peers may be installed in: $HEADRACE_PEERS, then those of a source tree."""
    given = [Path(os.environ[ENVIRONMENT])] if os.environ.get(ENVIRONMENT) else []
    here = Path(__file__).resolve()
    return given + [parent / "benchmarks" / "peers" for parent in [Path.cwd(), *here.parents]]


def library_folder() -> Path | None:
    """Folder of ggml's shared libraries, None where they are not installed."""
    for root in roots():
        folder = root / "llama.cpp" / "lib"
        if (folder / "libggml-cpu.so").exists():
            return folder
    return None


@functools.cache
def library(build: str = NATIVE) -> dict[str, Any]:
    """ggml's functions by name. Raises `Unavailable` if it is not installed or lacks one."""
    folder = library_folder()
    if folder is None or not (folder / f"lib{build}.so").exists():
        raise Unavailable("not installed; `make bench-peers` builds it")
    loaded = [ctypes.CDLL(str(folder / f"lib{name}.so")) for name in ("ggml-base", build)]
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


def buffer_types(g: dict[str, Any]) -> dict[str, int]:
    """Buffer types of the CPU device by name: the plain one and ggml's own extras."""
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


class Graphs:
    """A CPU backend with its threads, tensors in memory of ours, and graphs of one operation."""

    def __init__(self, build: str, threads: int) -> None:
        g = self.g = library(build)
        self._buffers: list[int] = []
        self._kept: list[np.ndarray] = []
        self._backend = g["ggml_backend_cpu_init"]()
        g["ggml_backend_cpu_set_n_threads"](self._backend, threads)
        self.context = g["ggml_init"](_InitParams(16 << 20, None, True))

    def tensor(self, kind: str, *sizes: int) -> int:
        """A tensor without memory; the innermost size first."""
        padded = [*sizes, *[1] * (4 - len(sizes))]
        return int(self.g["ggml_new_tensor_4d"](self.context, TYPES[kind], *padded))

    def swapped(self, tensor: int) -> int:
        """A view of [d, heads, tokens] as [d, tokens, heads]; the tensor must have memory."""
        return int(self.g["ggml_permute"](self.context, tensor, 0, 2, 1, 3))

    def leading(self, tensor: int, size: int, heads: int, tokens: int, row: int) -> int:
        """A view of the first `size` of each `row` bytes of a tensor [.., heads, tokens]."""
        sizes, strides = (size, heads, tokens, 1), (row, row * heads, row * heads * tokens)
        return int(self.g["ggml_view_4d"](self.context, tensor, *sizes, *strides, 0))

    def place(self, tensor: int, data: np.ndarray | None = None) -> np.ndarray:
        """Gives the tensor this memory, or new memory; returns it."""
        if data is None:
            size = self.g["ggml_nbytes"](tensor)
            data = memory.allocate(-(-size // ALIGNMENT) * ALIGNMENT)
        buffer = self.g["ggml_backend_cpu_buffer_from_ptr"](data.ctypes.data, data.nbytes)
        self._buffers.append(buffer)
        self._kept.append(data)
        self.g["ggml_backend_tensor_alloc"](buffer, tensor, data.ctypes.data)
        return data

    def place_in(self, buffer_type: int, tensor: int) -> None:
        """Gives the tensor memory of a buffer type."""
        size = self.g["ggml_backend_buft_get_alloc_size"](buffer_type, tensor)
        size = max(size, self.g["ggml_nbytes"](tensor))
        buffer = self.g["ggml_backend_buft_alloc_buffer"](buffer_type, size)
        if not buffer:
            raise Unavailable(f"ggml could not allocate {size} bytes")
        self._buffers.append(buffer)
        base = self.g["ggml_backend_buffer_get_base"](buffer)
        memory.advise_huge(base, size)
        self.g["ggml_backend_tensor_alloc"](buffer, tensor, base)

    def supports(self, result: int) -> bool:
        """Whether the CPU device computes this tensor from where its operands are."""
        device = self.g["ggml_backend_reg_dev_get"](self.g["ggml_backend_cpu_reg"](), 0)
        return bool(self.g["ggml_backend_dev_supports_op"](device, result))

    def set(self, tensor: int, data: np.ndarray) -> None:
        """Copies data into a tensor's memory."""
        self.g["ggml_backend_tensor_set"](tensor, data.ctypes.data, 0, data.nbytes)

    def graph(self, result: int) -> int:
        """A graph that computes this tensor."""
        graph = int(self.g["ggml_new_graph_custom"](self.context, 8, False))
        self.g["ggml_build_forward_expand"](graph, result)
        return graph

    def compute(self, graph: int) -> None:
        """Runs a graph."""
        status = self.g["ggml_backend_graph_compute"](self._backend, graph)
        if status != 0:
            raise RuntimeError(f"ggml's graph compute returned status {status}")

    def close(self) -> None:
        """Frees buffers, tensors and the backend."""
        for buffer in self._buffers:
            self.g["ggml_backend_buffer_free"](buffer)
        self._buffers = []
        if self.context:
            self.g["ggml_free"](self.context)
            self.g["ggml_backend_free"](self._backend)
            self.context = None
