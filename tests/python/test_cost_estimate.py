"""Costs of modules and artifacts: sums, loops, precisions, reports, the command line."""

import dataclasses
import json
from pathlib import Path

import pytest
from test_cost_devices import TOY

import headrace
from headrace import cost, ops
from headrace.cli import main
from headrace.cost.kernels import remodelled
from headrace.errors import UsageError
from headrace.modules import load_module
from headrace.pipeline import run_pipeline

SPEC = "matvec:m=64,k=256,format=q8_0"
W = "!qlinear.packed<64x256, #qlinear.gguf<q8_0>>"
Q = "!qlinear.packed<1x256, #qlinear.act_i8>"
WEIGHT = 64 * 8 * 34  # bytes


def body(*lines, arguments):
    text = "\n  ".join(lines)
    return f"func.func @main({arguments}) {{\n  {text}\n  return\n}}"


MATVEC = f"qlinear.matvec ins(%w, %x : {W}, tensor<256xf32>) outs(%o : tensor<64xf32>)"
ARGUMENTS = f"%w: {W}, %x: tensor<256xf32>, %o: tensor<64xf32>"


def one(text, device=TOY, **options):
    (row,) = cost.estimate(text, device, **options).rows
    return row


def test_an_operation_in_every_form(tmp_path):
    spec = ops.OpSpec.parse(SPEC)
    path = tmp_path / "x.mlir"
    path.write_text(spec.text())
    reports = [cost.estimate(source, TOY) for source in (spec, SPEC, spec.text(), path, str(path))]
    assert len({report.to_json() for report in reports}) == 1
    (row,) = reports[0].rows
    assert (row.function, row.op, row.detail) == ("main", "qlinear.matvec", "64x256 q8_0")
    assert (row.read, row.written, row.operations) == (WEIGHT + 1024, 256, 2 * 64 * 256)
    assert row.time_us == pytest.approx((WEIGHT + 1280) / 10e3)
    assert row.energy_uj == pytest.approx((20 * (WEIGHT + 1280) + 2 * row.operations) * 1e-6)
    assert row.memory_bound and row.precision == "f32" and row.count == 1


def test_the_source_is_not_changed():
    from headrace import ir

    module = ops.OpSpec.parse(SPEC).build()
    before = str(module)
    cost.estimate(module, TOY)
    assert str(module) == before
    assert isinstance(module, ir.Module)


def test_precision_is_that_of_activations():
    i8 = f"qlinear.matvec ins(%w, %x : {W}, {Q}) outs(%o : tensor<64xf32>) -> tensor<64xf32>"
    row = one(body(f"%y = {i8}", arguments=f"%w: {W}, %x: {Q}, %o: tensor<64xf32>"))
    assert row.precision == "i8"
    bf16 = f"qlinear.matvec ins(%w, %x : {W}, tensor<256xbf16>) outs(%o : tensor<64xf32>)"
    arguments = f"%w: {W}, %x: tensor<256xbf16>, %o: tensor<64xf32>"
    row = one(body(f"%y = {bf16} -> tensor<64xf32>", arguments=arguments))
    assert row.precision == "f32"  # the toy has no bf16
    wide = dataclasses.replace(TOY, peak_gops={**TOY.peak_gops, "bf16": 1.0})
    row = one(body(f"%y = {bf16} -> tensor<64xf32>", arguments=arguments), wide)
    assert row.precision == "bf16" and not row.memory_bound
    assert row.time_us == pytest.approx(row.operations * 1e-3)


def test_fp8_where_a_query_is_quantized():
    cache = "!qattn.mla_cache<64x32+16, fp8_e4m3>"
    text = body(
        f"%y, %l = qattn.mla_decode ins(%q, %r, %c, %n q_scale %s : tensor<4x32xi8>, "
        f"tensor<4x16xf32>, {cache}, tensor<1xi32> q_scale tensor<4xf32>) "
        "outs(%o, %lo : tensor<4x32xf32>, tensor<4xf32>) {scale = 1.0 : f32} "
        "-> tensor<4x32xf32>, tensor<4xf32>",
        arguments=f"%q: tensor<4x32xi8>, %r: tensor<4x16xf32>, %c: {cache}, %n: tensor<1xi32>, "
        "%s: tensor<4xf32>, %o: tensor<4x32xf32>, %lo: tensor<4xf32>",
    )
    assert one(text, "h100").precision == "fp8"
    assert one(text, "h100", length=0).operations < one(text, "h100").operations
    assert one(text, "h100").detail == "mla_cache<64x32+16, fp8_e4m3>"


