"""Rows of every suite on tiny shapes: kernels and peers compute what they are timed on."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest

from headrace.bench import lookup, products, runner, suite
from headrace.bench.attending import Decode, Prefill
from headrace.bench.compile_times import LAYERS, model_text
from headrace.bench.latents import Latents
from headrace.bench.lookup import Lookup
from headrace.bench.measure import Effort
from headrace.bench.peers import ATTENTION, Attention, Unavailable, ggml_library, select
from headrace.bench.products import Product
from headrace.bench.session import Buffers, Item, Setting
from headrace.bench.sparsity import THRESHOLD, Sparse
from headrace.bench.weights import relative_error
from headrace.errors import CompileError
from headrace.formats import codebook
from headrace.modules import load_module

ITEMS: list[Item] = [
    Decode("f16", 64, False, 4, 2, 32),
    Decode("i8", 64, True, 4, 2, 32),
    Latents("bf16", 48, False, 4, 64, 32),
    Latents("fp8_e4m3", 48, True, 4, 64, 32),
    Prefill(40, 4, 2, 32),
    Prefill(40, 4, 2, 32, "bf16"),
    Prefill(40, 4, 2, 32, "i8"),
    Lookup(512, 64),
    Sparse(256, 512, "q4_k", "f32", 50),
    Sparse(256, 512, "q4_k", "bf16", 65),
    Product(256, 512, "q4_k", "i8", 12),
    Product(256, 512, "q4_k", "i8", layout="strips16"),
    Product(256, 512, "q4_0", "i8", target="cpu:x86-64-v3"),
]


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item.label)
def test_our_kernels_are_right(item: Item) -> None:
    """A kernel that does not exist is said to be missing; one that does is right."""
    report = runner.run_suite(
        items=[item], peers=[], effort=Effort(2, 2), rotation=1 << 18, threads=1
    )
    (row,) = report.rows
    if not row["measured"]:
        assert "is not claimed by target cpu" in row["reason"]
        assert report.exit_code == 0
        return
    assert row["ok"], row
    assert row["error"] <= row["bound"]
    assert row["floor_us"] > 0
    json.dumps(row, allow_nan=False)


def test_what_does_not_exist_and_what_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = Product(256, 512, "q4_k", "i8", layout="strips17")
    unclaimed = Product(256, 512, "nvfp4", "i8")
    report = runner.run_suite(
        items=[unknown, unclaimed], peers=[], effort=Effort(2, 2), rotation=1 << 18
    )
    assert [row["measured"] for row in report.rows] == [False, False]
    assert "strips17" in report.rows[0]["reason"]
    assert "format nvfp4 and activations i8 is not claimed" in report.rows[1]["reason"]
    assert report.exit_code == 0

    def fail(*_: object) -> None:
        raise CompileError("pass 'x' failed: something\nreproduce with: y")

    monkeypatch.setattr(products, "compiled", fail)
    report = runner.run_suite(
        items=[Product(256, 512, "q4_k", "i8")], peers=[], effort=Effort(2, 2), rotation=1 << 18
    )
    assert report.exit_code == 1
    assert report.problems == [
        "failed: matvec:m=256,k=512,format=q4_k,activations=i8 256x512: pass 'x' failed: something"
    ]


SHAPES = {
    "decode": (1, 96, 8, 2, 64, 64),
    "prefill": (48, 48, 8, 2, 64, 64),
    "latents": (1, 96, 4, 1, 96, 64),
}


@pytest.mark.parametrize(("peer", "shape"), list(itertools.product(ATTENTION, SHAPES)))
def test_peers_attend(peer: str, shape: str) -> None:
    if peer.startswith("llama.cpp") and ggml_library.library_folder() is None:
        pytest.skip("llama.cpp is an optional peer: make bench-peers")
    rng = np.random.default_rng(3)
    length, tokens, heads, groups, dim, values = SHAPES[shape]
    queries = [rng.standard_normal((length, heads, dim), dtype=np.float32) for _ in range(2)]
    k = rng.standard_normal((tokens, groups, dim), dtype=np.float32)
    shared = shape == "latents"
    v = k[..., :values] if shared else rng.standard_normal(k.shape, dtype=np.float32)
    problem = Attention(queries, k, v, float(dim**-0.5), True, shared, 1, 0)
    contender = ATTENTION[peer](problem)
    try:
        for index in range(4):
            contender.stage(index)
            contender.run()
            error = relative_error(contender.output(), contender.reference(index % 2))
            assert error <= contender.bound <= 4e-2
    finally:
        contender.close()


def test_a_causal_reference_sees_nothing_behind_its_query() -> None:
    rng = np.random.default_rng(4)
    q, k, v = rng.standard_normal((3, 20, 2, 8)).astype(np.float32)
    problem = Attention([q], k, v, 1.0, True, False, 1, 0)
    assert problem.pairs() == 20 * 21 // 2
    assert (problem.sampled[0], problem.sampled[-1]) == (0, 19)
    np.testing.assert_allclose(problem.reference(0)[0], v[0], rtol=1e-6)
    all_seen = Attention([q], k, v, 1.0, False, False, 1, 0)
    assert all_seen.pairs() == 20 * 20


def test_sparse_activations_have_exactly_the_asked_share() -> None:
    item = Sparse(256, 1000, "q4_k", "f32", 65)
    x = item.draw(np.random.default_rng(0))
    assert (np.abs(x) > THRESHOLD).sum() == item.live == 350
    assert (x != 0).all()


def test_lookups_add_up_entries_of_tables() -> None:
    item = Lookup(700, 6)
    rng = np.random.default_rng(5)
    parts = lookup.draw(item, rng)
    x = rng.standard_normal(item.k).astype(np.float32)
    y = lookup.product(item, parts, x)
    row = 600
    want = 0.0
    for piece in range(3):
        distances = np.abs(x[2 * piece : 2 * piece + 2] - parts.activation_centroids[piece]).max(1)
        code = parts.tables[1, piece, distances.argmin(), parts.indices[1, piece, row - 512]]
        want += parts.scale * code + parts.offset
    assert y[row] == pytest.approx(want)
    packed = codebook.pack(codebook.shape_of(item.format), parts)
    assert item.from_memory < packed.size


def test_buffers_come_back_only_after_all_others() -> None:
    buffers = Buffers.of(np.arange(100, dtype=np.uint8), 350)
    assert [buffers.next() for _ in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]
    assert all((copy == np.arange(100)).all() for copy in buffers.copies)


def test_peers_of_attention_are_chosen_by_name() -> None:
    assert select(None, ATTENTION) == list(ATTENTION)
    assert select(["torch"], ATTENTION) == ["torch.sdpa.bf16", "torch.sdpa.f32"]
    assert select(["iree"], ATTENTION) == []


def test_a_peer_that_cannot_is_missing_with_its_reason() -> None:
    rng = np.random.default_rng(6)
    q, k = rng.standard_normal((2, 1, 2, 40)).astype(np.float32)
    problem = Attention([q], k, k, 1.0, True, False, 1, 0)
    with pytest.raises(Unavailable, match=r"q8_0 has blocks of 32 values|not installed"):
        ATTENTION["llama.cpp.q8_0"](problem)


def test_the_model_that_is_compiled_has_all_its_kernels() -> None:
    text = model_text()
    load_module(text.encode())
    assert text.count("qattn.decode ") == LAYERS
    assert text.count("qlinear.gated_matvec") == LAYERS


@pytest.mark.parametrize("name", suite.SUITES)
def test_every_row_of_a_suite_has_a_name_of_its_own(name: str) -> None:
    items = suite.SUITES[name]
    assert len({item.label for item in items}) == len(items)
    setting = Setting("cpu", 1, 1, 0, None)
    assert all(type(item) in runner.OPENERS for item in items)
    assert setting.rng(1).integers(1 << 30) == setting.rng(1).integers(1 << 30)
