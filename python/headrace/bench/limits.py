"""The limits that the CPU target is to reach, and whether a run reached them.

A limit has cases; it is reached where all of them are. A case takes its figure from the rows of the
report: of several variants of ours (layouts, parts) the fastest counts. Times are the best of the
run, as everywhere in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headrace.bench import emulated
from headrace.bench.attending import Decode, Prefill
from headrace.bench.lookup import Lookup
from headrace.bench.products import AVX2_TARGET, STRIPPED, STRIPS, Product
from headrace.bench.session import Item
from headrace.bench.sparsity import Sparse

Row = dict[str, Any]

SUITE = "limits"
LARGE = (4096, 14336)
STORED = (
    "q4_0", "q4_1", "q5_0", "q5_k", "q8_0", "q4_k", "q6_k", "q4nx", "int4:g32", "int8:g32"
)  # fmt: skip
LLAMA = ("llama.cpp", "llama.cpp.repack", "llama.cpp.amx")
LLAMA_FLASH = ("llama.cpp.f16", "llama.cpp.q8_0")
LLAMA_AVX2 = ("llama.cpp.avx2", "llama.cpp.avx2.repack")
# a kernel that was compiled before takes at most this share of its first time
CACHED = 0.2
LEFT_OUT = "left out of this run"


class NotMeasured(Exception):
    """There is no figure; the message says why."""


@dataclass(frozen=True)
class Case:
    """One figure. `items` are the variants of ours; `figure` takes the row of the fastest."""

    name: str
    goal: float
    unit: str
    items: tuple[Item, ...] = ()
    figure: Callable[[Row], float] | None = None
    below: bool = False  # the goal is a most, not a least
    seconds: str = ""  # the compile time that is the figure
    emulated: str = ""  # the CPU whose share of correct results is the figure


@dataclass(frozen=True)
class Limit:
    """A line of the table."""

    name: str
    cases: tuple[Case, ...]


def _of(field: str) -> Callable[[Row], float]:
    return lambda row: float(row[field])


def _times(*peers: str) -> Callable[[Row], float]:
    """How many times longer the fastest of these peers takes."""

    def figure(row: Row) -> float:
        ratios = [row["ratio"][name] for name in peers if name in row["ratio"]]
        if not ratios:
            reason = row["peers_missing"].get(peers[0], "not asked for")
            raise NotMeasured(f"{peers[0]}: {reason}")
        return float(min(ratios))

    return figure


def _product(name: str, activations: str = "i8", n: int = 1) -> tuple[Item, ...]:
    layouts = ("", STRIPS) if name in (*STRIPPED, "bf16") else ("",)
    return tuple(Product(*LARGE, name, activations, n, layout) for layout in layouts)


def _matvec(name: str, goal: float, activations: str, layout: str = "") -> Case:
    items = (Product(*LARGE, name, activations, layout=layout),)
    return Case(name, goal, READ, items, _of("of_read"))


def _sparse(dead: int) -> tuple[Item, ...]:
    return tuple(Sparse(*LARGE, "q4_k", activations, dead) for activations in ("f32", "bf16"))


def _decode(dtype: str, tokens: int) -> tuple[Item, ...]:
    return tuple(Decode(dtype, tokens, split) for split in (False, True))


READ, FLOOR, PEAK = "of read", "of floor", "of peak"
_DENSE = ("dense", f"dense.{STRIPS}")
_AVX2 = {name: (Product(*LARGE, name, "i8", target=AVX2_TARGET),) for name in ("q4_k", "q4_0")}
# In f32, bf16 and 8 bits; the record says which was the fastest.
_PREFILLS = tuple(Prefill(4096, precision=name) for name in ("f32", "bf16", "i8"))
_F16, _I8 = _decode("f16", 4096), _decode("i8", 32768)

LIMITS: Sequence[Limit] = (
    Limit(
        f"matvec, {STRIPS}",
        (
            *(_matvec(name, 0.93, "i8", STRIPS) for name in STRIPPED),
            _matvec("bf16", 0.93, "bf16", STRIPS),
        ),
    ),
    Limit(
        "matvec, stored layout",
        (*(_matvec(name, 0.90, "i8") for name in STORED), _matvec("bf16", 0.90, "bf16")),
    ),
    Limit(
        "matvec against llama.cpp",
        (
            Case("q4_k, its best mode", 1.15, "x", _product("q4_k"), _times(*LLAMA)),
            Case("q4_0, its best mode", 1.15, "x", _product("q4_0"), _times(*LLAMA)),
            Case("q4_k, its plain buffer", 1.35, "x", _product("q4_k"), _times("llama.cpp")),
            Case("q4_0, its plain buffer", 1.9, "x", _product("q4_0"), _times("llama.cpp")),
        ),
    ),
    Limit(
        "column-sparse, selection included",
        (
            Case("50 % dead, own dense", 1.85, "x", _sparse(50), _times(*_DENSE)),
            Case("65 % dead, own dense", 2.7, "x", _sparse(65), _times(*_DENSE)),
            Case("50 % dead, llama.cpp's best dense", 2.0, "x", _sparse(50), _times(*LLAMA)),
        ),
    ),
    Limit(
        "tables 64x16, search included",
        (
            Case(
                "8-bit tables",
                0.75,
                FLOOR,
                (Lookup(*LARGE), Lookup(*LARGE, split=True)),
                _of("of_floor"),
            ),
        ),
    ),
    Limit(
        "prefill n=512",
        (
            Case("q4_k, llama.cpp", 1.5, "x", _product("q4_k", n=512), _times(*LLAMA)),
            Case("q8_0, llama.cpp", 5.0, "x", _product("q8_0", n=512), _times(*LLAMA)),
            Case("bf16, llama.cpp", 2.0, "x", _product("bf16", "bf16", 512), _times(*LLAMA)),
            Case("q4_k, OpenVINO", 1.7, "x", _product("q4_k", n=512), _times("openvino")),
        ),
    ),
    Limit(
        "decode attention",
        (
            Case("f16 4k", 0.80, READ, _F16, _of("of_read")),
            Case("int8 32k", 0.75, READ, _I8, _of("of_read")),
            Case("f16 4k, llama.cpp", 3.2, "x", _F16, _times(*LLAMA_FLASH)),
            Case("int8 32k, llama.cpp", 8.0, "x", _I8, _times(*LLAMA_FLASH)),
        ),
    ),
    Limit(
        "prefill attention, causal 4k",
        (
            Case("llama.cpp", 6.0, "x", _PREFILLS, _times(*LLAMA_FLASH)),
            Case("bf16 peak", 0.75, PEAK, _PREFILLS[:2], _of("of_peak")),
        ),
    ),
    Limit(
        "AVX2 against llama.cpp's AVX2 build",
        tuple(Case(name, 1.0, "x", items, _times(*LLAMA_AVX2)) for name, items in _AVX2.items()),
    ),
    Limit(
        "AArch64 under QEMU",
        tuple(Case(what, 1.0, "of all", emulated=cpu) for cpu, what in emulated.CPUS.items()),
    ),
    Limit(
        "compile",
        (
            Case("one kernel", 0.3, "s", below=True, seconds="kernel"),
            Case("one kernel, compiled before", CACHED, "of first", below=True, seconds="again"),
            Case("kernels of 26 layers", 10.0, "s", below=True, seconds="model"),
        ),
    ),
)


def items() -> list[Item]:
    """The rows that the limits need, each once."""
    every = [item for limit in LIMITS for case in limit.cases for item in case.items]
    return list({item.label: item for item in every}.values())


def evaluate(
    rows: Iterable[Row], seconds: Mapping[str, float], correct: Mapping[str, float | str]
) -> list[dict[str, Any]]:
    """A record for each case: the goal, the figure and whether it is reached.

    rows: of a report, those that have no times included
    seconds: compile times; empty where they were not measured
    correct: of `emulated.measure`; empty where nothing was checked
    """
    by_label = {row["op"]: row for row in rows}
    return [
        {"limit": limit.name, **_record(case, by_label, seconds, correct)}
        for limit in LIMITS
        for case in limit.cases
    ]


def _record(
    case: Case,
    rows: Mapping[str, Row],
    seconds: Mapping[str, float],
    correct: Mapping[str, float | str],
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "case": case.name,
        "goal": case.goal,
        "unit": case.unit,
        "at_most": case.below,
        "measured": None,
        "reached": None,
    }
    try:
        if case.seconds:
            figure = _compile_figure(case.seconds, seconds)
        elif case.emulated:
            share = correct.get(case.emulated, LEFT_OUT)
            if isinstance(share, str):
                raise NotMeasured(share)
            figure = share
        else:
            row = fastest(case.items, rows)
            assert case.figure is not None
            record |= {"row": row["op"], "ours_us": row["ours_min_us"], "peers": row["ratio"]}
            record |= {"read_gbps": row["read_gbps"], "core_latency_ns": row["core_latency_ns"]}
            if row["void"] or not row["ok"]:
                raise NotMeasured("the row is void or wrong")
            figure = case.figure(row)
    except NotMeasured as reason:
        return record | {"why": str(reason)}
    reached = figure <= case.goal if case.below else figure >= case.goal
    return record | {"measured": round(figure, 4), "reached": reached}


def _compile_figure(name: str, seconds: Mapping[str, float]) -> float:
    if name not in seconds:
        raise NotMeasured(LEFT_OUT)
    return seconds[name] / seconds["kernel"] if name == "again" else seconds[name]


def fastest(variants: Sequence[Item], rows: Mapping[str, Row]) -> Row:
    """The row of the fastest variant. Raises `NotMeasured` where none has a time."""
    asked = [rows[item.label] for item in variants if item.label in rows]
    if not asked:
        raise NotMeasured(LEFT_OUT)
    measured = [row for row in asked if row["measured"]]
    if not measured:
        raise NotMeasured(asked[0]["reason"])
    best: Row = min(measured, key=lambda row: float(row["ours_min_us"]))
    return best