def test_an_unknown_peak_is_said():
    weight = (
        "!qlinear.packed<512x4, #qlinear.codebook<dim = 2, entries = 16, group = 512, "
        "table = i8, activation_entries = 64>>"
    )
    text = body(
        f"%y = qlinear.lut_matvec ins(%w, %a : {weight}, tensor<2xi32>) "
        "outs(%o : tensor<512xf32>) -> tensor<512xf32>",
        arguments=f"%w: {weight}, %a: tensor<2xi32>, %o: tensor<512xf32>",
    )
    report = cost.estimate(text, TOY)
    assert report.rows[0].precision is None and report.rows[0].memory_bound
    assert "?: toy has no known peak for it; time is that of bytes" in str(report)
    assert cost.estimate(text, "v80").rows[0].precision == "lookup"


def test_loops_with_known_bounds_count():
    known = body(
        "%a = arith.constant 2 : index",
        "%b = arith.constant 11 : index",
        "%s = arith.constant 4 : index",
        "scf.for %i = %a to %b step %s {",
        f"  %y = {MATVEC} -> tensor<64xf32>",
        "}",
        arguments=ARGUMENTS,
    )
    row = one(known)
    assert row.count == 3 and row.read == 3 * (WEIGHT + 1024)
    unknown = body(
        "%a = arith.constant 2 : index",
        "scf.for %i = %a to %b step %a {",
        f"  %y = {MATVEC} -> tensor<64xf32>",
        "}",
        arguments=f"{ARGUMENTS}, %b: index",
    )
    assert one(unknown).count == 1


def test_weights_in_other_orders_are_made_once():
    text = body(
        f"%c = qlinear.concat %w, %w : {W}, {W} to !qlinear.packed<128x256, #qlinear.gguf<q8_0>>",
        f"%y = {MATVEC} -> tensor<64xf32>",
        arguments=ARGUMENTS,
    )
    report = cost.estimate(text, TOY)
    concat, matvec = report.rows
    assert concat.once and not matvec.once
    assert report.bytes == matvec.bytes and report.time_us == matvec.time_us
    assert "once: done when weights are loaded; not in the total" in str(report)


def test_what_is_not_counted_is_said():
    text = body(
        f"%y = {MATVEC} -> tensor<64xf32>",
        "%e = tensor.empty() : tensor<64xf32>",
        "%z = linalg.exp ins(%y : tensor<64xf32>) outs(%e : tensor<64xf32>) -> tensor<64xf32>",
        arguments=ARGUMENTS,
    )
    report = cost.estimate(text, TOY)
    assert len(report.rows) == report.uncounted == json.loads(report.to_json())["uncounted"] == 1
    assert "not counted: 1 operations of linalg" in str(report)
    assert "not counted" not in str(cost.estimate(SPEC))


def test_without_a_device_only_bytes_and_operations():
    report = cost.estimate(SPEC)
    assert report.time_us is report.energy_uj is report.rows[0].time_us is None
    assert str(report).splitlines()[1].split() == [
        *("op", "detail", "runs", "read", "MB", "written", "MB", "Mop")
    ]
    assert json.loads(report.to_json())["device"] is None


def test_functions_are_not_added_up():
    text = "\n".join(
        body(f"%y = {MATVEC} -> tensor<64xf32>", arguments=ARGUMENTS).replace("@main", name)
        for name in ("@prefill", "@decode")
    )
    report = cost.estimate(text, TOY)
    assert [row.function for row in report.rows] == ["prefill", "decode"]
    totals = [line for line in str(report).splitlines() if line.startswith("total")]
    assert [line.split()[2] for line in totals] == ["@prefill", "@decode"]
    assert len({tuple(line.split()[3:]) for line in totals}) == 1


