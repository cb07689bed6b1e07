"""The CPU description: dot path, vectors and requirements follow from features."""

import shlex
import shutil
import subprocess
from types import SimpleNamespace

import pytest

import headrace
from headrace import opt_tool
from headrace.errors import CompileError, ToolMissingError, UsageError
from headrace.modules import load_module
from headrace.native import native
from headrace.targets import cpu
from headrace.targets.cpu.description import describe, describe_features
from headrace.targets.cpu.elf import undefined_symbols
from headrace.targets.cpu.package import emit_object
from headrace_runtime import host

TRIPLE = "x86_64-pc-linux-gnu"
OLDEST = ["avx", "f16c", "fma"]
V4 = ["avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"]


def features(*names):
    return dict.fromkeys(names, True) | {"avx10.1": False}


def test_host_is_what_the_machine_has():
    description = describe(None)
    assert description.machine == host().machine
    assert set(description.required_features) <= host().features


@pytest.mark.parametrize(
    ("name", "dot", "features"),
    [
        ("cortex-a72", "neon", ["asimd"]),
        ("neoverse-n1", "dotprod", ["asimd", "asimddp", "asimdhp", "asimdrdm", "atomics", "lrcpc"]),
    ],
)
def test_named_cpus_of_aarch64(name, dot, features):
    description = describe(name)
    assert description.machine == "aarch64"
    assert (description.dot, description.lookup, description.vector_bits) == (dot, "neon", 128)
    assert sorted(description.required_features) == features


@pytest.mark.parametrize(
    ("name", "dot", "sve"),
    [
        ("a64fx", "neon", {"sve"}),
        ("neoverse-v1", "i8mm", {"sve"}),
        ("grace", "i8mm", {"sve", "sve2"}),
    ],
)
def test_cpus_with_sve(name, dot, sve):
    """Their vectors have NEON's width; SVE is for what NEON has no instruction for."""
    description = describe(name)
    assert (description.dot, description.vector_bits) == (dot, 128)
    assert {feature for feature in description.required_features if "sve" in feature} == sve
    features = set(description.feature_string.split(","))
    assert "+sve" in features
    assert ("+sve2" in features) == ("sve2" in sve)


def test_extensions_of_sve_are_not_required():
    features = describe("grace").feature_string.split(",")
    assert {"-sve-aes", "-sve-bitperm", "-sve-sha3", "-sve-sm4"} <= set(features)


def test_executor_for_another_machine_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("headrace.targets.cpu.package.files", lambda _: tmp_path)
    monkeypatch.setattr("headrace.targets.cpu.package.host", lambda: SimpleNamespace(machine="x"))
    with pytest.raises(ToolMissingError, match=r"'native/aarch64/executor.o'.*libc6-dev-arm64"):
        headrace.compile("matvec:m=8,k=32,format=q8_0", target="cpu:cortex-a72")


@pytest.mark.parametrize(
    ("name", "dot", "bits"),
    [
        ("haswell", "avx2", 256),
        ("x86-64-v3", "avx2", 256),
        ("x86-64-v4", "avx2", 512),
        ("sapphirerapids", "vnni", 512),
        ("znver4", "vnni", 512),
        ("znver5", "vnni", 512),
    ],
)
def test_named_cpus(name, dot, bits):
    description = describe(name)
    assert (description.name, description.dot, description.vector_bits) == (name, dot, bits)


def test_vnni_needs_all_of_its_features():
    assert describe_features("a", TRIPLE, features(*V4, "avx512vnni")).dot == "vnni"
    assert describe_features("b", TRIPLE, features(*V4)).dot == "avx2"
    lacking = [name for name in V4 if name != "avx512bw"]
    assert describe_features("c", TRIPLE, features(*lacking, "avx512vnni")).dot == "avx2"
    assert describe_features("d", TRIPLE, features(*OLDEST)).dot == "portable"


