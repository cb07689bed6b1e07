"""The folder for users of an NPU: build.sh with stand-ins for its tools, packed data, README."""

import json
import re
import shutil
import subprocess

import aie_tools_fake
import numpy as np
import pytest

import headrace
from headrace.errors import CompileError
from headrace.targets.aie import hardware
from headrace_runtime import Artifact, aie_packing
from headrace_runtime.manifest import read_manifest
from headrace_runtime.verification import Verification

MATVEC = "matvec:m=67,k=512,format=q4nx"


def compiled(folder, target="aie", **options):
    artifact = headrace.compile(MATVEC, target=target, cache=False, **options)
    return artifact.save(folder)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return compiled(tmp_path_factory.mktemp("aie") / "op.hr", verification=True)


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "op.hr")


@pytest.fixture
def tools(tmp_path):
    return aie_tools_fake.Tools(tmp_path)


# --- build.sh ------------------------------------------------------------------------------------


def test_the_script_is_a_program(whole):
    assert (whole / "build.sh").stat().st_mode & 0o111
    done = subprocess.run(["bash", "-n", str(whole / "build.sh")], capture_output=True)
    assert done.returncode == 0 and not done.stderr
    assert "@" not in re.sub(r"@\]|\$@", "", (whole / "build.sh").read_text())


@pytest.mark.parametrize(("target", "triple"), [("aie:npu1", "aie2-"), ("aie:npu2", "aie2p-")])
def test_tools_are_called_as_their_makefiles_do(tmp_path, tools, target, triple):
    path = compiled(tmp_path / "op.hr", target)
    done = tools.build(path)
    assert done.returncode == 0, done.stderr
    device = target.removeprefix("aie:")
    assert done.stdout == f"built build/aie.xclbin and build/insts.bin for {device}\n"
    clang, rest = tools.log.read_text().split("aiecc", 1)
    assert f"--target={triple}none-unknown-elf" in clang and "-std=c++20" in clang
    assert "-ffunction-sections" in clang
    assert f"-I {tools.mlir_aie}/include -c ../cores.cpp -o cores.o\n" in clang
    where, _, options = rest.replace("\n", " ").strip().partition(" ")
    assert where == str(path / "build")
    # Objects that the design names lie beside it.
    names = set(re.findall(r'link_with = "([^"]*)"', (path / "design.mlir").read_text()))
    assert names == {"cores.o"} and names < set(options.split())
    assert options.endswith(
        f"--no-compile-host --no-xchesscc --no-xbridge --peano={tools.peano} "
        "--aie-generate-xclbin --xclbin-name=aie.xclbin "
        "--aie-generate-npu-insts --npu-insts-name=insts.bin design.mlir"
    )
    written = (path / "build" / "tools.txt").read_text().splitlines()
    assert written == [
        "aiecc: aiecc 1.2.3 ",
        "clang++: clang 19 of Peano",
        "xclbinutil: xclbinutil 2.21 ",
    ]
    Artifact.load(path)  # what is built does no harm


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ("aiecc", "aiecc of mlir-aie (looked in"),
        ("clang++", "clang++ of Peano (looked in"),
        ("xclbinutil", "xclbinutil of XRT (looked on PATH)"),
        ("aie_api", "headers of aie_api (looked for"),
    ],
)
def test_what_is_missing_is_named(folder, tools, tool, message):
    tools.files[tool].unlink()
    done = tools.build(folder)
    assert done.returncode == 1 and not tools.log.exists()
    assert done.stderr.startswith("build.sh: cannot build for npu2, missing:\n  - ")
    assert message in done.stderr and done.stderr.count("  - ") == 1


def test_all_that_is_missing_is_named_at_once(folder, tools):
    for path in tools.files.values():
        path.unlink()
    done = tools.build(folder)
    assert done.returncode == 1 and done.stderr.count("  - ") == 4
    assert hardware.COMMIT in done.stderr and "export PEANO_INSTALL_DIR" in done.stderr
    nothing = tools.build(folder, MLIR_AIE_INSTALL_DIR="", PEANO_INSTALL_DIR="")
    assert nothing.returncode == 1 and "MLIR_AIE_INSTALL_DIR, PATH, mlir_aie" in nothing.stderr


