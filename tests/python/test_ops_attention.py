"""Attention by name: the written form, what is refused, and results on the CPU target."""

import numpy as np
import pytest
from typer.testing import CliRunner

import headrace as hr
from headrace import ir, ops, runs_attention
from headrace.cli.app import app
from headrace.cli.compile import default_name
from headrace.dialects import qattn
from headrace.errors import UsageError
from headrace.references.caches import KVCache, Layout
from headrace.runs import compare, inputs_for


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("decode:heads=8,kv_heads=2,dim=64,slots=100", ops.decode(8, 2, 64, 100)),
        (
            "decode:heads=8,kv_heads=2,dim=64,slots=96,window=40,softcap=30.0,scale=0.5,cache=i8,"
            "layout=paged,page=16,splits=3",
            ops.decode(
                8,
                2,
                64,
                96,
                cache="i8",
                layout="paged",
                page=16,
                window=40,
                softcap=30.0,
                scale=0.5,
                splits=3,
            ),
        ),
        ("prefill:heads=4,kv_heads=2,dim=64,n=33", ops.prefill(4, 2, 64, 33)),
        (
            "prefill:heads=4,kv_heads=2,dim=64,n=3,tokens=40,mask=bidirectional,precision=bf16",
            ops.prefill(4, 2, 64, 3, tokens=40, mask="bidirectional", precision="bf16"),
        ),
    ],
)
def test_written_form(text, spec):
    assert ops.parse(text) == spec and str(spec) == text
    assert hash(ops.parse(f" {text}, ")) == hash(spec)


def test_every_operation_is_parsed():
    assert ops.parse("quantize:k=64") == ops.quantize(64)
    with pytest.raises(UsageError, match="unknown operation 'prefil', did you mean 'prefill'"):
        ops.parse("prefil:n=1")


SMALL = "decode:heads=8,kv_heads=2,dim=64,slots=100"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("decode", "decode: missing heads, kv_heads, dim, slots in 'decode', for example heads=32"),
        ("prefill:heads=8,kv_heads=2,dim=64", "prefill: missing n in .* for example n=512"),
        (f"{SMALL},n=4", "unknown parameter of decode 'n'"),
        (f"{SMALL},cache=f8", "unknown cache of decode 'f8', did you mean 'i8'; allowed: f32, "),
        (f"{SMALL},layout=ringg", "unknown layout of decode 'ringg', did you mean 'ring'"),
        (f"{SMALL},page=10", "expected page with layout=paged and only there, but got layout=con"),
        (f"{SMALL},layout=paged", "expected page with layout=paged .* got layout=paged, page=None"),
        (f"{SMALL},layout=paged,page=16", "expected slots to be a multiple of page=16, but got sl"),
        (f"{SMALL},window=0", "decode: expected window to be a positive integer, but got 0"),
        (f"{SMALL},splits=x", "decode: expected splits to be an integer, but got 'x'"),
        (f"{SMALL},softcap=nan", "decode: expected softcap to be a positive f32, but got nan"),
        (f"{SMALL},scale=1e39", r"decode: expected scale to be a positive f32, but got 1e\+39"),
        (f"{SMALL},scale=", "decode: expected scale to be a number, but got ''"),
        ("decode:heads=7,kv_heads=2,dim=1,slots=1", "heads to be a multiple of kv_heads=2, but go"),
        ("prefill:heads=1,kv_heads=1,dim=1,n=1,mask=all", "unknown mask of prefill 'all'; allowed"),
        ("prefill:heads=1,kv_heads=1,dim=1,n=1,precision=i4", "precision of prefill 'i4', did you"),
        ("prefill:heads=1,kv_heads=1,dim=1,n=1,tokens=0", "expected tokens to be a positive integ"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        ops.parse(text)


def test_kinds_of_values_are_checked():
    with pytest.raises(UsageError, match="expected dim to be a positive integer, but got 64.0"):
        ops.decode(8, 2, 64.0, 100)
    with pytest.raises(UsageError, match="expected softcap to be a positive f32, but got True"):
        ops.prefill(8, 2, 64, 10, softcap=True)


def test_the_type_of_a_cache_is_that_of_the_builders_and_of_the_reference():
    spec = ops.decode(4, 2, 8, 32, cache="fp8_e4m3", layout="paged", page=16)
    with ir.Context():
        built = qattn.kv_cache(32, 2, 8, "fp8_e4m3", layout="paged", page=16)
        assert built == ir.Type.parse(spec.cache_type)
    assert runs_attention.cache_of(spec) == KVCache(Layout("paged", 32, 16), 2, 8, "fp8_e4m3")
    assert runs_attention.cache_of(spec).type == spec.cache_type


SPECS = [
    ops.decode(8, 2, 64, 100),
    ops.decode(4, 2, 40, 33, cache="bf16", layout="ring", softcap=30.0),
    ops.decode(8, 2, 64, 96, cache="i8", layout="paged", page=16, window=40, splits=3),
    ops.decode(3, 3, 16, 20, cache="fp8_e4m3", scale=0.5),
    ops.prefill(4, 2, 64, 33),
    ops.prefill(4, 2, 32, 9, tokens=40, window=12, precision="bf16"),
    ops.prefill(2, 1, 64, 20, mask="bidirectional", precision="i8", softcap=20.0),
]


@pytest.mark.parametrize("spec", SPECS, ids=str)
def test_results(spec):
    assert spec.build().operation.verify()
    artifact = hr.compile(spec)
    assert artifact.manifest["source"] == str(spec)
    inputs = inputs_for(artifact, 3)
    (row,) = compare(artifact, inputs, [artifact(*inputs)])
    assert row["ok"] and row["error"] < 2e-3, row
    wrong = artifact(*inputs)
    wrong.reshape(-1)[0] += 1
    (row,) = compare(artifact, inputs, [wrong])
    assert not row["ok"]


def test_a_shorter_length_and_an_offset_are_seen():
    """Decoding the last query of a prefill is the same; so is a prefill in two parts."""
    rng = np.random.default_rng(4)
    q, k, v = (rng.standard_normal((9, heads, 16), dtype=np.float32) for heads in (4, 2, 2))
    whole = hr.compile(ops.prefill(4, 2, 16, 9))(q, k, v)
    rest = hr.compile(ops.prefill(4, 2, 16, 5, tokens=9))
    np.testing.assert_allclose(
        rest(q[4:], k, v, np.array([4], np.int32)), whole[4:], rtol=1e-5, atol=1e-6
    )
    decode = ops.decode(4, 2, 16, 12, cache="f32")
    cache = runs_attention.cache_of(decode)
    data = cache.append(np.zeros(cache.storage_bytes, np.uint8), k, v, 0)
    last = hr.compile(decode)(q[6], data.view(np.int8), np.array([7], np.int32))
    np.testing.assert_allclose(last, whole[6], rtol=1e-5, atol=1e-6)


def test_command_line(tmp_path):
    text = "decode:heads=2,kv_heads=1,dim=8,slots=16,cache=f32"
    assert default_name(text) == "decode-heads2-kv_heads1-dim8-slots16-cachef32.hr"
    result = CliRunner().invoke(app, ["run", text, "--repeat", "1"])
    assert result.exit_code == 0, result.output
    assert "ok, against float64, cache by ml_dtypes" in result.output
    wrong = tmp_path / "cache.npy"
    np.save(wrong, np.zeros(3, np.int8))
    small = CliRunner().invoke(app, ["run", text, "-i", str(wrong)])
    assert small.exit_code != 0
