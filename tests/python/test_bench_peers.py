"""Peers compute the product they are timed on. Nothing here looks at a clock."""

from __future__ import annotations

import os

import numpy as np
import pytest

from headrace.bench import weights
from headrace.bench.peers import (
    PEERS,
    Problem,
    Unavailable,
    ggml_library,
    groups,
    installed,
    select,
)
from headrace.bench.peers.iree import requantize
from headrace.bench.weights import relative_error
from headrace.errors import UsageError

M, K = 128, 512


def problem(format_name: str, threads: int = 1, tokens: int = 1) -> Problem:
    rng = np.random.default_rng(5)
    return Problem(
        m=M,
        k=K,
        format=format_name,
        weights=weights.make(format_name, M, K, 1 << 18, rng),
        xs=[
            rng.standard_normal((tokens, K) if tokens > 1 else K, dtype=np.float32)
            for _ in range(3)
        ],
        threads=threads,
        rotation=1 << 18,
        n=tokens,
    )


def check(peer: str, format_name: str, threads: int = 1, tokens: int = 1) -> None:
    """Every staged activation gives its own product, within the peer's bound."""
    given = problem(format_name, threads, tokens)
    contender = PEERS[peer](given)
    try:
        assert contender.bound <= 2e-2
        for index in range(5):
            contender.stage(index)
            contender.run()
            which = index % len(given.xs)
            want = contender.reference(which)
            assert relative_error(contender.output(), want) <= contender.bound
            # and what it multiplies with is near the weights of the row
            near = 0.15 if contender.bound > 1.2e-2 or peer == "iree" else contender.bound
            assert relative_error(want, given.weights.reference(given.xs[which])) <= near
    finally:
        contender.close()


@pytest.mark.parametrize(
    ("peer", "format_name"),
    [
        ("iree", "q4_0"),
        ("iree", "q4_k"),
        ("iree", "q8_0"),
        ("torch.f32", "q6_k"),
        ("torch.bf16", "q5_0"),
        ("torch.int4", "q4_k"),
        ("torch.int8", "q8_0"),
        ("torch.int8", "int8:g32"),
        ("iree", "int4:g32"),
    ],
)
def test_peers_multiply(peer: str, format_name: str) -> None:
    check(peer, format_name)


@pytest.mark.parametrize("peer", ["torch.f32", "torch.bf16", "torch.int4"])
def test_peers_multiply_many_tokens(peer: str) -> None:
    check(peer, "q4_0", tokens=5)


def needs(package: str) -> None:
    try:
        installed.load(package)
    except Unavailable as reason:
        pytest.skip(f"{package} is an optional peer: {reason}")


@pytest.mark.parametrize("peer", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("format_name", ["q4_0", "q4_k", "q8_0"])
def test_peers_that_are_wheels_multiply(peer: str, format_name: str) -> None:
    needs(peer)
    check(peer, format_name)
    check(peer, format_name, tokens=5)


def test_a_wheel_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "roots", list)
    with pytest.raises(Unavailable, match="no_such_peer is not installed; `make bench-peers`"):
        installed.load("no_such_peer")


def test_codes_of_four_bits_share_bytes() -> None:
    codes = np.array([[1, 2, 3], [15, 0, 7]], np.uint8)
    np.testing.assert_array_equal(groups.pairs(codes), [[0x21, 0x03], [0x0F, 0x07]])


@pytest.mark.parametrize("bits", [4, 8])
def test_grouped_codes_stand_for_their_values(bits: int) -> None:
    band = np.random.default_rng(2).standard_normal((4, 64)).astype(np.float32)
    band[0, :32], band[1, :32] = 0.0, np.abs(band[1, :32]) + 1  # nothing, and nothing below zero
    codes, scales, zeros, values = groups.quantize(band, bits)
    assert codes.max() < 1 << bits
    rebuilt = (codes.reshape(4, 2, 32) - zeros[..., None].astype(np.float32)) * scales[..., None]
    np.testing.assert_allclose(rebuilt.reshape(4, 64), values, rtol=1e-6)
    # a zero point is rounded as well, so the ends of a range may be a step away
    assert (np.abs(values - band) <= 1.01 * np.repeat(scales, 32, axis=1)).all()


def test_iree_runs_on_one_thread_or_on_all() -> None:
    cpus = len(os.sched_getaffinity(0))
    check("iree", "q4_0", threads=cpus)
    with pytest.raises(Unavailable, match=f"all {cpus} CPUs, not on {cpus + 1} threads"):
        PEERS["iree"](problem("q4_0", threads=cpus + 1))


@pytest.mark.skipif(
    ggml_library.library_folder() is None, reason="llama.cpp is an optional peer: make bench-peers"
)
@pytest.mark.parametrize(
    ("peer", "format_name"),
    [("llama.cpp", name) for name in ggml_library.TYPES if name != "f32"]
    + [(f"llama.cpp.{name}", "q4_0") for name in ("repack", "avx2", "avx2.repack")],
)
def test_llama_cpp_multiplies(peer: str, format_name: str) -> None:
    if "avx2" in peer and not (ggml_library.library_folder() / "libggml-cpu-avx2.so").exists():
        pytest.skip("installed without its build for AVX2")
    check(peer, format_name)
    check(peer, format_name, tokens=5)


@pytest.mark.parametrize(
    ("peer", "format_name", "reason"),
    [
        ("iree", "q6_k", "no equivalent of this format is written in linalg"),
        ("llama.cpp", "q4nx", "llama.cpp does not have this format"),
        ("torch.int4", "q8_0", "the op has no equivalent of this format"),
        ("onnxruntime", "q6_k", "MatMulNBits has no equivalent of this format"),
        ("openvino", "bf16", "no equivalent of this format"),
        ("torch.int8", "q4_0", "the op has no equivalent of this format"),
    ],
)
def test_a_peer_without_the_format_says_so(peer: str, format_name: str, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason):
        PEERS[peer](problem(format_name))


def test_a_peer_that_is_not_installed_says_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ggml_library, "library_folder", lambda: None)
    ggml_library.library.cache_clear()
    try:
        with pytest.raises(Unavailable, match="not installed; `make bench-peers` builds it"):
            PEERS["llama.cpp"](problem("q4_k"))
    finally:
        ggml_library.library.cache_clear()


def test_names_of_peers() -> None:
    assert select(None, PEERS) == list(PEERS)
    assert set(PEERS) < set(select(None))
    assert select([]) == []
    assert select(["torch", "iree"], PEERS) == [
        "torch.f32",
        "torch.bf16",
        "torch.int4",
        "torch.int8",
        "iree",
    ]
    with pytest.raises(UsageError, match=r"unknown peer 'iere', did you mean 'iree'"):
        select(["iere"])


@pytest.mark.parametrize(("bits", "minimum"), [(4, True), (4, False), (8, False)])
def test_requantized_codes_stand_for_their_values(bits: int, minimum: bool) -> None:
    band = np.random.default_rng(1).standard_normal((4, 64)).astype(np.float32)
    codes, scales, values = requantize(band, bits, minimum)
    assert codes.max() < 1 << bits
    offset = -scales[1] if minimum else -float(1 << (bits - 1)) * scales[0]
    rebuilt = codes.reshape(4, 2, 32) * scales[0][..., None] + offset[..., None]
    np.testing.assert_allclose(rebuilt.reshape(4, 64), values, rtol=1e-5, atol=1e-6)
    step = np.repeat(scales[0], 32, axis=1)
    assert (np.abs(values - band) <= 0.5001 * step).all()
