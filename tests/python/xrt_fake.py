"""A stand-in for `pyxrt`: calls are checked against what its stub and sources (src/python/pybind11
of XRT) say, and a kernel runs its design in the simulator of the array.

The device sees memory only as the last `sync` left it. The file of an xclbin is the design's text
here, as the stand-in for aiecc in these tests makes it.
"""

from __future__ import annotations

import enum
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

from headrace.targets.aie.simulate import CORES, load_design


class State(enum.IntEnum):
    ERT_CMD_STATE_COMPLETED = 4
    ERT_CMD_STATE_ERROR = 5
    ERT_CMD_STATE_TIMEOUT = 8


class Direction(enum.IntEnum):
    XCL_BO_SYNC_BO_TO_DEVICE = 0
    XCL_BO_SYNC_BO_FROM_DEVICE = 1


class Info(enum.IntEnum):
    # `name` of a member of a Python enumeration is something else.
    bdf = 0
    name_of_device = 7


class Flags(enum.IntEnum):
    cacheable = 1
    host_only = 2


class Machine:
    """What a test sets: the device, and what goes wrong."""

    def __init__(self) -> None:
        self.name = "NPU Strix"
        self.devices = 1
        self.arguments = 8
        self.kernel = "MLIR_AIE"
        self.state = State.ERT_CMD_STATE_COMPLETED
        self.damage: Any = None  # called with the number of the run and the results
        self.runs = 0
        self.flags: list[Flags] = []


def _is(value: Any, kind: type) -> Any:
    """pybind11 takes no NumPy scalar for an int, and no Path for a str."""
    if type(value) is not kind:
        raise TypeError(f"incompatible function arguments: {value!r} is no {kind.__name__}")
    return value


def module(machine: Machine) -> types.ModuleType:
    class device:
        def __init__(self, index: int) -> None:
            if _is(index, int) >= machine.devices:
                raise RuntimeError(f"No such device with index '{index}'")
            self.registered: list[Any] = []

        def get_info(self, key: Any) -> str:
            assert _is(key, Info) is Info.name_of_device
            return machine.name

        def register_xclbin(self, file: Any) -> str:
            self.registered.append(_is(file, xclbin).get_uuid())
            return str(file.get_uuid())

    class xclbin:
        def __init__(self, filename: str) -> None:
            self.path = Path(_is(filename, str))
            self.text = self.path.read_text()

        def get_uuid(self) -> str:
            return f"uuid of {self.path}"

        def get_kernels(self) -> list[Any]:
            described: Any = types.SimpleNamespace()
            described.get_name = lambda: machine.kernel
            described.get_num_args = lambda: machine.arguments
            return [described] if machine.kernel else []

    class hw_context:
        def __init__(self, where: Any, uuid: str) -> None:
            if uuid not in _is(where, device).registered:
                raise RuntimeError("xclbin is not registered")
            self.path = Path(uuid.removeprefix("uuid of "))

    class bo:
        cacheable = Flags.cacheable
        host_only = Flags.host_only

        def __init__(self, where: Any, size: int, flags: Flags, group: int) -> None:
            _is(where, device)
            assert _is(size, int) > 0 and type(flags) is Flags
            machine.flags.append(flags)
            self.group = _is(group, int)
            # Neither side's memory is empty.
            self.host = np.full(size, 0xA5, np.uint8)
            self.device = np.full(size, 0x5A, np.uint8)

        def size(self) -> int:
            return int(self.host.size)

        def write(self, data: Any, seek: int) -> None:
            view = memoryview(data).cast("B")
            if _is(seek, int) + view.nbytes > self.host.size:
                raise RuntimeError("attempting to write past buffer size")
            self.host[seek : seek + view.nbytes] = view

        def read(self, size: int, skip: int) -> Any:
            if _is(skip, int) + _is(size, int) > self.host.size:
                raise RuntimeError("attempting to read past buffer size")
            return self.host[skip : skip + size].view(np.int8).copy()

        def sync(self, direction: Direction) -> None:
            if _is(direction, Direction) is Direction.XCL_BO_SYNC_BO_TO_DEVICE:
                self.device[:] = self.host
            else:
                self.host[:] = self.device

    class run:
        def wait(self, timeout_ms: int) -> State:
            assert _is(timeout_ms, int) > 0
            return machine.state

    class kernel:
        def __init__(self, context: Any, name: str) -> None:
            assert _is(name, str) == machine.kernel
            folder = _is(context, hw_context).path.parent
            self.instructions = (folder / "insts.bin").read_bytes()
            cores = (folder.parent / CORES).read_text()
            text = context.path.read_text()
            self.design = load_design(text, cores, "npu1" if "(npu1)" in text else "npu2")

        def group_id(self, index: int) -> int:
            return 100 + _is(index, int)

        def __call__(self, *arguments: Any) -> Any:
            # What cannot be an argument of a kernel is ignored by pyxrt, and the kernel hangs.
            operation, instructions, size, *memories = arguments
            assert _is(operation, int) == 3 and _is(size, int) == len(self.instructions)
            assert _is(instructions, bo).device[:size].tobytes() == self.instructions
            assert instructions.group == 101
            for index, (memory, least) in enumerate(
                zip(memories, self.design.arguments, strict=True)
            ):
                assert _is(memory, bo).group == 103 + index and memory.device.size >= least
            machine.runs += 1
            if machine.state is State.ERT_CMD_STATE_COMPLETED:
                self.design.run([memory.device for memory in memories])
                if machine.damage is not None:
                    machine.damage(machine.runs, memories[-1].device)
            return run()

    found: Any = types.ModuleType("pyxrt")
    found.device, found.xclbin, found.hw_context = device, xclbin, hw_context
    found.bo, found.kernel, found.run = bo, kernel, run
    found.ert_cmd_state, found.xclBOSyncDirection = State, Direction
    found.xrt_info_device = types.SimpleNamespace(name=Info.name_of_device, bdf=Info.bdf)
    found.__spec__ = types.SimpleNamespace()
    return found


def install(monkeypatch: Any) -> Machine:
    """This machine has an NPU."""
    machine = Machine()
    monkeypatch.setitem(sys.modules, "pyxrt", module(machine))
    return machine
