"""The NPU of a Ryzen AI, through XRT's Python package `pyxrt`.

What is called, and with what, is as XRT's sources have it (src/python/pybind11): an xclbin is
registered with the device and gets a context, its kernel takes an operation code, the instructions
of the runtime sequence with their size, then the memory of each of the sequence's arguments.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ArtifactError, MachineError

__all__ = ["INSTRUCTIONS", "XCLBIN", "Npu", "check_built", "device_of"]

U8 = npt.NDArray[np.uint8]

# What build.sh of an artifact makes.
XCLBIN, INSTRUCTIONS = "build/aie.xclbin", "build/insts.bin"
# What a device calls itself, by the array that it has.
_NAMES = {
    "npu1": ("npu1", "Phoenix", "Hawk Point"),
    "npu2": ("npu2", "npu4", "npu5", "npu6", "Strix", "Krackan", "Gorgon"),
}
_KERNEL = "MLIR_AIE"
# The kernel's first argument: run the instructions that come next.
_RUN_INSTRUCTIONS = 3
# Of the kernel: operation code, instructions, their size.
_BEFORE_MEMORY = 3


def device_of(name: str) -> str | None:
    """The array of a device that calls itself so; None for an unknown one."""
    lower = name.lower()
    for device, names in _NAMES.items():
        if any(known.lower() in lower for known in names):
            return device
    return None


def check_built(folder: Path) -> None:
    """MachineError unless build.sh has run in an artifact."""
    for name in (XCLBIN, INSTRUCTIONS):
        path = folder / name
        if not path.is_file():
            raise MachineError(
                f"artifact {folder} is not built for its device: {name} is missing; run "
                f"{folder / 'build.sh'}, which says what it needs"
            )
    size = (folder / INSTRUCTIONS).stat().st_size
    if size == 0 or size % 4:
        raise ArtifactError(
            f"artifact {folder}: expected words of 4 bytes in {INSTRUCTIONS}, but got {size} "
            "bytes; run build.sh again"
        )


class Npu:
    """A device with the design of one artifact on it.

    device: what the artifact is for (`npu2`). arguments: how many the runtime sequence has.
    Raises MachineError where there is no such device. The design must be built.
    """

    def __init__(self, folder: Path, device: str, arguments: int) -> None:
        self._xrt = _module()
        self._device = self._call("open the device", self._open)
        self.name: str = self._call(
            "ask for its name", self._device.get_info, self._xrt.xrt_info_device.name
        )
        found = device_of(self.name)
        if found != device:
            raise MachineError(
                f"artifact {folder} is for the array {device}, but device '{self.name}' has "
                f"{found or 'none that is known'}; compile it again with --target aie:"
                f"{found or 'DEVICE'}"
            )
        self._kernel = self._call("load the design", self._load, folder / XCLBIN, arguments)
        words = np.fromfile(folder / INSTRUCTIONS, np.uint8)
        self._instructions = self._call(
            "allocate instructions", self._allocate, words.size, self._xrt.bo.cacheable, 1
        )
        self._size = int(words.size)
        self.write(self._instructions, words)

    def allocate(self, index: int, size: int) -> Any:
        """Memory for that argument of the runtime sequence."""
        return self._call(
            f"allocate {size} bytes",
            self._allocate,
            size,
            self._xrt.bo.host_only,
            _BEFORE_MEMORY + index,
        )

    def write(self, memory: Any, data: U8) -> None:
        """Fill memory, and let the device see it."""
        if memory.size() < data.nbytes:
            raise MachineError(f"expected memory of {data.nbytes} bytes, but got {memory.size()}")
        self._call("write memory", memory.write, np.ascontiguousarray(data), 0)
        directions = self._xrt.xclBOSyncDirection
        self._call("write memory", memory.sync, directions.XCL_BO_SYNC_BO_TO_DEVICE)

    def read(self, memory: Any, size: int) -> U8:
        """What the device has put there."""
        directions = self._xrt.xclBOSyncDirection
        self._call("read memory", memory.sync, directions.XCL_BO_SYNC_BO_FROM_DEVICE)
        data = np.asarray(self._call("read memory", memory.read, size, 0))
        return data.view(np.uint8).reshape(-1)

    def run(self, memories: Sequence[Any], timeout_ms: int) -> None:
        """The runtime sequence, once."""

        def start_and_wait() -> Any:
            run = self._kernel(_RUN_INSTRUCTIONS, self._instructions, self._size, *memories)
            return run.wait(timeout_ms)

        state = self._call("run the design", start_and_wait)
        if state != self._xrt.ert_cmd_state.ERT_CMD_STATE_COMPLETED:
            name = getattr(state, "name", str(state))
            raise MachineError(
                f"the design did not end on '{self.name}': {name} (of {timeout_ms} ms at most)"
            )

    def _call(self, what: str, function: Any, *arguments: Any) -> Any:
        """XRT throws RuntimeError, whatever it is."""
        try:
            return function(*arguments)
        except (RuntimeError, IndexError, TypeError) as error:
            raise MachineError(f"XRT cannot {what}: {error}") from error

    def _open(self) -> Any:
        return self._xrt.device(0)

    def _load(self, path: Path, arguments: int) -> Any:
        xclbin = self._xrt.xclbin(str(path))
        kernels = [k for k in xclbin.get_kernels() if k.get_name().startswith(_KERNEL)]
        if not kernels:
            raise MachineError(f"{path} has no kernel '{_KERNEL}'; run build.sh again")
        # XRT itself does not survive an argument that a kernel does not have.
        having = kernels[0].get_num_args() - _BEFORE_MEMORY
        if having < arguments:
            raise MachineError(
                f"expected a kernel in {path} that takes {arguments} memories, but got one with "
                f"{having}; run build.sh again"
            )
        self._device.register_xclbin(xclbin)
        # The context must live as long as the kernel does.
        self._context = self._xrt.hw_context(self._device, xclbin.get_uuid())
        return self._xrt.kernel(self._context, kernels[0].get_name())

    def _allocate(self, size: int, flags: Any, argument: int) -> Any:
        return self._xrt.bo(self._device, size, flags, self._kernel.group_id(argument))


def _module() -> Any:
    try:
        return importlib.import_module("pyxrt")
    except ImportError as error:
        raise MachineError(
            "running it needs XRT's Python package pyxrt, which comes with XRT and its driver for "
            f"NPUs (amd/xdna-driver); source setup.sh of that installation first ({error})"
        ) from error
