"""Make the build tree importable from this virtual environment, with its commands.

usage: dev_install.py PACKAGES_DIR

Writes into the environment that runs this script: a .pth file (relative, so a moved tree still
works) that adds PACKAGES_DIR, the console scripts of pyproject.toml, and the package's metadata,
so that `pip check`, entry points and `importlib.metadata` see `headrace` as installed.
"""

import os
import re
import sys
import sysconfig
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = """\
#!{python}
import sys

from {module} import {function}

if __name__ == "__main__":
    sys.exit({function}())
"""


def package_version(project: dict) -> str:
    """The version where pyproject.toml's metadata provider looks for it."""
    source = project["tool"]["scikit-build"]["metadata"]["version"]["input"]
    match = re.search(r'^__version__ = "([^"]+)"', (ROOT / source).read_text(), re.MULTILINE)
    if match is None:
        raise SystemExit(f"error: {source} has no __version__")
    return match[1]


def write_metadata(site: Path, project: dict) -> None:
    """A dist-info folder, as an editable installation would leave it."""
    name, version = project["project"]["name"], package_version(project)
    for old in site.glob(f"{name}-*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    requires = "".join(f"Requires-Dist: {item}\n" for item in project["project"]["dependencies"])
    scripts = "".join(f"{k} = {v}\n" for k, v in project["project"]["scripts"].items())
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}"
    )
    (info / "entry_points.txt").write_text(f"[console_scripts]\n{scripts}")
    (info / "INSTALLER").write_text("headrace-dev-install\n")
    (info / "RECORD").write_text("")


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    if sys.prefix == sys.base_prefix:
        print("error: run this with the Python of a virtual environment", file=sys.stderr)
        return 1
    packages = Path(arguments[0]).resolve()
    site = Path(sysconfig.get_path("purelib"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    (site / "headrace-dev.pth").write_text(os.path.relpath(packages, site) + "\n")
    write_metadata(site, project)
    for name, target in project["project"]["scripts"].items():
        module, function = target.split(":")
        script = Path(sys.prefix) / "bin" / name
        script.write_text(SCRIPT.format(python=sys.executable, module=module, function=function))
        script.chmod(0o755)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
