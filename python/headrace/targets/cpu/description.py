"""Which CPU to compile for, and what follows from it: dot products, vectors, requirements."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from headrace.errors import UsageError, nearest
from headrace.native import native

__all__ = ["CpuDescription", "describe"]

# LLVM's name of a feature that code generation uses by itself -> its name in /proc/cpuinfo.
# An artifact requires those of its CPU.
_PROC_NAMES: Mapping[str, Mapping[str, str]] = {
    "x86_64": {
        "sse3": "pni",
        "ssse3": "ssse3",
        "sse4.1": "sse4_1",
        "sse4.2": "sse4_2",
        "popcnt": "popcnt",
        "movbe": "movbe",
        "avx": "avx",
        "avx2": "avx2",
        "fma": "fma",
        "f16c": "f16c",
        "bmi": "bmi1",
        "bmi2": "bmi2",
        "lzcnt": "abm",
        "gfni": "gfni",
        "avxvnni": "avx_vnni",
        "avx512f": "avx512f",
        "avx512cd": "avx512cd",
        "avx512bw": "avx512bw",
        "avx512dq": "avx512dq",
        "avx512vl": "avx512vl",
        "avx512ifma": "avx512ifma",
        "avx512vbmi": "avx512vbmi",
        "avx512vbmi2": "avx512_vbmi2",
        "avx512vnni": "avx512_vnni",
        "avx512bitalg": "avx512_bitalg",
        "avx512vpopcntdq": "avx512_vpopcntdq",
        "avx512bf16": "avx512_bf16",
        "avx512fp16": "avx512_fp16",
    },
    "aarch64": {
        "neon": "asimd",
        "fullfp16": "asimdhp",
        "dotprod": "asimddp",
        "i8mm": "i8mm",
        "bf16": "bf16",
        "lse": "atomics",
        "rdm": "asimdrdm",
        "rcpc": "lrcpc",
        "complxnum": "fcma",
        "sve": "sve",
        "sve2": "sve2",
    },
}
# Without these, f16 scales and fused multiply-adds would be calls to a library.
_NEEDED: Mapping[str, frozenset[str]] = {
    "x86_64": frozenset({"avx", "f16c", "fma"}),
    "aarch64": frozenset({"neon"}),
}
# Also used by code generation, but not worth a requirement: turned off everywhere.
_NEVER = frozenset(
    [
        *("avx10.1", "avx10.2", "avxifma", "avxneconvert", "avxvnniint16", "avxvnniint8"),
        *("ccmp", "cf", "egpr", "ndd", "nf", "ppx", "push2pop2", "zu"),  # APX
        *("fma4", "sse4a", "tbm", "xop"),
        *("cssc", "lse128", "mops", "sha3", "sme"),
        *("f64mm", "sve-aes", "sve-bitperm", "sve-sha3", "sve-sm4", "sve2p1"),
    ]
)
_VNNI = frozenset({"avx512f", "avx512bw", "avx512vl", "avx512vnni"})
_BF16 = frozenset({"avx512f", "avx512vl", "avx512bf16"})
_EXAMPLES = ("x86-64-v3", "sapphirerapids", "znver5", "neoverse-n1", "neoverse-v2")
# What a CPU is looked for by name in, behind the machine that compiles.
_TRIPLES = ("x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu")


@dataclass(frozen=True)
class CpuDescription:
    """A CPU as the passes and the code generator see it.

    name: LLVM's name of the CPU.
    triple: LLVM target triple.
    features: LLVM's names of the features that kernels may use, sorted.
    disabled: those that the CPU's name may imply and kernels must not use.
    dot: `"vnni"` for 8-bit dot instructions (AVX-512 VNNI), `"avx2"` for products of bytes added in
        pairs, `"i8mm"`, `"dotprod"` and `"neon"` for those of AArch64, `"portable"` for plain
        vector code.
    bf16: `"avx512"` or `"neon"` for dot products of bf16 (AVX-512 BF16, AArch64's FEAT_BF16),
        `"portable"` for products as f32.
    fast_bf16: whether those take less time than as many products as f32; Intel's CPUs take twice
        the time.
    gfni: whether bytes are multiplied by matrices of bits, 64 at a time.
    lookup: `"avx512"`, `"avx2"` or `"neon"` for shuffles of 64, 32 or 16 bytes, `"portable"` for
        vector code of 16 bytes.
    vector_bits: width of the widest vector register that kernels use.
    poison_scratch: kernels fill their scratch memory with NaN before they use it, for tests.
    """

    name: str
    triple: str
    features: tuple[str, ...]
    disabled: tuple[str, ...]
    dot: str
    bf16: str
    fast_bf16: bool
    gfni: bool
    lookup: str
    vector_bits: int
    poison_scratch: bool = False

    @property
    def machine(self) -> str:
        """`x86_64` or `aarch64`, as `uname -m` says it."""
        return _machine(self.triple)

    @property
    def feature_string(self) -> str:
        """For LLVM: features on and off beside the CPU's name."""
        on = [f"+{name}" for name in self.features]
        return ",".join([*on, *(f"-{name}" for name in self.disabled)])

    @property
    def required_features(self) -> list[str]:
        """What a machine must have to run the kernels, in the names of /proc/cpuinfo."""
        names = _PROC_NAMES[self.machine]
        return [names[feature] for feature in self.features if feature in names]

    def to_json(self) -> dict[str, Any]:
        """The `description` of a manifest."""
        return {
            "cpu": self.name,
            "triple": self.triple,
            "dot": self.dot,
            "bf16": self.bf16,
            "fast_bf16": self.fast_bf16,
            "gfni": self.gfni,
            "lookup": self.lookup,
            "vector_bits": self.vector_bits,
            "features": list(self.features),
            **({"poison_scratch": True} if self.poison_scratch else {}),
        }


def describe(option: str | None) -> CpuDescription:
    """The host (None), or a CPU by LLVM's name for it (`znver5`, `x86-64-v3`).

    Raises `UsageError` for a name that LLVM does not know, with the nearest one, and for a CPU
    that is too old.
    """
    library = native()
    host, host_features, triple = library.host_cpu()
    if option is None:
        return describe_features(host, triple, host_features)
    triples = [triple, *(other for other in _TRIPLES if _machine(other) != _machine(triple))]
    known: list[str] = []
    for candidate in triples:
        names = library.cpu_names(candidate)
        if option in names:
            features = library.cpu_features(candidate, option)
            return describe_features(option, candidate, features)
        known += names
    close = nearest(option, known)
    hint = f", did you mean '{close}'" if close else ""
    raise UsageError(
        f"target cpu: unknown cpu '{option}' of {' or '.join(map(_machine, triples))}{hint}; "
        f"allowed: the names that LLVM knows, for example {', '.join(_EXAMPLES)}; 'cpu' alone is "
        f"this machine ({host})"
    )


def describe_features(name: str, triple: str, features: Mapping[str, bool]) -> CpuDescription:
    """The description of a CPU with these features (LLVM name -> present).

    Raises `UsageError` for a machine or a CPU that kernels cannot be made for.
    """
    machine = _machine(triple)
    if machine not in _PROC_NAMES:
        raise UsageError(
            f"target cpu: expected machine {' or '.join(_PROC_NAMES)}, but got '{machine}'"
        )
    present = {feature for feature, on in features.items() if on}
    if lacking := sorted(_NEEDED[machine] - present):
        raise UsageError(
            f"target cpu: kernels need {', '.join(lacking)}, which '{name}' does not have; "
            "allowed: x86-64-v3 and later, any aarch64"
        )
    used = present & _PROC_NAMES[machine].keys()
    return CpuDescription(
        name=name,
        triple=triple,
        features=tuple(sorted(used)),
        disabled=tuple(sorted((_PROC_NAMES[machine].keys() - used) | (present & _NEVER))),
        dot=_dot(used),
        bf16="avx512" if used >= _BF16 else "neon" if "bf16" in used else "portable",
        fast_bf16="bf16" in used or (used >= _BF16 and name.startswith("znver")),
        gfni="gfni" in used and _vector_bits(used) == 512,
        lookup=_lookup(used),
        vector_bits=_vector_bits(used),
    )


def _machine(triple: str) -> str:
    return triple.partition("-")[0]


def _dot(features: Set[str]) -> str:
    if features >= _VNNI:
        return "vnni"
    return next(
        (name for name in ("avx2", "i8mm", "dotprod", "neon") if name in features), "portable"
    )


def _lookup(features: Set[str]) -> str:
    if "neon" in features:
        return "neon"
    return {512: "avx512", 256: "avx2"}.get(_vector_bits(features), "portable")


def _vector_bits(features: Set[str]) -> int:
    if {"avx512f", "avx512bw", "avx512dq", "avx512vl"} <= features:
        return 512
    return 256 if "avx2" in features else 128