def test_report_as_text_and_json(tmp_path):
    report = cost.estimate(SPEC, "h100", length=7)
    title, head, row, total = str(report).splitlines()
    assert title.startswith("modelled on h100 (NVIDIA H100 SXM), density 1, 7 tokens in caches")
    assert head.split()[-4:] == ["us", "bound", "in", "uJ"]
    assert row.split()[:3] == ["qlinear.matvec", "64x256", "q8_0"] and "memory" in row
    assert total.split()[0] == "total"
    data = json.loads(report.to_json())
    assert data["modelled"] is True and data["device"]["name"] == "h100"
    assert data["rows"][0]["bytes"] == data["bytes"] == report.bytes
    assert data["time_us"] == report.time_us and data["length"] == 7


@pytest.mark.parametrize("device", [None, "v80"])
def test_plot(tmp_path, device):
    pytest.importorskip("matplotlib")
    cost.estimate(SPEC, device).plot(tmp_path / "cost.png")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_bad_requests():
    with pytest.raises(UsageError, match="expected operations of qlinear or qattn, but .* none"):
        cost.estimate("func.func @main() {\n  return\n}")
    with pytest.raises(UsageError, match="expected a density from 0 to 1, but got 2"):
        cost.estimate(SPEC, density=2)
    with pytest.raises(UsageError, match="expected a length of at least 0, but got -1"):
        cost.estimate(SPEC, length=-1)
    with pytest.raises(UsageError, match="expected a sector of 1 to 1048576 bytes, but got 0"):
        cost.estimate(SPEC, sector=0)
    with pytest.raises(UsageError, match="unknown device 'h101', did you mean 'h100'"):
        cost.estimate(SPEC, "h101")


# --- artifacts -----------------------------------------------------------------


@pytest.fixture(scope="module")
def artifact(tmp_path_factory):
    """Of a CPU that is described, with int8 activations: a quantize and a matvec."""
    made = headrace.compile(f"{SPEC},activations=i8", target="cpu:emeraldrapids", keep_ir=False)
    return headrace.load(made.save(tmp_path_factory.mktemp("cost") / "matvec.hr"))


def test_artifacts_of_a_described_cpu_have_modelled_times(artifact):
    report = artifact.report()
    device = cost.device("cpu-emerald-rapids-2")
    assert report.device == device.name
    quantize, matvec = report.rows
    assert quantize.op == "qlinear.quantize" and matvec.activations == "i8"
    assert matvec.modelled_us == device.time_us(matvec.bytes, matvec.operations, "i8")
    assert matvec.energy_uj == device.energy_uj(matvec.bytes, matvec.operations, "i8")
    assert report.modelled_us == quantize.modelled_us + matvec.modelled_us
    text = str(report)
    assert "modelled on cpu-emerald-rapids-2" in text and "model us" in text
    assert json.loads(report.to_json())["energy_uj"] == report.energy_uj


def test_artifacts_agree_with_the_module(artifact):
    spec = f"{SPEC},activations=i8"
    rows = cost.estimate(spec, "cpu-emerald-rapids-2").rows
    for row, kernel in zip(rows, artifact.report().rows, strict=True):
        assert (row.op, row.bytes, row.operations) == (kernel.op, kernel.bytes, kernel.operations)
        assert row.time_us == pytest.approx(kernel.modelled_us)


def test_artifacts_of_other_cpus_have_none():
    made = headrace.compile(SPEC, target="cpu:x86-64-v3", keep_ir=False)
    report = made.report()
    assert report.device is report.modelled_us is report.rows[0].energy_uj is None
    assert "modelled" not in str(report) and "modelled" not in json.dumps(made.manifest)
    other = remodelled(report, TOY)
    row = other.rows[0]
    assert other.device == "toy"
    assert row.modelled_us == TOY.time_us(row.bytes, row.operations, "f32")


# --- headrace inspect ----------------------------------------------------------


