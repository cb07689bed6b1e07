"""What the fuzzer of IR starts from: the code of the lit tests, and the passes of passes/common."""

import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
COMMON = TESTS.parent / "passes" / "common"
FINDINGS = TESTS / "fuzz" / "findings" / "ir"

# Passes of MLIR that call code of ours: folds, how operations become buffers, and tiling.
BORROWED = (
    "builtin.module(canonicalize)",
    "builtin.module(one-shot-bufferize{bufferize-function-boundaries})",
    "builtin.module(transform-interpreter)",
)
_LARGEST = 6000  # characters of a seed; larger ones are only taken apart


def seeds() -> list[str]:
    """The code of the tests of dialects and common passes: each split, and its functions."""
    found: dict[str, None] = {}
    for folder in (TESTS / "dialects", TESTS / "passes" / "common"):
        for path in sorted(folder.rglob("*.mlir")):
            for split in re.split(r"^// -----.*$", path.read_text(), flags=re.MULTILINE):
                code = _code(split)
                whole = [code] if len(code) < _LARGEST else []
                for seed in (*whole, *_functions(code)):
                    found.setdefault(seed)
    return list(found)


def findings() -> dict[str, bytes]:
    """What once broke something: name -> text."""
    return {path.name: path.read_bytes() for path in sorted(FINDINGS.glob("*.mlir"))}


def _code(text: str) -> str:
    lines = (line for line in text.splitlines() if not re.match(r"\s*(//|$)", line))
    return "".join(line + "\n" for line in lines)


def _functions(code: str) -> list[str]:
    """Each function with the aliases in front: a mutation of one cannot spoil the others.

    What tiles the functions comes with each.
    """
    aliases = "".join(re.findall(r"^[!#]\w+ = .*\n", code, re.MULTILINE))
    functions = re.findall(r"^func\.func (?:.*\{\n(?:.*\n)*?\}\n|.*\n)", code, re.MULTILINE)
    tilings = re.findall(r"^module attributes \{transform.*?^\}\n", code, re.MULTILINE | re.DOTALL)
    if len(functions) < 2:
        return []
    return [aliases + function + "".join(tilings) for function in functions]


def pipelines() -> list[str]:
    """Each common pass alone, and the borrowed ones."""
    return [*map(_pipeline, _passes()), *BORROWED]


def pipelines_with_options() -> list[str]:
    """Common passes with the options that their lit tests give them."""
    found: dict[str, None] = {}
    for path in sorted((TESTS / "passes" / "common").glob("*.mlir")):
        for name, options in re.findall(
            r"""--([\w-]+)=("[^"]*"|'[^']*'|[^\s"']+)""", path.read_text()
        ):
            if name in _passes() and "%t" not in options.replace("%tests", ""):
                options = options.strip("\"'").replace("%S", str(path.parent))
                found.setdefault(_pipeline(name, options.replace("%tests", str(TESTS))))
    return list(found)


def _passes() -> dict[str, str]:
    """name -> operation that it runs on, from the definitions in TableGen."""
    text = "".join(path.read_text() for path in sorted(COMMON.glob("*Passes.td")))
    defined = re.findall(r'\bPass<\s*"([\w-]+)"(?:\s*,\s*"::mlir::([\w:]+)")?', text)
    return {name: "func.func" if anchor == "func::FuncOp" else "" for name, anchor in defined}


def _pipeline(name: str, options: str = "") -> str:
    """As text for `--pass-pipeline`."""
    call = f"{name}{{{options}}}" if options else name
    anchor = _passes()[name]
    return f"builtin.module({anchor}({call}))" if anchor else f"builtin.module({call})"