def test_aiecc_on_the_path(folder, tools):
    path = f"{tools.mlir_aie / 'bin'}:{tools.xrt}:/usr/bin:/bin"
    assert tools.build(folder, MLIR_AIE_INSTALL_DIR="", PATH=path).returncode == 0


def test_other_versions_of_aiecc(folder, tools):
    done = tools.build(folder, OPTIONS="--get-xclbin")
    assert done.returncode == 1 and "an aiecc that takes --aie-generate-xclbin" in done.stderr
    done = tools.build(folder, NOTHING="1")
    assert done.returncode == 1
    assert "aiecc ended without an error, but build/aie.xclbin is missing" in done.stderr
    assert tools.build(folder).returncode == 0


def test_a_source_that_does_not_compile(folder, tools):
    (folder / "cores.cpp").unlink()
    done = tools.build(folder)
    assert done.returncode != 0 and "no ../cores.cpp" in done.stderr
    assert not (folder / "build" / "aie.xclbin").exists()


def test_an_object_without_a_source(tmp_path):
    with pytest.raises(CompileError, match=r"cores link with other.o, but there is no other.cpp"):
        hardware.write_build_script(tmp_path, 'link_with = "other.o"', "npu2")


def test_more_memories_than_an_xclbin_has(whole, tmp_path):
    manifest = json.loads((whole / "manifest.json").read_text())
    manifest["array"]["memory"] += 3 * [{"name": "weights1", "bytes": 4}]
    with pytest.raises(CompileError, match="at most 5 arguments of the runtime seq.* but got 6"):
        hardware.finish(manifest, tmp_path, False)


# --- data ----------------------------------------------------------------------------------------


def test_packed_data_is_that_of_the_drawn_inputs(whole):
    manifest = read_manifest(whole)
    array = manifest.data["array"]
    memory = aie_packing.pack(array, Verification(whole, manifest).memory())
    for name, data in zip(("weights", "activations"), memory, strict=False):
        assert array["packed"][name] in manifest.sha256
        assert (whole / array["packed"][name]).read_bytes() == data.tobytes()
    assert memory[2].min() == 255 and memory[2].size == aie_packing.sizes(array)["results"]
    (item,) = array["simulated"]
    assert item["output"] == "y" and 0 < item["error"] < 1e-4


def test_a_folder_without_data(tmp_path):
    path = compiled(tmp_path / "op.hr")
    assert not (path / "packed").exists() and "simulated" not in read_manifest(path).data["array"]
    readme = (path / "README.md").read_text()
    assert "packed/" not in readme and "Results were not compared" in readme


def test_a_design_that_gives_other_results_is_no_artifact(monkeypatch):
    right = aie_packing.pack_activations
    monkeypatch.setattr(
        aie_packing, "pack_activations", lambda part, x: right(part, x[::-1].copy())
    )
    with pytest.raises(CompileError, match=r"error of at most 0.005 in 'y', but the simulated"):
        headrace.compile(MATVEC, target="aie", cache=False, verification=True)


# --- README --------------------------------------------------------------------------------------


def test_the_readme_says_what_is_there(whole):
    readme = (whole / "README.md").read_text()
    assert "@" not in readme and "npu2: Strix, Krackan" in readme
    named = set(re.findall(r"^\| `([^`]+)` \|", readme, re.MULTILINE))
    files = {path.relative_to(whole).as_posix() for path in whole.rglob("*") if path.is_file()} - {
        "README.md"
    }
    for file in files:
        assert file in named or f"{file.split('/')[0]}/" in named, file
    for name in named:
        assert (whole / name).exists(), name
    array = json.loads((whole / "manifest.json").read_text())["array"]
    for index, (name, size) in enumerate(aie_packing.sizes(array).items()):
        assert f"| {index} | {size} | {name}:" in readme
    assert f"{array['simulated'][0]['error']:.2g} against float64" in readme
    assert "Nothing of this ran on a device" in readme
    assert max(len(line) for line in readme.splitlines() if not line.startswith("|")) <= 110


def test_the_commit_is_that_of_the_dialects():
    from pathlib import Path

    text = (Path(headrace.__file__).parent / "targets" / "aie" / "devices.json").read_text()
    assert hardware.COMMIT in text
    assert np.array_equal(sorted(hardware.TRIPLES), sorted(json.loads(text)["devices"]))