@pytest.fixture
def call(capsys):
    def run(*arguments):
        capsys.readouterr()
        code = main([str(item) for item in arguments])
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "decode.mlir"
    path.write_text(
        body(
            "%y, %l = qattn.decode ins(%q, %c, %n : tensor<8x64xf32>, "
            "!qattn.kv_cache<4096x2x64, bf16>, tensor<1xi32>) "
            "outs(%o, %lo : tensor<8x64xf32>, tensor<8xf32>) {scale = 0.125 : f32} "
            "-> tensor<8x64xf32>, tensor<8xf32>",
            arguments="%q: tensor<8x64xf32>, %c: !qattn.kv_cache<4096x2x64, bf16>, "
            "%n: tensor<1xi32>, %o: tensor<8x64xf32>, %lo: tensor<8xf32>",
        )
    )
    return path


def test_inspect_a_module(call, module):
    code, out, _ = call("inspect", module)
    assert code == 0 and "qattn.decode" in out and "full caches" in out
    assert "2.099" in out and "--device list" in out
    code, out, _ = call("inspect", module, "--device", "h100", "--length", 100)
    assert code == 0 and "modelled on h100" in out and "0.053" in out


def test_inspect_a_module_as_json_and_picture(call, module, tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "x.svg"
    code, out, _ = call("inspect", module, "--device", "h100", "--json", "--plot", picture)
    data = json.loads(out)
    assert code == 0 and data["rows"][0]["op"] == "qattn.decode"
    assert data["rows"][0]["read"] == 4096 * 512 + 2048 + 4
    assert "<svg" in picture.read_text()


def test_inspect_lists_devices(call):
    code, out, _ = call("inspect", "--device", "list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == cost.devices()
    data = json.loads(call("inspect", "--device", "list", "--json")[1])
    assert data["devices"][0]["sources"]


def test_inspect_an_artifact_on_another_device(call, artifact):
    code, out, _ = call("inspect", artifact.path, "--device", "m2-max")
    assert code == 0 and "modelled on m2-max" in out
    code, out, _ = call("inspect", artifact.path)
    assert code == 0 and "modelled on cpu-emerald-rapids-2" in out


def test_inspect_says_what_does_not_fit(call, artifact, module):
    code, _, err = call("inspect")
    assert code == 2 and "expected an artifact folder or an .mlir file, but got none" in err
    code, _, err = call("inspect", module, "--ir", "input")
    assert code == 2 and "--ir go with an artifact, not with a module" in err
    code, _, err = call("inspect", artifact.path, "--length", 3)
    assert code == 2 and "--density and --length go with a module" in err
    code, _, err = call("inspect", module, "--density", 2)
    assert code == 2 and "expected a density from 0 to 1, but got 2" in err
    code, _, err = call("inspect", module.with_name("none.mlir"))
    assert code == 2 and "no such file" in err
    code, _, err = call("inspect", module, "--device", "h101")
    assert code == 2 and "unknown device 'h101', did you mean 'h100'" in err


def test_inspect_a_raised_decoder_layer(call, tmp_path):
    """The layer of Gemma 3 from PyTorch: before raising there is nothing that says its cost."""
    layer = Path(__file__).parents[1] / "passes" / "common" / "gemma3_decoder_layer.mlir"
    code, _, err = call("inspect", layer)
    assert code == 2 and "expected operations of qlinear or qattn" in err
    raised = load_module(layer)
    run_pipeline(
        raised,
        "raise-torch-ops,raise-dequantize,raise-attention,canonicalize,cse,outline-weights,"
        "fuse-dequant-matvec,fuse-gated-matvec,merge-shared-input,split-kv{splits=2},"
        "canonicalize,cse",
    )
    path = tmp_path / "raised.mlir"
    path.write_text(str(raised))
    code, out, _ = call("inspect", path, "--device", "ryzen-ai-npu2")
    assert code == 0
    for part in ("qlinear.gated_matvec", "qattn.prefill", "qattn.decode", "qattn.merge_partials"):
        assert part in out
    rows = json.loads(call("inspect", path, "--json")[1])["rows"]
    assert all(row["bytes"] > 0 for row in rows)
    assert all(row["operations"] > 0 for row in rows if not row["once"])
