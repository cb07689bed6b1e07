"""What a wheel must be able to do alone; run by test_wheels.sh in a clean environment.

usage: wheel_check.py compile FOLDER    compile, run and save a q4_0 matvec (compiler's wheel)
       wheel_check.py run FOLDER        load and run it (runtime's wheel, no compiler installed)
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np

ROWS, COLUMNS, BLOCK = 64, 256, 32
BOUND = 1e-5  # relative L2, f32 activations


def weights(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A random q4_0 matrix: its bytes, and its values in float64 by the format's definition.

    A block is an f16 scale d and 16 bytes; byte j holds values j (low nibble) and j + 16, and a
    nibble q stands for d (q - 8).
    """
    random = np.random.default_rng(seed)
    blocks = ROWS * COLUMNS // BLOCK
    scale = random.uniform(0.01, 0.1, blocks).astype(np.float16)
    nibbles = random.integers(0, 256, (blocks, 16), dtype=np.uint8)
    packed = np.concatenate([scale.view(np.uint8).reshape(blocks, 2), nibbles], axis=1)
    q = np.concatenate([nibbles & 15, nibbles >> 4], axis=1).astype(np.float64) - 8
    return packed.reshape(-1), (q * scale.astype(np.float64)[:, None]).reshape(ROWS, COLUMNS)


def check(artifact, seed: int) -> None:
    """Run the artifact on fresh data and compare with float64."""
    packed, values = weights(seed)
    x = np.random.default_rng(seed + 1).standard_normal(COLUMNS).astype(np.float32)
    expected = values @ x.astype(np.float64)
    error = np.linalg.norm(artifact(x, packed) - expected) / np.linalg.norm(expected)
    if not error < BOUND:
        raise SystemExit(f"error: relative error {error:.2e}, bound {BOUND:.0e}")
    print(f"matvec {ROWS}x{COLUMNS} q4_0: relative error {error:.1e} (bound {BOUND:.0e})")


def quantizers() -> None:
    """The wheel brought the native quantizers, and they run."""
    from headrace.formats import native

    values = np.random.default_rng(4).standard_normal((ROWS, COLUMNS)).astype(np.float32)
    packed = [
        native.encode_blocks("q4_k", values, instruction_set=name).tobytes()
        for name in native.instruction_sets()
    ]
    if len(packed[0]) != ROWS * 144 or len(set(packed)) != 1:
        raise SystemExit(f"error: q4_k has {len(packed[0])} bytes, of {len(set(packed))} kinds")
    print(f"q4_k: the same bytes by {', '.join(native.instruction_sets())}")


def simulator() -> None:
    """The wheel brought the simulator of Metal; it runs where a clang is."""
    from headrace.errors import ToolMissingError
    from headrace.sim import msl

    source = "kernel void k(device int* a, uint i [[thread_position_in_grid]]) { a[i] = i; }"
    numbers = np.zeros(64, np.int32)
    try:
        library = msl.build(source)
    except ToolMissingError as missing:
        print(missing)
        return
    library.launch("k", buffers=[numbers], grid=(2, 1, 1), threads=(32, 1, 1))
    if list(numbers) != list(range(64)):
        raise SystemExit("error: the simulator gives wrong numbers")
    print("MSL: ran in the simulator")


def no_system_llvm() -> None:
    """The wheel brought its own LLVM: none of the system's is mapped."""
    files = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()}
    foreign = [name for name in files if "libMLIR.so" in name or "libLLVM" in name]
    if foreign:
        raise SystemExit(f"error: the wheel uses {', '.join(foreign)}")


def main(arguments: list[str]) -> int:
    if len(arguments) != 2 or arguments[0] not in ("compile", "run"):
        print(__doc__, file=sys.stderr)
        return 2
    command, folder = arguments
    if command == "compile":
        import headrace

        source = f"matvec:m={ROWS},k={COLUMNS},format=q4_0"
        artifact = headrace.compile(source, target="cpu")
        check(artifact, 1)
        artifact.save(folder)
        check(headrace.load(folder), 2)
        quantizers()
        simulator()
        no_system_llvm()
    else:
        if importlib.util.find_spec("headrace") is not None:
            raise SystemExit("error: the compiler is installed beside the runtime")
        import headrace_runtime

        check(headrace_runtime.load(folder), 3)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
