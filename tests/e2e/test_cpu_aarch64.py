"""What is compiled for AArch64, run under QEMU: kernels, the executor, the quantizers.

`make test` installs QEMU and the C library of AArch64 (scripts/debian_packages.sh).
"""

import struct
from importlib.resources import files

import numpy as np
import pytest

import headrace
from headrace import check, formats, targets
from headrace.bench import emulated as bench_emulated
from headrace.check.compiled import run_with_threads
from headrace.check.emulation import Address, EmulationError, Request, aarch64
from headrace.errors import MachineError
from headrace_runtime import host

OLDEST = "cpu:cortex-a72"
NATIVE = files("headrace.targets.cpu") / "native" / "aarch64"


def _why_not() -> str:
    if host().machine == "aarch64":
        return "this machine is an AArch64; the other tests run its kernels"
    try:
        aarch64(())
    except MachineError as error:
        return str(error)
    return ""


emulated = pytest.mark.skipif(bool(_why_not()), reason=_why_not())


@emulated
@pytest.mark.parametrize(
    ("cpu", "seed"), [("cortex-a72", 31), ("neoverse-n1", 32), ("neoverse-v2", 33)]
)
def test_cells_of_every_operation(cpu, seed):
    """`headrace check -t cpu:NAME` runs all of them."""
    report = check.run(f"cpu:{cpu}", seed=seed, sample=26, quick=True, jobs=2)
    failed = [
        f"{row.operation}: {row.error:.3g} > {row.bound:.3g}, {row.data}, {row.reference}"
        for row in report.failed
    ]
    assert not failed, "\n".join(failed)
    assert {row.op for row in report.rows} == {cell.op for cell in targets.find("cpu").cells()}
    assert all(row.runs for row in report.rows)


def compiled(target):
    return headrace.compile("matvec:m=40,k=256,format=q4_k,activations=i8", target=target)


def operands():
    rng = np.random.default_rng(5)
    weights = formats.get("q4_k").encode(rng.standard_normal((40, 256), dtype=np.float32))
    return rng.standard_normal(256, dtype=np.float32), weights


@emulated
def test_results_are_those_of_this_machine():
    (here,) = run_with_threads(compiled("cpu"), operands())
    for cpu in ("cortex-a72", "neoverse-n1", "neoverse-v2"):
        (there,) = run_with_threads(compiled(f"cpu:{cpu}"), operands())
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-5)
        x, weights = operands()
        (other,) = run_with_threads(compiled(f"cpu:{cpu}"), (-x, weights))
        np.testing.assert_allclose(other, -there, rtol=1e-5, atol=1e-5)


@emulated
def test_instructions_that_the_cpu_lacks_are_not_run():
    """So the emulated CPU shows whether an artifact requires what it uses."""
    made = compiled("cpu:neoverse-v1")
    made.manifest["requires"]["features"].clear()
    with pytest.raises(EmulationError, match="stopped by SIGILL"):
        run_with_threads(made, operands())


@emulated
def test_reading_behind_a_buffer_is_an_error():
    """A plan of two steps, of which the memory holds one."""
    made = compiled(OLDEST)
    library = made.path / "kernels.so"
    request = Request("hr_plan_run")
    steps = request.add(struct.pack("<Q4I3Q", 1, 1, 1, 1, 0, 0, 0, 0))
    request.arguments = [Address(steps), 0, Address(steps), 1]
    assert [result & 0xFFFFFFFF for result, _ in aarch64(()).call(library, [request])] == [0]
    request.arguments[1] = 2
    with pytest.raises(EmulationError, match="stopped by SIGSEGV"):
        aarch64(()).call(library, [request])


@emulated
def test_unknown_function_is_named():
    made = compiled(OLDEST)
    library = made.path / "kernels.so"
    with pytest.raises(EmulationError, match="the library has no function no_such_thing"):
        aarch64(()).call(library, [Request("no_such_thing")])


@emulated
@pytest.mark.parametrize("kind", list(formats.native.KINDS))
def test_quantizers_write_the_bytes_of_this_machine(kind):
    rng = np.random.default_rng(6)
    values = rng.standard_normal((4, 512), dtype=np.float32)
    values[1] *= np.float32(1e-6)
    values[2, ::7] *= 100
    importance = rng.gamma(0.5, size=512).astype(np.float32)
    requests, expected = [], []
    for weights in (None, importance):
        expected.append(formats.native.encode_blocks(kind, values, weights))
        request = Request("hr_quantize")
        data = request.add(values.tobytes())
        factors = 0 if weights is None else Address(request.add(weights.tobytes()))
        out = request.add(expected[-1].nbytes, replied=True)
        number = formats.native.KINDS[kind]
        request.arguments = [number, Address(data), 4, 512, factors, Address(out), -1]
        requests.append(request)
    replies = aarch64(()).call(NATIVE / "libheadrace_quantize.so", requests)
    for (result, (packed,)), want in zip(replies, expected, strict=True):
        assert result == 0
        assert np.array_equal(np.frombuffer(packed, np.uint8), want.reshape(-1))


def test_missing_qemu_is_named(monkeypatch):
    monkeypatch.setattr("headrace.check.emulation.QEMU", "qemu-of-nobody")
    with pytest.raises(MachineError, match="needs qemu-of-nobody: apt-get install qemu-user"):
        aarch64(())
    if host().machine != "aarch64":
        with pytest.raises(MachineError, match="needs an aarch64 machine, but this one is"):
            check.run(OLDEST, filter="matvec/q8_0/f32", quick=True)


@emulated
def test_limits_read_what_is_correct(monkeypatch):
    monkeypatch.setattr(bench_emulated, "SAMPLE", 3)
    ticks = []
    shares = bench_emulated.measure(7, lambda: ticks.append(1))
    assert shares == dict.fromkeys(bench_emulated.CPUS, 1.0)
    assert len(ticks) == len(shares)
    monkeypatch.setattr("headrace.check.emulation.QEMU", "qemu-of-nobody")
    missing = bench_emulated.measure(7, lambda: None)
    assert all("needs qemu-of-nobody" in str(why) for why in missing.values())