def test_lookups_follow_the_width_of_vectors():
    assert describe_features("a", TRIPLE, features(*V4)).lookup == "avx512"
    lacking = [name for name in V4 if name != "avx512bw"]
    assert describe_features("b", TRIPLE, features(*lacking)).lookup == "avx2"
    assert describe_features("c", TRIPLE, features(*OLDEST)).lookup == "portable"


def test_feature_that_the_machine_hides_is_turned_off():
    present = dict(native().host_cpu()[1]) | {"avx512fp16": False, "avx2": True}
    description = describe_features("sapphirerapids", TRIPLE, present)
    assert "-avx512fp16" in description.feature_string.split(",")
    assert "+avx2" in description.feature_string.split(",")
    assert "avx512_fp16" not in description.required_features


def test_requirements_use_the_names_of_proc_cpuinfo():
    present = features(*OLDEST, "sse4.1", "lzcnt", "bmi", "sha")
    description = describe_features("x", TRIPLE, present)
    assert description.required_features == ["avx", "bmi1", "f16c", "fma", "abm", "sse4_1"]
    assert description.vector_bits == 128


@pytest.mark.parametrize("name", ["x86-64", "nehalem", "ivybridge"])
def test_cpus_that_are_too_old(name):
    with pytest.raises(UsageError, match=f"need .*fma, which '{name}' does not have; allowed: x86"):
        describe(name)


def test_machine_without_kernels():
    with pytest.raises(UsageError, match="expected machine x86_64 or aarch64, but got 'riscv64'"):
        describe_features("x", "riscv64-linux-gnu", {})


def test_description_is_in_the_stages_and_in_json():
    description = describe("znver5")
    (stage,) = cpu.stages(description)
    assert "dot=vnni" in stage.run and "abi=plan" in stage.run
    assert str(cpu.CAPABILITIES) in stage.run
    assert "abi=iree" in cpu.stages(description, abi="iree")[0].run
    facts = description.to_json()
    assert (facts["cpu"], facts["dot"], facts["vector_bits"]) == ("znver5", "vnni", 512)
    assert facts["fast_bf16"] and not describe("sapphirerapids").fast_bf16
    assert facts["gfni"] and not describe("cascadelake").gfni and not describe("alderlake").gfni


LOWERED = """
llvm.func @sinf(f32) -> f32
llvm.func @own(%x: f32) -> f32 {
  %y = llvm.call @FUNCTION(%x) : (f32) -> f32
  llvm.return %y : f32
}
llvm.func @identity(%x: f32) -> f32 attributes {passthrough = ["noinline"]} { llvm.return %x : f32 }
"""


def test_kernels_that_call_a_library_are_refused():
    module = load_module(LOWERED.replace("FUNCTION", "sinf").encode())
    with pytest.raises(CompileError, match="kernels that call nothing, but they call sinf"):
        emit_object(module, describe(None))


def test_object_of_kernels_that_call_nothing():
    module = load_module(LOWERED.replace("FUNCTION", "identity").encode())
    data = emit_object(module, describe(None))
    assert undefined_symbols(data) == []
    assert b"identity" in data


def test_undefined_symbols_of_something_else():
    with pytest.raises(ValueError, match="expected a 64-bit little-endian ELF object"):
        undefined_symbols(b"MZ" + bytes(100))


def test_capability_table_in_a_folder_with_spaces(tmp_path, monkeypatch):
    folder = tmp_path / "a folder, with signs"
    folder.mkdir()
    path = shutil.copy(cpu.CAPABILITIES, folder)
    monkeypatch.setattr(cpu, "CAPABILITIES", path)
    assert headrace.compile("matvec:m=8,k=32,format=q8_0", keep_ir=False).kernels
    with pytest.raises(CompileError, match="multiples of 32") as caught:
        headrace.compile("matvec:m=8,k=40,format=q4nx", dump_dir=tmp_path)
    words = shlex.split(caught.value.command)
    done = subprocess.run([opt_tool.path(), *words[1:]], capture_output=True, text=True)
    assert "multiples of 32" in done.stderr
