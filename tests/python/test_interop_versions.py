"""The version pins of the IREE interop."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata

import pytest

from headrace.errors import ToolMissingError, VersionError
from headrace.interop.iree import versions


def fake_versions(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> None:
    found: dict[str, str | None] = {**versions.COMPILER, **versions.RUNTIME}
    found.update({name.replace("_", "-"): version for name, version in changes.items()})

    def version(name: str) -> str:
        value = found[name]
        if value is None:
            raise metadata.PackageNotFoundError(name)
        return value

    monkeypatch.setattr(versions.metadata, "version", version)


def test_the_installed_versions_are_the_pinned_ones() -> None:
    versions.check_compiler()
    versions.check_runtime()


def test_a_local_build_tag_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_versions(monkeypatch, torch="2.13.0+cpu")
    versions.check_compiler()


def test_mismatch_names_found_needed_and_command(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_versions(monkeypatch, torch_mlir="20250101")
    with pytest.raises(VersionError) as caught:
        versions.check_compiler()
    message = str(caught.value)
    assert "torch-mlir: found 20250101, but needed 20261001" in message
    assert "pip install" in message
    assert "torch-mlir==20261001" in message


def test_every_mismatch_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_versions(monkeypatch, torch="2.12.0", iree_base_runtime="3.12.0")
    with pytest.raises(VersionError, match=r"torch: found 2\.12\.0.*runtime: found 3\.12\.0"):
        versions.check_compiler()


def test_missing_package_is_its_own_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_versions(monkeypatch, iree_base_compiler=None)
    with pytest.raises(ToolMissingError, match=r"iree-base-compiler is not installed.*pip install"):
        versions.check_compiler()


def test_the_runtime_does_not_ask_for_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_versions(monkeypatch, iree_base_compiler=None, torch="1.0", torch_mlir=None)
    versions.check_runtime()


def test_compile_checks_versions_first(monkeypatch: pytest.MonkeyPatch) -> None:
    from headrace.interop import iree

    fake_versions(monkeypatch, iree_base_compiler="3.12.0")
    with pytest.raises(VersionError, match=r"iree-base-compiler: found 3\.12\.0"):
        iree.compile(object(), ())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("from headrace.quantize import quantize_linears", "needs the Python package torch"),
        ("from headrace.interop.iree import compile", "torch is not installed"),
    ],
)
def test_without_torch_the_error_says_so(statement: str, message: str) -> None:
    # A fresh interpreter in which torch cannot be found, neither as a module nor as a package.
    script = f"""if True:
        import importlib.metadata as metadata, sys
        sys.modules["torch"] = None
        found = metadata.version
        def version(name):
            if name == "torch":
                raise metadata.PackageNotFoundError(name)
            return found(name)
        metadata.version = version
        from headrace.errors import ToolMissingError
        try:
            {statement}
        except ToolMissingError as error:
            print(error)
    """
    command = [sys.executable, "-c", script]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert message in result.stdout
    assert "pip install" in result.stdout
