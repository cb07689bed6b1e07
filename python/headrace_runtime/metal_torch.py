"""Metal kernels through torch.mps, on tensors where they lie."""

from __future__ import annotations

import itertools
import platform
from collections.abc import Iterable, Sequence
from typing import Any

from .arrays import NUMPY_NAMES, check_contents
from .errors import ArgumentError, ArtifactError, MachineError
from .manifest import Argument
from .metal_backends import Bytes, Launch, MetalKernel

# So that no view of a tensor at an offset is empty.
_SPARE = 16


class TorchBackend:
    """Memory is tensors of bytes; kernels are called with views of them.

    torch compiles with safe mathematics unless PYTORCH_MPS_FAST_MATH is set; the source asks for it
    again where the language has a way to.
    """

    name = "torch"

    def __init__(self, source: str, kernels: Iterable[MetalKernel]) -> None:
        import torch

        self._torch: Any = torch
        if not torch.backends.mps.is_available():
            raise MachineError("torch finds no MPS device on this machine")
        if not hasattr(torch.mps, "compile_shader"):
            raise MachineError(
                f"torch {torch.__version__} has no torch.mps.compile_shader; expected 2.6 or newer"
            )
        try:
            library = torch.mps.compile_shader(source)
            self._kernels = {kernel.name: getattr(library, kernel.name) for kernel in kernels}
        except (RuntimeError, SyntaxError) as error:
            raise ArtifactError(f"Metal's compiler refuses the kernels: {error}") from error
        name = getattr(torch.backends.mps, "get_name", platform.processor)
        self.device = str(name())

    def allocate(self, size: int) -> Any:
        return self._torch.empty(size + _SPARE, dtype=self._torch.uint8, device="mps")

    def write(self, memory: Any, data: Bytes) -> None:
        data = data if data.flags.writeable else data.copy()
        memory[: data.size].copy_(self._torch.from_numpy(data))

    def read(self, memory: Any, size: int) -> Bytes:
        found: Bytes = memory[:size].cpu().numpy()
        return found

    def run(self, launches: Sequence[Launch]) -> None:
        for launch in launches:
            self._launch(launch)
        self._torch.mps.synchronize()

    def time(self, launches: Sequence[Launch]) -> list[float]:
        # Launches are queued back to back, or each would wait for the CPU.
        event = self._torch.mps.Event
        marks = [event(enable_timing=True) for _ in range(len(launches) + 1)]
        marks[0].record()
        for launch, mark in zip(launches, marks[1:], strict=True):
            self._launch(launch)
            mark.record()
        self._torch.mps.synchronize()
        return [start.elapsed_time(end) * 1e-3 for start, end in itertools.pairwise(marks)]

    def _launch(self, launch: Launch) -> None:
        pairs = zip(launch.memories, launch.offsets, strict=True)
        arguments: list[Any] = [memory[offset:] for memory, offset in pairs]
        if launch.constants:
            arguments.append(list(launch.constants))
        self._kernels[launch.kernel.name](
            *arguments,
            threads=list(launch.all_threads),
            group_size=list(launch.kernel.threads),
            **({"arg_casts": "int32"} if launch.constants else {}),
        )

    def adopt(self, argument: Argument, value: Any) -> Any | None:
        torch = self._torch
        if not isinstance(value, torch.Tensor) or value.device.type != "mps":
            return None
        dtype = str(value.dtype).removeprefix("torch.")
        check_contents(argument, dtype, tuple(value.shape), value.is_contiguous())
        if argument.updated is not None and not value.is_contiguous():
            raise ArgumentError("expected a contiguous tensor, as the program updates it")
        return value.detach().contiguous().view(torch.uint8).reshape(-1)

    def result(self, argument: Argument, memory: Any) -> Any:
        kind = getattr(self._torch, NUMPY_NAMES[argument.dtype])
        return memory[: argument.bytes].view(kind).reshape(argument.shape)


METAL = TorchBackend
