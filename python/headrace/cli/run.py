"""`headrace run`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headrace.cli.common import (
    JsonOption,
    TargetOption,
    console,
    print_json,
    source_of,
    working,
)

if TYPE_CHECKING:
    import numpy.typing as npt

    from headrace_runtime import Artifact

__all__ = ["command"]


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="An operation, an .mlir file, or an artifact folder.",
            show_default=False,
        ),
    ],
    target: TargetOption = "cpu",
    input: Annotated[
        list[Path] | None,
        typer.Option(
            "--input",
            "-i",
            help="A .npy file for each input in order, or one .npz with their names. "
            "[default: random]",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write the results here (.npz).")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draws random inputs.", min=0)] = 0,
    threads: Annotated[int | None, typer.Option(help="[default: all CPUs]", min=1)] = None,
    repeat: Annotated[int, typer.Option(help="How often to time it.", min=1)] = 10,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate", help="Run the target's kernels in its simulator, where it has one."
        ),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Run an operation or an artifact, and compare the result with the reference."""
    from headrace.runs import compare, inputs_for, load_inputs, summary, write_results

    with working(f"compiling {source}"):
        artifact = _artifact(source, target)
    given = load_inputs(artifact, input) if input else inputs_for(artifact, seed)
    if simulate:
        results, best = _simulated(artifact, given), None
    else:
        call = _bind(artifact, source, target, given, threads)
        call.run()
        results = [_copy(value) for value in call.outputs]
        best = _best_time(call, repeat)
    outputs = [a for a in artifact.arguments if a.role == "output"]
    if output is not None:
        write_results(output, {a.name: r for a, r in zip(outputs, results, strict=True)})
    comparison = compare(artifact, given, results)
    facts: dict[str, Any] = {
        "operation": artifact.manifest.get("source"),
        "target": artifact.target,
        "description": artifact.manifest.get("description"),
        "simulated": simulate,
        "best_us": None if best is None else round(best * 1e6, 3),
        "repeat": repeat,
        "outputs": [summary(a.name, r) for a, r in zip(outputs, results, strict=True)],
        "comparisons": comparison,
    }
    if json:
        print_json(facts)
    else:
        _print(facts)
    if any(not item["ok"] for item in comparison):
        raise typer.Exit(1)


def _artifact(source: str, target: str) -> Artifact:
    from headrace.artifact import load
    from headrace.compiler import compile

    if Path(source).is_dir() or source.endswith(".hr"):
        return load(source)
    artifact: Artifact = compile(source_of(source), target=target)
    return artifact


def _bind(
    artifact: Artifact, source: str, target: str, inputs: Sequence[Any], threads: int | None
) -> Any:
    """The call. Where this machine runs no such artifact, the error says how to have one that
    stays, as this one goes with the command."""
    from headrace import targets
    from headrace.errors import MachineError

    try:
        return artifact.bind(*inputs, threads=threads)
    except MachineError as error:
        if targets.find(artifact.target).simulate is None or Path(source).is_dir():
            raise
        raise MachineError(
            f"run: this machine runs nothing for {target}; `headrace run {source} --target "
            f"{target} --simulate` simulates it, and `headrace compile {source} --target {target} "
            "-o DIR` makes a folder for a machine that does: `headrace run DIR` says how"
        ) from error


def _simulated(artifact: Artifact, inputs: Sequence[Any]) -> list[npt.NDArray[Any]]:
    """The outputs of a run in the target's simulator."""
    from headrace import targets
    from headrace.errors import UsageError

    simulator = targets.find(artifact.target).simulate
    if simulator is None:
        having = [name for name in targets.installed() if targets.find(name).simulate is not None]
        raise UsageError(
            f"run: target {artifact.target} has no simulator; allowed with --simulate: "
            f"{', '.join(having)}"
        )
    arguments = simulator(artifact, inputs, 0).arguments
    roles = [argument.role for argument in artifact.arguments]
    return [value for value, role in zip(arguments, roles, strict=True) if role == "output"]


def _copy(value: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return value.copy()


def _best_time(call: Any, repeat: int) -> float:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        call.run()
        times.append(time.perf_counter() - start)
    return min(times)


def _print(facts: dict[str, Any]) -> None:
    screen = console()
    for item in facts["outputs"]:
        values = ", ".join(f"{value:.6g}" for value in item["head"])
        shape = "x".join(map(str, item["shape"]))
        screen.print(f"{item['name']}: {item['dtype']} [{shape}] = {values}, ...", markup=False)
    for item in facts["comparisons"]:
        verdict = "ok" if item["ok"] else "FAILED"
        screen.print(
            f"error {item['error']:.3g} (bound {item['bound']:.3g}) {verdict}, "
            f"against {item['reference']}",
            markup=False,
        )
    if not facts["comparisons"]:
        screen.print("no reference: the artifact is no single operation")
    if facts["simulated"]:
        screen.print("ran in the simulator, which has no times")
        return
    screen.print(f"best of {facts['repeat']}: {facts['best_us']:.1f} us (weights may be cached)")
